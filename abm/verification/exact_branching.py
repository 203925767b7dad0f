"""Exact laws of the birth-death process in phases of constant rates.

One cell has the generating function of Kendall 1948 (doi:10.1214/aoms/1177730285), a Moebius
map; phases compose with the first one outermost, and n cells multiply.  Probabilities are
read off on the unit circle by the discrete Fourier transform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from abm.verification.findings import FloatArray

Phases = Sequence[tuple[float, float, float]]
"""(end, birth rate, death rate) of each phase."""

# Probability beyond the last outcome that is kept.
_TAIL = 1e-14


class BranchingLaw(NamedTuple):
    """Law of the number of cells at the end."""

    mean: float
    variance: float
    extinct: float
    probabilities: FloatArray  # of 0, 1, 2, ...
    lost: float  # bound of the probability beyond
    log_moment: Callable[[float], float]  # log E exp(t N), inf where it does not exist


def generating_function(phases: Phases, s: Any) -> Any:
    """E[s^N] of the descendants of one cell; `s` real or complex, of any shape."""
    lengths = np.diff([0.0, *(end for end, _, _ in phases)])
    s = np.asarray(s)
    for length, (_, b, d) in reversed(list(zip(lengths, phases, strict=True))):
        growth = (b - d) * length
        # int_0^length exp((b - d) t) dt
        e = length if growth == 0.0 else length * np.expm1(growth) / growth
        # 1 - s grows to (1 - s) exp(growth) / (1 + b e (1 - s)): Kendall's law without a difference of near numbers.
        s = 1.0 - (1.0 - s) * np.exp(growth) / (1.0 + b * e * (1.0 - s))
    return s


def pole(phases: Phases) -> float:
    """Smallest s > 1 at which the generating function does not exist."""
    s = np.inf
    lengths = np.diff([0.0, *(end for end, _, _ in phases)])
    for length, (_, b, d) in zip(lengths, phases, strict=True):
        growth = (b - d) * length
        e = length if growth == 0.0 else length * np.expm1(growth) / growth
        # The map of this phase takes y = s - 1 to y exp(growth) / (1 - b e y); its image must stay below the pole of the phases before.
        y = s - 1.0
        s = 1.0 + (1.0 / (b * e) if b * e > 0.0 else np.inf) if np.isinf(y) else 1.0 + y / (np.exp(growth) + b * e * y)
    return s


def moments(phases: Phases, n0: int) -> tuple[float, float]:
    """Mean and variance of the descendants of n0 cells."""
    mean, pairs, start = 1.0, 0.0, 0.0  # E N and E N (N - 1) of one cell
    for end, b, d in phases:
        length, start = end - start, end
        growth = (b - d) * length
        e = length if growth == 0.0 else length * np.expm1(growth) / growth
        x = np.exp(growth)
        mean, pairs = mean * x, pairs * x * x + mean * 2.0 * b * e * x
    return n0 * mean, n0 * (pairs + mean - mean * mean)


def branching_law(phases: Phases, n0: int) -> BranchingLaw:
    """Law of the descendants of n0 cells."""
    mean, variance = moments(phases, n0)
    last = pole(phases)

    def log_moment(at: float) -> float:
        s = float(np.exp(at))
        return n0 * float(np.log(generating_function(phases, s))) if s < last else np.inf

    size, lost = _size_for(log_moment, mean, variance, last)
    circle = np.exp(2j * np.pi * np.arange(size) / size)
    p: FloatArray = np.maximum(np.fft.fft(generating_function(phases, circle) ** n0).real / size, 0.0)
    extinct = float(generating_function(phases, 0.0)) ** n0
    return BranchingLaw(mean, variance, extinct, p, lost, log_moment)


def _size_for(log_moment: Callable[[float], float], mean: float, variance: float, last: float) -> tuple[int, float]:
    """(number of outcomes to keep, bound of the probability beyond them), by Chernoff's inequality."""
    most = min(np.log(last) if np.isfinite(last) else 50.0, 50.0)
    at = most * (1.0 - np.geomspace(1e-3, 1.0, 200)[:-1])
    values = np.array([log_moment(t) for t in at])

    def log_tail(k: float) -> float:
        return float(np.min(np.where(np.isfinite(values), values - at * k, np.inf)))

    size = 64
    while log_tail(size) > np.log(_TAIL):
        size *= 2
    return size, float(np.exp(log_tail(size)))


def time_to_extinction(b: float, d: float) -> float:
    """Mean life of the line of one cell, d > b: ln(d / (d - b)) / b."""
    return float(np.log(d / (d - b)) / b)


def extinction_day(phases: Phases, n0: int, probability: float) -> float:
    """Day by which the line is extinct with `probability`; phases of rates that do not change."""
    (end, b, d), *rest = phases
    assert not rest, "the day is computed for one phase"
    return float(brentq(lambda t: float(generating_function([(t, b, d)], 0.0)) ** n0 - probability, 1e-9, 1e3 * end))
