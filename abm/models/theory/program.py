"""What the theory experiments share: a model of one column, their grid, their rows and first packets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.mutation import Mutations
from abm.engine.packets import Packets, new_packets
from abm.engine.program import Model, Subjects, Words
from abm.engine.simulate import Grid, make_grid
from abm.engine.views import View
from abm.streams import name_key, threefry

SMALLEST_CAPACITY = 8
# Float32 integrals of that many steps still carry 4 digits more than any readout shows.
MOST_STEPS_PER_DRAW = 256
_SAME_DAY = 1e-9


class Settings(NamedTuple):
    """Numerical settings that a theory experiment reads."""

    seed: int
    packets: int
    dt_hours: float
    packing_hours: float
    interval_hours: float  # of the series


@dataclasses.dataclass(frozen=True)
class TheoryProgram:
    """A theory experiment, ready to run.  Rows are arm by arm; row = arm * subjects + subject."""

    model: Model
    resolution: int
    params: Any
    param_axes: Any
    packets: Packets
    row_state: Any
    keys: np.ndarray  # uint32 (rows, 2)
    grid: Grid
    save_steps: tuple[int, ...]
    arms: tuple[str, ...]
    subjects: int
    populations: tuple[str, ...]  # by clone
    concentration: Callable[[Any, Any], Any] | None = None  # (params, carry) -> float64 (rows, drugs)
    mutates: bool = False  # whether the row state holds a clone table, `clones`
    search: Callable[[TheoryProgram, int | None], Any] | None = None  # (program, devices): rows have clocks of their own and end where they succeed
    tally: Callable[[Any, Any], dict[str, Any]] | None = None  # (params, carry) -> int64 (rows, populations); None = that of the packets
    cells_per_unit: float | None = None  # counts are shown in units of this many cells


@dataclasses.dataclass(frozen=True)
class TheorySolution:
    """A theory experiment that has no chance and no steps: its curves, the same for every subject."""

    days: np.ndarray
    populations: tuple[str, ...]
    count: np.ndarray  # float64 (time, population), in the unit of `unit`
    concentration: np.ndarray  # float64 (time,)
    subjects: int
    arms: tuple[str, ...] = ("theory",)


@dataclasses.dataclass(frozen=True)
class OneColumn:
    """Model in which cells divide and die and nothing else; subclasses say how fast."""

    n_clones: int = 1
    n_columns: int = 1

    def reserve(self, resolution: int) -> int:
        """No packet appears; see `abm.engine.program.Model`."""
        return 0

    def view(self, piece: str) -> View:
        """All, but to pack needs no rows; see `abm.engine.program.Model`."""
        return View(self, rows=()) if piece == "pack" else View(self)

    def settles(self, rows: Any) -> bool:
        """Rows hold no cells; see `abm.engine.program.Model`."""
        return False

    def settle(self, params: Any, rows: Any, subjects: Subjects, k: jax.Array) -> Any:
        """Rows hold no cells; see `abm.engine.program.Model`."""
        return rows

    def window(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array) -> tuple[Any, Packets, list[list[jax.Array | None]]]:
        """Nothing moves; see `abm.engine.program.Model`."""
        return rows, packets, []

    def mutate(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array, day: jax.Array) -> tuple[Any, Packets, Mutations | None]:
        """Nothing mutates; see `abm.engine.program.Model`."""
        return rows, packets, None

    def renew(self, params: Any, packets: Packets, words: Words) -> Packets:
        """Nothing is redrawn; see `abm.engine.program.Model`."""
        return packets

    def coordinate(self, params: Any, packets: Packets) -> jax.Array:
        """All packets of a clone are alike; see `abm.engine.program.Model`."""
        return jnp.zeros(packets.clone.shape, jnp.float32)


def save_days(end_day: float, interval_hours: float, extra_days: Sequence[float] = ()) -> np.ndarray:
    """Days on which a series is recorded: 0, every interval, `extra_days` and the end."""
    regular = np.arange(int(np.floor(end_day * 24.0 / interval_hours + 1e-9)) + 1) * (interval_hours / 24.0)
    # Where two days are the same but for rounding, the one that was asked for stays.
    wanted = np.unique(np.array([0.0, end_day, *extra_days], np.float64))
    wanted = wanted[np.append(True, np.diff(wanted) > _SAME_DAY)]
    apart = regular[np.min(np.abs(regular[:, None] - wanted[None, :]), axis=1) > _SAME_DAY]
    return np.union1d(apart, wanted)


def theory_grid(
    settings: Settings,
    days: np.ndarray,
    *,
    longest_step: float = np.inf,
    longest_window: float = np.inf,
    every_step: bool = False,
    pack: bool = True,
) -> tuple[Grid, tuple[int, ...]]:
    """Steps that meet `days` exactly, and the step boundaries of these days.

    Args:
        days: Days to record, rising; the last one is the end.
        longest_step: Longer steps are cut into equal parts, d.
        longest_window: Longest time between two draws, d; recording draws as well.
        every_step: Whether to draw after every step.
        pack: Whether packets are merged and split.
    """
    base = make_grid(float(days[-1]), settings.dt_hours, settings.dt_hours, settings.packing_hours, tuple(days))
    steps = np.diff(base.times)
    parts = np.maximum(np.ceil(steps / min(longest_step, longest_window) - 1e-9), 1.0).astype(np.int64)
    ends = np.cumsum(parts)
    place = np.arange(ends[-1]) - np.repeat(ends - parts, parts)
    times = np.append(np.repeat(base.times[:-1], parts) + place * np.repeat(steps / parts, parts), base.times[-1])
    packing = np.zeros(len(times), bool)
    packing[ends] = base.pack[1:] & pack
    saved = np.array([int(np.argmin(np.abs(times - day))) for day in days])
    times[saved] = days
    drawn = packing.copy()
    drawn[saved] = True
    drawn |= every_step
    return Grid(times=times, drawn=_draws(times, drawn, longest_window), pack=packing), tuple(int(k) for k in saved)


def _draws(times: np.ndarray, drawn: np.ndarray, longest: float) -> np.ndarray:
    """Step boundaries at which to draw so that draws are at most `longest` days apart; bool (steps + 1,)."""
    due = drawn.copy()
    last = 0
    for k in range(1, len(times)):
        too_far = k + 1 < len(times) and (times[k + 1] - times[last] > longest + _SAME_DAY or k - last >= MOST_STEPS_PER_DRAW)
        due[k] = due[k] or too_far
        last = k if due[k] else last
    due[0] = False
    return due


def replicate_keys(seed: int, name: str, replicates: int) -> np.ndarray:
    """Keys of independent subjects, uint32 (replicates, 2): those of `abm.streams.subject_key`, all at once."""
    with np.errstate(over="ignore"):
        seeds = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
        words = threefry(*seeds, np.uint32(name_key(name)), np.arange(replicates, dtype=np.uint32))
    return np.stack(words, axis=1)


def capacity_for(packets: int) -> int:
    """Places for packets that appear only by splitting: even, because merging works on neighbouring pairs."""
    return max(SMALLEST_CAPACITY, packets + packets % 2)


def alike_packets(n0: int, rows: int, resolution: int) -> tuple[Packets, int]:
    """Packets of cells without traits, and their number: n0 cells shared by at most `resolution` packets."""
    n = min(n0, resolution)
    counts = np.diff(np.arange(n + 1) * n0 // n).astype(np.float64)
    return new_packets([np.tile(counts, (rows, 1))], np.zeros((rows, n), np.int32), (), (), capacity_for(n)), n
