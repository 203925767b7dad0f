"""Where in which step every dose enters.

Step k covers (t_k, t_{k+1}].  A bolus at exactly t_{k+1} enters at the end of step k; one at
exactly t_0 is part of the initial state.  An infusion is split at the steps that it spans.
Doses that enter in the same way into the same drug's compartments within one step are added up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.pharmacology.compartments import FloatArray
from abm.pharmacology.steady_state import SteadyDoses
from abm.units import HOURS_PER_DAY

SAME_MOMENT_H = 1e-9
"""Moments closer than this are the same moment."""
SHORTEST_INFUSION_H = 1e-8
"""An input that takes no longer is instantaneous."""
OFFSET_DECIMALS = 10
"""Offsets within a step are told apart to this many decimals of an hour."""
STEP_DECIMALS = 14


class InputKind(NamedTuple):
    """How a dose enters within a step; starting inputs sort before continuing ones, then by time."""

    continues: bool
    start_h: float
    stop_h: float
    length: int
    steady: SteadyDoses = SteadyDoses()  # not a dose but the state that earlier doses have left


class Schedule:
    """Doses of all tracks, placed into steps.

    Attributes:
        kinds: Kinds of input in use; the first, None, gives nothing.
        initial_mg: Amounts given at exactly the first time, (tracks, drugs).
        initial_steady: Track, drug, amount and doses of every steady state at exactly the first time.
        step_kind: Index of the length of each step, (K,).
        length_h: Distinct lengths of steps, hours (H,).
    """

    def __init__(self, grid_days: FloatArray, *, tracks: int, drugs: int) -> None:
        self.kinds: list[InputKind | None] = [None]
        self.initial_mg = np.zeros((tracks, drugs))
        self.initial_steady: list[tuple[int, int, float, SteadyDoses]] = []
        self._grid_h = grid_days * HOURS_PER_DAY
        self.step_kind, self.length_h = step_lengths(self._grid_h)
        self._entries: dict[tuple[int, int, int], dict[InputKind, float]] = {}

    def add(self, track: int, drug: int, start_h: float, duration_h: float, amount_mg: float) -> None:
        """Place one dose that starts to enter at `start_h`, lag included; raise ValueError if that is before the grid."""
        if duration_h > SHORTEST_INFUSION_H:
            self._infuse(track, drug, start_h, start_h + duration_h, amount_mg)
            return
        step, offset = self._place(start_h)
        if step == 0 and offset == 0.0:
            self.initial_mg[track, drug] += amount_mg
        elif offset == 0.0:
            self._enter(step - 1, track, drug, self._bolus(step - 1, self._length_h(step - 1)), amount_mg)
        elif step < len(self.step_kind):
            self._enter(step, track, drug, self._bolus(step, offset), amount_mg)

    def add_steady(self, track: int, drug: int, time_h: float, amount_mg: float, doses: SteadyDoses) -> None:
        """Place the state that `doses` of `amount_mg` each have left at a moment; raise ValueError if that is before the grid."""
        step, offset = self._place(time_h)
        if step == 0 and offset == 0.0:
            self.initial_steady.append((track, drug, amount_mg, doses))
            return
        step, offset = (step, offset) if offset > 0.0 else (step - 1, self._length_h(step - 1))
        if step < len(self.step_kind):
            self._enter(step, track, drug, InputKind(True, offset, offset, self._length(step), doses), amount_mg)

    def entries(self) -> tuple[NDArray[np.int32], FloatArray]:
        """Kinds and amounts, (K, tracks, drugs, E)."""
        most = max([len(found) for found in self._entries.values()], default=1)
        shape = (len(self.step_kind), *self.initial_mg.shape, most)
        kinds, amounts = np.zeros(shape, dtype=np.int32), np.zeros(shape)
        index = {kind: number for number, kind in enumerate(self.kinds)}
        for place, found in self._entries.items():
            for slot, kind in enumerate(sorted(found)):
                kinds[(*place, slot)], amounts[(*place, slot)] = index[kind], found[kind]
        return kinds, amounts

    def _place(self, time_h: float) -> tuple[int, float]:
        """Step that starts at or before a moment, and the offset of the moment in it."""
        if time_h < self._grid_h[0] - SAME_MOMENT_H:
            raise ValueError(f"a dose enters at {time_h} h, before the first time {self._grid_h[0]} h")
        step = max(int(np.searchsorted(self._grid_h, time_h + SAME_MOMENT_H, side="right")) - 1, 0)
        offset = time_h - float(self._grid_h[step])
        return step, round(offset, OFFSET_DECIMALS) if offset > SAME_MOMENT_H else 0.0

    def _infuse(self, track: int, drug: int, start_h: float, stop_h: float, amount_mg: float) -> None:
        (first, begin), (last, end) = self._place(start_h), self._place(stop_h)
        for step in range(first, min(last + (end > 0.0), len(self.step_kind))):
            whole = self._length_h(step)
            part = InputKind(step > first, begin if step == first else 0.0, end if step == last else whole, self._length(step))
            self._enter(step, track, drug, part, amount_mg * ((part.stop_h - part.start_h) / (stop_h - start_h)))

    def _bolus(self, step: int, offset_h: float) -> InputKind:
        return InputKind(False, offset_h, offset_h, self._length(step))

    def _enter(self, step: int, track: int, drug: int, kind: InputKind, amount_mg: float) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)
        found = self._entries.setdefault((step, track, drug), {})
        found[kind] = found.get(kind, 0.0) + amount_mg

    def _length(self, step: int) -> int:
        return int(self.step_kind[step])

    def _length_h(self, step: int) -> float:
        return float(self.length_h[self._length(step)])


def step_lengths(grid_h: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
    """Index (K,) and hours (H,) of the distinct step lengths; raise ValueError unless two or more times increase."""
    steps = np.diff(grid_h)
    if len(steps) == 0 or not np.all(steps > 2.0 * SAME_MOMENT_H):
        raise ValueError("the grid needs two or more times that increase")
    _, kind = np.unique(np.round(steps, 9), return_inverse=True)
    # The average over equal steps removes the rounding of the grid, and a round number is met exactly.
    lengths = np.bincount(kind, weights=steps) / np.bincount(kind)
    return kind.astype(np.int32), np.round(lengths, STEP_DECIMALS)
