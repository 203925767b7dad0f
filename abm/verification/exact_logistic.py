"""Master equation of a birth-death process with a carrying capacity, by finite-state projection.

The generator is truncated where the probability beyond is below rounding and its exponential
is applied to the start (Munsky & Khammash 2006, doi:10.1063/1.2145882; Al-Mohy & Higham 2011,
doi:10.1137/100788860 for the exponential).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import expm_multiply

from abm.verification.findings import FloatArray


class Crowding(NamedTuple):
    """A case: n0 cells at t = 0, rates in 1/d."""

    form: str  # birth: birth rate b max(0, 1 - N/K); death: death rate d + (b - d) N/K
    n0: int
    b: float
    d: float
    capacity: float
    t_end: float


def rates(case: Crowding, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Births and deaths per day among n cells."""
    if case.form == "birth":
        return n * case.b * np.maximum(0.0, 1.0 - n / case.capacity), n * case.d
    return n * case.b, n * (case.d + (case.b - case.d) * n / case.capacity)


def law_at_end(case: Crowding) -> FloatArray:
    """Probabilities of 0, 1, ... cells at t_end; what the truncation loses is below 1e-14."""
    spread = np.sqrt(case.capacity * case.b / max(case.b - case.d, 0.1 * case.b))
    size = int(max(case.n0, case.capacity) + 12.0 * spread + 40)
    n = np.arange(float(size))
    birth, death = rates(case, n)
    birth[-1] = 0.0
    flow = (sparse.diags(death[1:], 1) + sparse.diags(-(birth + death)) + sparse.diags(birth[:-1], -1)).tocsc()
    start = np.zeros(size)
    start[case.n0] = 1.0
    law: FloatArray = np.maximum(expm_multiply(flow * case.t_end, start), 0.0)
    assert law[-8:].sum() < 1e-12, "the truncation is too low"
    # Below 1e-15 the exponential leaves rounding, not probability.
    law[law < 1e-15] = 0.0
    normed: FloatArray = law / law.sum()
    return normed


def deterministic(case: Crowding) -> float:
    """Cells at t_end by the equation without chance; wrong where cells are few."""
    from scipy.integrate import solve_ivp

    def slope(_: float, y: FloatArray) -> FloatArray:
        birth, death = rates(case, y)
        difference: FloatArray = birth - death
        return difference

    return float(solve_ivp(slope, (0.0, case.t_end), [float(case.n0)], rtol=1e-10, atol=1e-12).y[0, -1])
