"""The fit: a first look over the ranges, descent from the best places, intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from abm.calibration.intervals import Interval, profile
from abm.calibration.least_squares import Minima, minimise
from abm.calibration.objective import Problem

Array = NDArray[np.float64]
# A profile that lies this far below the minimum has found a better one, from which the fit goes on.
BETTER = 0.1
DIGITS = 5


@dataclasses.dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        places: Of the numbers, (numbers,), with values rounded to DIGITS digits.
        cost, cost_before: Sum of squared residuals there and at the configured numbers; NaN where the fit was stopped before.
        intervals: None where the fit was stopped before them.
        converged: Whether the descent came to rest.
    """

    places: Array
    cost: float
    cost_before: float
    intervals: list[Interval] | None
    converged: bool


class _Interrupted(Exception):
    """The user asked to stop."""


class _Watch:
    """Residuals of a problem in batches, which remember the best place and end when told to stop."""

    def __init__(self, problem: Problem, should_stop: Callable[[], bool]) -> None:
        self._problem, self._should_stop = problem, should_stop
        self.place, self.cost = problem.start, np.inf

    def __call__(self, places: Array) -> Array:
        parts = []
        for k in range(0, len(places), self._problem.batch):
            if np.isfinite(self.cost) and self._should_stop():
                raise _Interrupted
            batch = places[k : k + self._problem.batch]
            parts.append(self._problem.residuals(batch))
            costs = np.sum(parts[-1] ** 2, axis=1)
            if costs.min() < self.cost:
                self.place, self.cost = np.array(batch[int(np.argmin(costs))]), float(costs.min())
        return np.concatenate(parts)


def fit(
    problem: Problem,
    *,
    seed: int,
    scan: int = 32,
    starts: int = 3,
    rounds: int = 20,
    begin: Callable[[str], None] = lambda phase: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Fit:
    """Fit the free numbers.

    Args:
        problem: What is fitted to what.
        seed: Of the places of the first look; equal seeds give equal fits.
        scan: Places of the first look, beside the configured numbers.
        starts: Best places from which to descend; the configured one is always among them.
        rounds: Of each descent, at most.
        begin: Told the name of each phase.
        should_stop: Asked between batches; the best place so far stands, without intervals.
    """
    residuals = _Watch(problem, should_stop)
    before = np.nan
    try:
        begin("Scan")
        sobol = qmc.Sobol(len(problem.numbers), scramble=True, seed=np.random.default_rng(seed)).random(1 << max(scan - 1, 1).bit_length())[:scan]
        looked = np.concatenate([problem.start[None], sobol])
        costs = np.sum(residuals(looked) ** 2, axis=1)
        before = float(costs[0])
        order = [0, *(i for i in np.argsort(costs, kind="stable").tolist() if i != 0)][:starts]
        begin("Descent")
        found = minimise(residuals, looked[order], rounds=rounds)
        begin("Intervals")
        return _with_intervals(problem, residuals, found, before, rounds)
    except _Interrupted:
        place, cost = _rounded(problem, residuals.place)
        return Fit(place, cost, before, None, False)


def _with_intervals(problem: Problem, residuals: _Watch, found: Minima, before: float, rounds: int) -> Fit:
    """Profiles about the best minimum; where one of them finds a better place, once more from there."""
    best = int(np.argmin(found.cost))
    place, cost = _rounded(problem, found.x[best])
    intervals = profile(residuals, place, cost, problem.clusters)
    if min(float(interval.costs.min()) for interval in intervals) < cost - BETTER:
        found = minimise(residuals, np.array([place, residuals.place]), rounds=rounds)
        best = int(np.argmin(found.cost))
        place, cost = _rounded(problem, found.x[best])
        intervals = profile(residuals, place, cost, problem.clusters)
    return Fit(place, cost, before, intervals, bool(found.converged[best]))


def _rounded(problem: Problem, place: Array) -> tuple[Array, float]:
    """The place of the values rounded to DIGITS digits, which are those that are written, and its sum of squares."""
    values = [float(f"{number.at(float(p)):.{DIGITS}g}") for number, p in zip(problem.numbers, place, strict=True)]
    rounded = np.array([number.place(value) for number, value in zip(problem.numbers, values, strict=True)])
    return rounded, float(np.sum(problem.residuals(rounded[None]) ** 2))
