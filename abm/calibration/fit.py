"""The fit: a first look over the ranges, descent from the best places, intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from abm.calibration.intervals import Interval, profile
from abm.calibration.least_squares import minimise
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
        cost, cost_before: Sum of squared residuals there and at the configured numbers.
        intervals: None where the fit was stopped before them.
        converged: Whether the descent came to rest.
        starts: (starts, numbers + 1): where each descent ended, and its sum of squares.
    """

    places: Array
    cost: float
    cost_before: float
    intervals: list[Interval] | None
    converged: bool
    starts: Array


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
        should_stop: Asked between batches; the best so far stands.
    """
    origin = problem.start
    before = float(np.sum(problem.residuals(origin[None]) ** 2))
    begin("Scan")
    sobol = qmc.Sobol(len(origin), scramble=True, seed=np.random.default_rng(seed)).random(1 << max(scan - 1, 1).bit_length())[:scan]
    looked, costs = [origin], [before]
    for k in range(0, scan, problem.batch):
        if should_stop():
            break
        places = np.asarray(sobol[k : k + problem.batch])
        looked += list(places)
        costs += np.sum(problem.residuals(places) ** 2, axis=1).tolist()
    order = [0, *(i for i in np.argsort(costs, kind="stable").tolist() if i != 0)][:starts]
    begin("Descent")
    found = minimise(problem.residuals, np.array([looked[i] for i in order]), rounds=rounds, should_stop=should_stop)
    best = int(np.argmin(found.cost))
    place, converged = found.x[best], bool(found.converged[best])
    begin("Intervals")
    place, cost = _rounded(problem, place)
    intervals = None if should_stop() else profile(problem.residuals, place, cost, problem.clusters, should_stop)
    if intervals is not None and min(float(interval.costs.min()) for interval in intervals) < cost - BETTER:
        place, cost, converged, intervals = _again(problem, place, intervals, rounds, should_stop)
    if should_stop():
        intervals = None
    return Fit(place, cost, before, intervals, converged, np.column_stack([found.x, found.cost]))


def _again(
    problem: Problem, place: Array, intervals: list[Interval], rounds: int, should_stop: Callable[[], bool]
) -> tuple[Array, float, bool, list[Interval] | None]:
    """Descend from the best place of the profiles, and profile there."""
    starts = []
    for j, interval in enumerate(intervals):
        start = place.copy()
        start[j] = interval.places[int(np.argmin(interval.costs))]
        starts.append(start)
    found = minimise(problem.residuals, np.array([place, *starts]), rounds=rounds, should_stop=should_stop)
    best = int(np.argmin(found.cost))
    place, cost = _rounded(problem, found.x[best])
    return place, cost, bool(found.converged[best]), profile(problem.residuals, place, cost, problem.clusters, should_stop)


def _rounded(problem: Problem, place: Array) -> tuple[Array, float]:
    """The place of the values rounded to DIGITS digits, which are those that are written, and its sum of squares."""
    values = [float(f"{float(number.at(p)):.{DIGITS}g}") for number, p in zip(problem.numbers, place, strict=True)]
    rounded = np.array([number.place(value) for number, value in zip(problem.numbers, values, strict=True)])
    return rounded, float(np.sum(problem.residuals(rounded[None]) ** 2))
