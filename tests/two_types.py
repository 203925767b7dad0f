"""Exact laws of two types with mutation at division, and of the chain of windows that the engine draws from.

The process: generating functions (g1, g2) of the descendants of one sensitive and one
resistant cell solve backward equations, integrated numerically to 1e-11.  The chain: births
and deaths over half a window are Moebius maps, mutation in the middle replaces a sensitive
cell by what the engine says arises from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import solve_ivp
from scipy.stats import kstest

from tests.exact_branching import generating_function

TwoTypePhases = Sequence[tuple[float, float, float, float, float]]
Pair = tuple[np.ndarray, np.ndarray]


def daughters(s1: np.ndarray, s2: np.ndarray, u: float, mutation: str) -> np.ndarray:
    """Generating function of the two daughters of a division."""
    if mutation == "one":
        return (1.0 - u) * s1 * s1 + u * s1 * s2
    return ((1.0 - u) * s1 + u * s2) ** 2


def exact(phases: TwoTypePhases, u: float, mutation: str, s1: np.ndarray, s2: np.ndarray) -> Pair:
    """(g1, g2) at (s1, s2), arrays (points,), after all phases; from h = 1 - g, so that nothing cancels."""
    h = np.stack([1.0 - np.asarray(s1, complex), 1.0 - np.asarray(s2, complex)])
    shape = h.shape
    lengths = np.diff([0.0, *(phase[0] for phase in phases)])
    for length, (_, b1, d1, b2, d2) in reversed(list(zip(lengths, phases, strict=True))):

        def rhs(_: float, y: np.ndarray, b1: float = b1, d1: float = d1, b2: float = b2, d2: float = d2) -> np.ndarray:
            a, c = y.reshape(shape)
            mutant = (1.0 - u) * a + u * c
            lost = (1.0 - u) * (2.0 * a - a * a) + u * (a + c - a * c) if mutation == "one" else 2.0 * mutant - mutant * mutant
            return np.concatenate([b1 * lost - (b1 + d1) * a, b2 * (2.0 * c - c * c) - (b2 + d2) * c])

        h = solve_ivp(rhs, (0.0, length), h.ravel(), method="DOP853", rtol=1e-11, atol=1e-15).y[:, -1].reshape(shape)
    return 1.0 - h[0], 1.0 - h[1]


def chain(
    phases: TwoTypePhases, windows: Callable[[float, float, float], int], u: float, mutation: str, left: float, emitted: Callable[..., np.ndarray],
    s1: np.ndarray, s2: np.ndarray,
) -> Pair:  # fmt: skip
    """The same of the chain of windows.

    Args:
        windows: (length, events rate of sensitive cells, of resistant cells) -> number of windows.
        left: Share of divisions without mutation.
        emitted: (exposure, s1, s2) -> generating function of what a sensitive cell becomes in the middle of a window.
    """
    lengths = np.diff([0.0, *(phase[0] for phase in phases)])
    for length, (_, b1, d1, b2, d2) in reversed(list(zip(lengths, phases, strict=True))):
        n = windows(length, b1 + d1, b2 + d2)
        half = 0.5 * length / n
        for _ in range(n):
            s2 = generating_function([(half, b2, d2)], s2)
            s1 = emitted(2.0 * half * b1, generating_function([(half, b1 * left, d1)], s1), s2)
            s1, s2 = generating_function([(half, b1 * left, d1)], s1), generating_function([(half, b2, d2)], s2)
    return s1, s2


def probabilities(phases: TwoTypePhases, u: float, mutation: str, s0: int, r0: int, size: int) -> np.ndarray:
    """P(R = 0), ..., P(R = size - 1), by the discrete Fourier transform on a circle that damps what is beyond `size` by 1e-8."""
    radius = 10.0 ** (-8.0 / size)
    circle = radius * np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    g1, g2 = exact(phases, u, mutation, np.ones_like(circle), circle)
    p: np.ndarray = np.fft.irfft(np.conj(g1**s0 * g2**r0), size) / radius ** np.arange(size)
    return np.maximum(p, 0.0)


def p_of_ks(x: np.ndarray, p: np.ndarray, seed: int = 1) -> float:
    """P value of the Kolmogorov-Smirnov test of whole numbers against the law p, spread uniformly within each step of its distribution."""
    below = np.concatenate([[0.0], np.cumsum(p)])
    inside = x < len(p)
    k = np.where(inside, x, 0)
    step = np.where(inside, below[k + 1] - below[k], 1.0 - below[-1])
    u = np.where(inside, below[k], below[-1]) + np.random.default_rng(seed).random(x.size) * step
    return float(kstest(u, "uniform").pvalue)
