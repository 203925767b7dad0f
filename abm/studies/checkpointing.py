"""When and what to keep so that a stopped run can go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from abm.engine.batches import Batches
from abm.engine.checkpoint import load_tree, read_header, save_tree
from abm.engine.simulate import Simulation
from abm.errors import Stopped
from abm.output.atomic import complete_or_absent
from abm.studies.context import Context


class Keeper:
    """Writes a checkpoint every few minutes and when the run is told to stop.

    Args:
        context: Surroundings of the run.
        minutes: Wall time between two checkpoints.
    """

    def __init__(self, context: Context, minutes: float) -> None:
        self._context, self._seconds = context, 60.0 * minutes
        self._last = time.monotonic()
        path = context.checkpoint
        self._header = read_header(path) if context.resume and path is not None and path.exists() else None

    def stored(self, phase: str) -> dict[str, Any] | None:
        """Header of the checkpoint to continue from, if it was made in `phase`."""
        return self._header if self._header is not None and self._header["phase"] == phase else None

    def load(self, like: Any) -> Any:
        """The stored arrays in the structure of `like`."""
        path = self._context.checkpoint
        return like if path is None else load_tree(path, like)

    def offer(self, phase: str, simulation: Simulation | Batches, step: int, header: dict[str, Any], more: Callable[[], dict[str, Any]]) -> None:
        """A moment at which the run could be stopped.

        Raises:
            Stopped: If the run is told to stop; the checkpoint was written if there is a folder.
        """
        stop = self._context.should_stop()
        path = self._context.checkpoint
        if path is not None and (stop or time.monotonic() - self._last >= self._seconds):
            tree = {"carry": simulation.carry(), **more()}
            with complete_or_absent(path) as temporary:
                save_tree(temporary, tree, {"phase": phase, "step": step, **header})
            self._last = time.monotonic()
        if stop:
            where = f"a checkpoint is in {path.parent}; go on with resume=true" if path is not None else "no folder was given, so nothing was kept"
            raise Stopped(f"stopped on day {simulation.grid.times[step]:.1f} of the {phase.replace('_', '-')}: {where}")
