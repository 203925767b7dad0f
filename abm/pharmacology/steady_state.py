"""Steady state of a linear model under regular doses, exactly.

With P the propagator over one interval and w what one dose has become when the next is due,
the state x just before a dose solves x = P x + w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class SteadyDoses(NamedTuple):
    """Infinitely many doses, seen `since_h` after the last of them began to enter; `since_h` = 0: just before the next."""

    drug: int = 0
    interval_h: float = 0.0  # 0 = none
    since_h: float = 0.0
    duration_h: float = 0.0


def steady_state(over: Callable[[float], FloatArray], entered: FloatArray, states: int, doses: SteadyDoses) -> FloatArray:
    """State per mg of each dose.

    Args:
        over: Propagator over a duration in hours, (..., n, n); the first `states` are amounts.
        entered: State at the end of the input of one dose, per mg, (..., n).
        states: Number of amounts.
        doses: The doses.

    Returns:
        Amounts, (..., states).

    Raises:
        ValueError: If a dose is not all in before the moment, or a substance is never lost, so that it accumulates without end.
    """
    since_h = doses.since_h or doses.interval_h
    if doses.duration_h > min(since_h, doses.interval_h):
        raise ValueError(f"an infusion of {doses.duration_h:g} h must end before the next dose, {doses.interval_h:g} h later, has been taken")

    def later(hours: float, state: FloatArray) -> FloatArray:
        return _applied(over(hours), state, states)

    one = later(doses.interval_h - doses.duration_h, entered)
    kept = over(doses.interval_h)[..., :states, :states]
    lost = np.eye(states) - kept
    # A compartment that is not in use keeps what is in it, which is nothing.
    unused = np.diagonal(lost, axis1=-2, axis2=-1) <= 0.0
    if np.any(unused & (one > 0.0)):
        raise ValueError("a drug that is not eliminated has no steady state")
    before = np.asarray(np.linalg.solve(lost + unused[..., None] * np.eye(states), one[..., None])[..., 0], dtype=np.float64)
    if doses.since_h == 0.0:
        return before
    return later(doses.since_h, before) + later(doses.since_h - doses.duration_h, entered)


def _applied(matrix: FloatArray, state: FloatArray, states: int) -> FloatArray:
    # Written out: a matrix product may add in another order for another number of rows.
    total = matrix[..., :states, 0] * state[..., None, 0]
    for column in range(1, states):
        total = total + matrix[..., :states, column] * state[..., None, column]
    return np.asarray(total)
