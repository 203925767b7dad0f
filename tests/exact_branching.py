"""Exact laws of the birth-death process, from its generating function.

One cell leaves the generating function f(s) after a phase of constant rates: a Moebius map
(Kendall 1948).  Phases compose, the first one outermost; n cells multiply.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

Phases = Sequence[tuple[float, float, float]]


def generating_function(phases: Phases, s: np.ndarray) -> np.ndarray:
    """E[s^N] of the descendants of one cell after phases (end, birth rate, death rate)."""
    lengths = np.diff([0.0, *(end for end, _, _ in phases)])
    for length, (_, b, d) in reversed(list(zip(lengths, phases, strict=True))):
        if b == d:
            s = (b * length + (1.0 - b * length) * s) / (1.0 + b * length - b * length * s)
        else:
            e = np.exp(-(b - d) * length)
            s = (d * (1.0 - s) - (d - b * s) * e) / (b * (1.0 - s) - (d - b * s) * e)
    return s


def probabilities(phases: Phases, n0: int, size: int) -> np.ndarray:
    """P(N = 0), ..., P(N = size - 1) of n0 cells, by the discrete Fourier transform; `size` must leave no tail."""
    circle = np.exp(2j * np.pi * np.arange(size) / size)
    p: np.ndarray = np.maximum(np.fft.fft(generating_function(phases, circle) ** n0).real / size, 0.0)
    assert abs(p.sum() - 1.0) < 1e-9
    return p


def moments(phases: Phases, n0: int) -> tuple[float, float]:
    """Mean and variance of n0 cells, from Kendall's formulas for one phase."""
    mean, second, start = 1.0, 0.0, 0.0  # first and second factorial moment of one cell
    for end, b, d in phases:
        t = end - start
        grown = np.exp((b - d) * t)
        pairs = 2.0 * b * (grown * (grown - 1.0) / (b - d) if b != d else t)
        mean, second, start = mean * grown, second * grown**2 + mean * pairs, end
    return n0 * mean, n0 * (second + mean - mean**2)


def z_of_mean(x: np.ndarray, mean: float, variance: float) -> float:
    """Standard score of the mean of a sample."""
    return float((np.mean(x) - mean) / np.sqrt(variance / x.size))


def z_of_variance(x: np.ndarray, p: np.ndarray) -> float:
    """Standard score of the variance of a sample of the law p."""
    k = np.arange(len(p))
    mean = float(p @ k)
    variance, fourth = float(p @ (k - mean) ** 2), float(p @ (k - mean) ** 4)
    return float((np.mean((x - mean) ** 2) - variance) / np.sqrt((fourth - variance**2) / x.size))


def p_of_chi_square(x: np.ndarray, p: np.ndarray, least: float = 25.0) -> float:
    """P value of Pearson's test of a sample against the law p, neighbouring outcomes joined until `least` are expected."""
    expected, edges = 0.0, [0]
    for k, probability in enumerate(p):
        expected += probability * x.size
        rest = p[k + 1 :].sum() * x.size
        if expected >= least and rest >= least:
            edges.append(k + 1)
            expected = 0.0
    edges.append(len(p))
    wanted = np.add.reduceat(p, edges[:-1]) * x.size
    seen = np.histogram(x, bins=np.array(edges) - 0.5)[0]
    assert seen.sum() == x.size
    statistic = float(np.sum((seen - wanted) ** 2 / wanted))
    return float(chi2.sf(statistic, len(wanted) - 1))
