"""Rows in equal batches that run one after another through one compiled program.

Rows do not know of each other, so batches change no number.  They keep the state of a
batch in the cache of a processor, and a batch as large as the lead-in shares its program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from abm.engine.devices import rows_between
from abm.engine.program import Carry, Model
from abm.engine.simulate import Grid, Simulation
from abm.streams import PHASE_TRIAL


class Batches:
    """Like `Simulation`, for `batches` batches of equally many rows.

    Args:
        batches: Number of batches; divides the number of rows.

    The others are those of `Simulation`.

    Raises:
        ValueError: The rows do not make `batches` equal batches.
    """

    def __init__(
        self,
        batches: int,
        model: Model,
        resolution: int,
        params: Any,
        param_axes: Any,
        keys: np.ndarray,
        carry: Carry,
        grid: Grid,
        *,
        phase: np.uint32 = PHASE_TRIAL,
        devices: int | None = None,
        step: int = 0,
    ) -> None:
        each, rest = divmod(len(keys), batches)
        if rest:
            raise ValueError(f"{len(keys)} rows do not make {batches} equal batches")
        self.grid = grid
        self._parts = [
            Simulation(
                model,
                resolution,
                rows_between(params, param_axes, start, start + each),
                param_axes,
                keys[start : start + each],
                jax.tree.map(lambda x, a=start: x[a : a + each], carry),
                grid,
                phase=phase,
                devices=devices,
                step=step,
            )
            for start in range(0, len(keys), each)
        ]

    @property
    def step(self) -> int:
        """Step boundary at which all rows stand."""
        return self._parts[0].step

    @property
    def mesh(self) -> jax.sharding.Mesh:
        """Devices."""
        return self._parts[0].mesh

    def run_to(self, step: int) -> None:
        """See `Simulation.run_to`."""
        for part in self._parts:
            part.run_to(step)

    def observe(self, function: Callable[[Any, Carry], Any]) -> Any:
        """See `Simulation.observe`."""
        return _joined([part.observe(function) for part in self._parts])

    def shape_of(self, function: Callable[[Any, Carry], Any]) -> Any:
        """Structure of what `observe(function)` returns for one batch."""
        return self._parts[0].shape_of(function)

    def carry(self) -> Carry:
        """See `Simulation.carry`."""
        whole: Carry = _joined([part.carry() for part in self._parts])
        return whole

    def replace_rows(self, **arrays: Any) -> None:
        """See `Simulation.replace_rows`."""
        each = len(self._parts)
        for number, part in enumerate(self._parts):
            part.replace_rows(**jax.tree.map(lambda rows, n=number: np.split(rows, each)[n], arrays))

    def freeze(self, finished: np.ndarray) -> None:
        """See `Simulation.freeze`."""
        for part, rows in zip(self._parts, np.split(finished, len(self._parts)), strict=True):
            part.freeze(rows)


def _joined(trees: list[Any]) -> Any:
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *x: np.concatenate(x), *trees)
