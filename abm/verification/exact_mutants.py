"""Laws of the number of mutants in a growing culture, and of resistance when a tumour is found."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.special import beta

from abm.verification.exact_two_types import TwoTypes, resistant_law
from abm.verification.findings import FloatArray


def lea_coulson(m: float, size: int, fitness: float = 1.0) -> FloatArray:
    """P(0), ..., P(size - 1) mutants, deterministic growth of the others, m mutations on average.

    Recursion of Ma, Sandri & Sarkar 1992 (doi:10.2307/3214892) with the clone sizes of
    mutants of relative `fitness` (Koch 1982): q_k = B(1 + 1/fitness, k) / fitness.
    """
    k = np.arange(1, size)
    weighted = k * beta(1.0 + 1.0 / fitness, k) / fitness
    p = np.zeros(size)
    p[0] = np.exp(-m)
    for n in range(1, size):
        p[n] = m / n * np.dot(weighted[:n], p[n - 1 :: -1][:n])
    return p


def luria_delbruck(n0: int, b: float, d: float, b_mutant: float, u: float, t_end: float, size: int) -> FloatArray:
    """The same when everything has chance: n0 sensitive cells grow, one daughter of a division is mutant with probability u."""
    return resistant_law(TwoTypes(n0, 0, u, "one", [(t_end, b, d, b_mutant, d)]), size)


def resistance_at_detection(n_detect: float, u: float, b: float, d: float, b_mutant: float, d_mutant: float) -> float:
    """P(a resistant cell exists) when n_detect sensitive cells are reached from one, for small u.

    Iwasa, Nowak & Michor 2006 (doi:10.1534/genetics.105.049791): 1 - exp(-n_detect u F) with
    F = b / (b - d) int_0^1 (1 - k) / (1 - k y^a) dy, k = d_mutant / b_mutant and
    a = (b_mutant - d_mutant) / (b - d).
    """
    k, a = d_mutant / b_mutant, (b_mutant - d_mutant) / (b - d)
    if b_mutant == d_mutant:
        mean = quad(lambda y: 1.0 / (1.0 - b_mutant * np.log(y) / (b - d)), 0.0, 1.0, limit=400)[0]
    else:
        mean = quad(lambda y: (1.0 - k) / (1.0 - k * y**a), 0.0, 1.0, limit=400)[0]
    return float(-np.expm1(-n_detect * u * mean * b / (b - d)))
