"""Exact laws of sensitive and resistant cells that branch, with mutation at division.

The backward equations are solved in h = 1 - g, where g is the generating function of the
descendants of one cell, so that rare events suffer no cancellation:

    h_s' = b_s (1 - D) - (b_s + d_s) h_s,    h_r' = b_r (2 h_r - h_r^2) - (b_r + d_r) h_r

D is the generating function of the two daughters of a sensitive cell: with `one`, one of them is
mutant with probability u; with `each`, each is, independently (Athreya & Ney 1972, Branching
Processes, ch. V).  Phases run backwards in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from abm.verification.findings import FloatArray

Phases = Sequence[tuple[float, float, float, float, float]]
"""(end, b_s, d_s, b_r, d_r) of each phase."""


class TwoTypes(NamedTuple):
    """A case: cells at the start, mutation, phases."""

    s0: int
    r0: int
    u: float
    mutation: str  # one | each
    phases: Phases


def _not_daughters(h_s: Any, h_r: Any, u: float, mutation: str) -> Any:
    """1 - D for a dividing sensitive cell."""
    if mutation == "one":
        return (1.0 - u) * (2.0 * h_s - h_s * h_s) + u * (h_s + h_r - h_s * h_r)
    h = (1.0 - u) * h_s + u * h_r
    return 2.0 * h - h * h


def not_generated(case: TwoTypes, s: Any, r: Any) -> tuple[Any, Any]:
    """(h_s, h_r) at t = 0: 1 - E[s^S r^R] of the descendants of one sensitive and of one resistant cell; arguments scalar or arrays."""
    h = np.stack(np.broadcast_arrays(1.0 - np.asarray(s), 1.0 - np.asarray(r)))
    h = h.astype(complex if np.iscomplexobj(h) else float)
    shape = h.shape
    lengths = np.diff([0.0, *(phase[0] for phase in case.phases)])
    for length, (_, b_s, d_s, b_r, d_r) in reversed(list(zip(lengths, case.phases, strict=True))):

        def slope(_: float, y: Any, b_s: float = b_s, d_s: float = d_s, b_r: float = b_r, d_r: float = d_r) -> Any:
            h_s, h_r = y.reshape(2, -1)
            first = b_s * _not_daughters(h_s, h_r, case.u, case.mutation) - (b_s + d_s) * h_s
            return np.concatenate([first, b_r * (2.0 * h_r - h_r * h_r) - (b_r + d_r) * h_r])

        h = solve_ivp(slope, (0.0, length), h.reshape(-1), method="DOP853", rtol=1e-11, atol=1e-15).y[:, -1].reshape(shape)
    return h[0], h[1]


def generating_function(case: TwoTypes, s: Any, r: Any) -> Any:
    """E[s^S r^R] of the whole population."""
    h_s, h_r = not_generated(case, s, r)
    return np.exp(case.s0 * np.log1p(-h_s) + case.r0 * np.log1p(-h_r))


def no_resistant(case: TwoTypes) -> float:
    """P(R = 0)."""
    return float(generating_function(case, 1.0, 0.0))


def no_sensitive(case: TwoTypes) -> float:
    """P(S = 0)."""
    return float(generating_function(case, 0.0, 1.0))


def cured(case: TwoTypes) -> float:
    """P(S = R = 0)."""
    return float(generating_function(case, 0.0, 0.0))


def resistant_law(case: TwoTypes, size: int) -> FloatArray:
    """P(R = 0), ..., P(R = size - 1), by the Fourier transform on a circle inside the unit circle.

    What lies beyond `size` is folded back with a weight below 1e-9, so heavy tails do no harm.
    """
    radius = 10.0 ** (-9.0 / size)
    circle = np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    values = generating_function(case, 1.0, radius * circle)
    law: FloatArray = np.fft.irfft(np.conj(values), size) / radius ** np.arange(size)
    return law


def at_least(case: TwoTypes, threshold: int) -> float:
    """P(R >= threshold)."""
    size = 1 << int(np.ceil(np.log2(4 * threshold + 64)))
    return float(1.0 - resistant_law(case, size)[:threshold].sum())


def moments(case: TwoTypes) -> tuple[FloatArray, FloatArray]:
    """Mean (S, R) and covariance at the end, from dm/dt = A m, dC/dt = A C + C A' + sum of rates times jumps squared."""
    state = np.concatenate([[case.s0, case.r0], np.zeros(4)]).astype(float)
    lengths = np.diff([0.0, *(phase[0] for phase in case.phases)])
    for length, (_, b_s, d_s, b_r, d_r) in zip(lengths, case.phases, strict=True):
        u = case.u
        if case.mutation == "one":
            events = [((b_s * (1 - u), 0.0), (1, 0)), ((b_s * u, 0.0), (0, 1))]
        else:
            events = [((b_s * (1 - u) ** 2, 0.0), (1, 0)), ((2 * b_s * u * (1 - u), 0.0), (0, 1)), ((b_s * u * u, 0.0), (-1, 2))]
        events += [((d_s, 0.0), (-1, 0)), ((0.0, b_r), (0, 1)), ((0.0, d_r), (0, -1))]
        drift = sum((np.outer(jump, rate) for rate, jump in events), start=np.zeros((2, 2)))
        flow = np.zeros((6, 6))
        flow[:2, :2] = drift
        flow[2:, 2:] = np.kron(drift, np.eye(2)) + np.kron(np.eye(2), drift)
        for rate, jump in events:
            flow[2:, :2] += np.outer(np.outer(jump, jump).ravel(), rate)
        state = expm(flow * length) @ state
    return state[:2], state[2:].reshape(2, 2)
