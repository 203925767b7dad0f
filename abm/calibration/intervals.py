"""Intervals of fitted numbers: the profile likelihood, widened for scatter beyond the stated errors and for values of one subject that move together.

The profile of a number is the least sum of squares over all others (Venzon and Moolgavkar
1988, doi:10.2307/2347496).  Its interval is where that lies within 3.84 x w of the minimum;
w = max(1, scatter per degree of freedom, variance with residuals summed by subject over that
without), the last after Liang and Zeger 1986 (doi:10.1093/biomet/73.1.13).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from abm.calibration.least_squares import Residuals, differences, minimise

Array = NDArray[np.float64]
LEVEL = 0.95
# Where the profile is looked at, in multiples of the expected half-width, beside the ends of the range.
MULTIPLES = (0.5, 1.0, 1.6, 2.6)
QUARTERS = (0.25, 0.5, 0.75)
# Clusters below which their scatter says nothing.
CLUSTERS = 10
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Interval:
    """Interval of one number, as places in its range.

    Attributes:
        low, high: Ends; 0 or 1 where the data do not bound that side.
        bounded_low, bounded_high: Whether the profile crosses its limit inside the range.
        widened: w of the limit.
        places, costs: The profile.
    """

    low: float
    high: float
    bounded_low: bool
    bounded_high: bool
    widened: float
    places: Array
    costs: Array

    @property
    def verdict(self) -> str:
        """What the data say about the number."""
        if self.bounded_low and self.bounded_high:
            return "identified"
        if not (self.bounded_low or self.bounded_high):
            return "not identified: the interval covers the range"
        return f"bounded {'below' if self.bounded_low else 'above'} only"


def widening(jacobian: Array, r: Array, clusters: NDArray[np.int64]) -> Array:
    """w of every number, (numbers,), from derivatives (observations, numbers) and residuals (observations,) at the minimum."""
    observations, numbers = jacobian.shape
    scatter = float(r @ r) / (observations - numbers) if observations > numbers else 1.0
    together = np.ones(numbers)
    found = int(clusters.max()) + 1 if len(clusters) else 0
    if CLUSTERS <= found < observations:
        sums = np.zeros((found, numbers))
        np.add.at(sums, clusters, jacobian * r[:, None])
        inverse = np.linalg.pinv(jacobian.T @ jacobian)
        robust = inverse @ (sums.T @ sums) @ inverse * found / (found - 1)
        together = np.diag(robust) / np.maximum(np.diag(inverse), 1e-300)
    return np.maximum(1.0, np.maximum(scatter, together))


def profile(residuals: Residuals, x: Array, cost: float, clusters: NDArray[np.int64]) -> list[Interval]:
    """Interval of every number at a minimum `x` (numbers,) with its sum of squares."""
    r, jacobian = (part[0] for part in differences(residuals, x[None]))
    widened = widening(jacobian, r, clusters)
    limits = chi2.ppf(LEVEL, 1) * widened
    normal = jacobian.T @ jacobian
    covariance = np.linalg.pinv(normal + 1e-9 * np.eye(len(x)) * max(float(np.trace(normal)), 1e-9))
    looks = [_looks(x[j], float(np.sqrt(limits[j] * max(covariance[j, j], 0.0)))) for j in range(len(x))]
    starts, free = [], []
    for j, places in enumerate(looks):
        along = covariance[:, j] / max(covariance[j, j], 1e-300)
        for place in places:
            start = np.clip(x + along * (place - x[j]), 0.0, 1.0)
            start[j] = place
            starts.append(start)
            free.append(np.arange(len(x)) != j)
    found = minimise(residuals, np.array(starts), free=np.array(free), rounds=ROUNDS)
    parts = np.split(found.cost, np.cumsum([len(places) for places in looks])[:-1])
    return [_interval(x[j], cost, looks[j], parts[j], float(limits[j]), float(widened[j])) for j in range(len(x))]


def _looks(x: float, half_width: float) -> Array:
    """Places at which the profile is computed: both ends, and on each side multiples of the expected half-width, or quarters of a side too short for them."""
    step, places = max(half_width, 1e-3), {0.0, 1.0}
    for edge, sign in ((0.0, -1.0), (1.0, 1.0)):
        inside = [x + sign * m * step for m in MULTIPLES if 0.0 < x + sign * m * step < 1.0]
        places |= set(inside if len(inside) > 2 else [x + share * (edge - x) for share in QUARTERS])
    return np.array(sorted(place for place in places if place in (0.0, 1.0) or abs(place - x) > 1e-6))


def _interval(x: float, cost: float, places: Array, costs: Array, limit: float, widened: float) -> Interval:
    """Where the root of the rise, which is nearly linear, reaches the root of the limit."""
    rise, wanted = np.sqrt(np.maximum(costs - cost, 0.0)), np.sqrt(limit)

    def end(beyond: NDArray[np.bool_], order: NDArray[Any], edge: float) -> tuple[float, bool]:
        before, before_rise = x, 0.0
        for k in order[beyond[order]]:
            if rise[k] >= wanted:
                share = (wanted - before_rise) / max(rise[k] - before_rise, 1e-300)
                return float(before + share * (places[k] - before)), True
            before, before_rise = float(places[k]), float(rise[k])
        return edge, False

    ascending = np.arange(len(places))
    low, bounded_low = end(places < x, ascending[::-1], 0.0)
    high, bounded_high = end(places > x, ascending, 1.0)
    return Interval(low, high, bounded_low, bounded_high, widened, places, costs)
