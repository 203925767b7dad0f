"""Survival of cells that die of an induced stress, S = E exp(-int hazard), by quadrature over time and over cells.

s' = kon I (1 - s) - koff s,  hazard = h0 + h1 f B s^m,  f log-normal with mean 1, B Bernoulli
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad

Phases = Sequence[tuple[float, float]]


class Stress(NamedTuple):
    """Numbers of a case; rates in 1/d."""

    kon: float
    koff: float
    h0: float
    h1: float
    hill_m: float
    bmf_positive_fraction: float
    cv: float
    inhibition: Phases  # (end, I)


def cumulative_stress(case: Stress, day: float) -> float:
    """int_0^day s^m dt."""
    total, start, level = 0.0, 0.0, 0.0
    for end, inhibition in case.inhibition:
        stop = min(end, day)
        if stop <= start:
            break
        rate = case.kon * inhibition + case.koff
        target = case.kon * inhibition / rate

        def stress(t: float, begin: float = start, s0: float = level, rate: float = rate, target: float = target) -> float:
            return float(target + (s0 - target) * np.exp(-rate * (t - begin)))

        total += quad(lambda t, s=stress: s(t) ** case.hill_m, start, stop, epsabs=1e-12, epsrel=1e-12)[0]
        start, level = stop, stress(stop)
    return total


def survival(case: Stress, day: float) -> tuple[float, float]:
    """(alive and BMF-positive, alive and BMF-negative), as shares of all cells at the start."""
    x, weight = np.polynomial.hermite_e.hermegauss(100)
    sigma = np.sqrt(np.log1p(case.cv**2))
    factor = np.exp(sigma * x - 0.5 * sigma**2)
    alive = weight @ np.exp(-case.h1 * factor * cumulative_stress(case, day)) / weight.sum()
    base, fraction = float(np.exp(-case.h0 * day)), case.bmf_positive_fraction
    return fraction * base * float(alive), (1.0 - fraction) * base


def mean_cell(case: Stress, day: float) -> float:
    """Survival if all cells were the mean cell; wrong where cells differ (Jensen's inequality)."""
    return float(np.exp(-case.h0 * day - case.h1 * case.bmf_positive_fraction * cumulative_stress(case, day)))
