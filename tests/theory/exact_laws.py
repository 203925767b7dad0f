"""Exact laws of birth and death in float64, by other formulas than the engine's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]
Pieces = Sequence[tuple[float, float, float]]  # (division, death, length) one after the other


def moments_of_lines(pieces: Pieces) -> dict[str, float]:
    """W, V, expected cells, deaths and births per founder, by integrating their differential equations."""

    def flow(b: float, d: float) -> Callable[[float, Array], list[float]]:
        def rhs(_: float, y: Array) -> list[float]:
            w, v, x, _deaths, _births = y
            return [b + (b - d) * w, d + (b - d) * v, (b - d) * x, d * x, b * x]

        return rhs

    y = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    for b, d, length in pieces:
        y = solve_ivp(flow(b, d), (0.0, length), y, rtol=1e-12, atol=1e-16, method="DOP853").y[:, -1]
    return dict(zip(("w", "v", "x", "deaths", "births"), y.tolist(), strict=True))


def offspring_pmf(pieces: Pieces, n: int, *, smallest: float = 1e-15) -> Array:
    """P(K = k) of n founders: the law of one (Kendall) convolved n times."""
    m = moments_of_lines(pieces)
    alpha, beta = m["v"] / (1.0 + m["w"]), m["w"] / (1.0 + m["w"])
    terms = 2 if beta == 0.0 else int(np.ceil(np.log(smallest) / np.log(beta))) + 2
    one = np.concatenate([[alpha], (1.0 - alpha) * (1.0 - beta) * beta ** np.arange(terms)])
    pmf = np.array([1.0])
    for bit in f"{n:b}":
        pmf = np.convolve(pmf, pmf)
        pmf = np.convolve(pmf, one) if bit == "1" else pmf
        pmf = pmf[: max(1, int(np.flatnonzero(pmf > smallest)[-1]) + 1)]
    return pmf


def chi_square_p(observed: NDArray[np.int64], pmf: Array, least: float = 25.0) -> float:
    """p-value of observed counts against a pmf, with neighbouring outcomes joined until `least` are expected."""
    total = int(observed.sum())
    size = max(len(observed), len(pmf))
    seen, expected = np.zeros(size), np.zeros(size)
    seen[: len(observed)], expected[: len(pmf)] = observed, pmf * total
    edges, running = [0], 0.0
    for k in range(size):
        running += expected[k]
        if running >= least:
            edges.append(k + 1)
            running = 0.0
    edges[-1] = size
    if len(edges) < 3:
        return 1.0
    seen, expected = np.add.reduceat(seen, edges[:-1]), np.add.reduceat(expected, edges[:-1])
    return float(stats.chi2.sf(((seen - expected) ** 2 / expected).sum(), len(expected) - 1))
