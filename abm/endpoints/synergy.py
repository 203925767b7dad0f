"""What two drugs would do together if they did not interact, by four definitions of that.

All are survivals (effects that fall with dose, from `e0` at dose 0 to `e_max`):

- Bliss: independent action, S_a S_b / S_0 (Bliss 1939, doi:10.1111/j.1744-7348.1939.tb06990.x).
- HSA: the better drug alone, min(S_a, S_b).
- Loewe: a drug does not interact with itself; the survival S at which
  dose_a / D_a(S) + dose_b / D_b(S) = 1, with D the dose of a drug alone that gives S
  (Loewe & Muischnek 1926, doi:10.1007/BF01952257).
- ZIP: neither drug changes the dose-response curve of the other; with both curves as given, it is Bliss of
  the two curves (Yadav et al. 2015, doi:10.1016/j.csbj.2015.09.001).

Bliss finds "synergy" in a sham mixture of a steep drug with itself, where Loewe finds none: state the definition.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import expit

from abm.errors import InputError

_LARGEST_EXPONENT = 709.0


class DoseResponse(NamedTuple):
    """Hill curve of survival: e0 + (e_max - e0) d^h / (c^h + d^h)."""

    e0: float  # survival without drug
    e_max: float  # survival at infinite dose
    c: float  # dose of the half effect
    h: float  # steepness

    def survival(self, dose: float) -> float:
        """Survival at a dose >= 0."""
        if dose <= 0.0:
            return self.e0
        return self.e0 + (self.e_max - self.e0) * float(expit(self.h * (math.log(dose) - math.log(self.c))))

    def dose(self, survival: float) -> float:
        """Dose of this drug alone that leaves `survival`; infinite where it never does."""
        if survival >= self.e0:
            return 0.0
        if survival <= self.e_max:
            return math.inf
        exponent = math.log((self.e0 - survival) / (survival - self.e_max)) / self.h + math.log(self.c)
        return math.exp(exponent) if exponent < _LARGEST_EXPONENT else math.inf


def _check(a: DoseResponse, b: DoseResponse) -> None:
    if a.e0 != b.e0:
        raise InputError(f"the curves start from different survivals without drug, {a.e0:g} and {b.e0:g}; a combination has only one.")
    for curve in (a, b):
        if not (curve.e_max < curve.e0 and curve.c > 0.0 and curve.h > 0.0):
            raise InputError(f"{curve}: a curve must fall from e0 to e_max, with c and h above 0.")


def bliss(survival_a: float, survival_b: float, survival_none: float = 1.0) -> float:
    """Survival under independent action of survivals seen alone and without drugs."""
    return survival_a * survival_b / survival_none


def hsa(survival_a: float, survival_b: float) -> float:
    """Survival under the better of two drugs."""
    return min(survival_a, survival_b)


def zip_reference(dose_a: float, dose_b: float, a: DoseResponse, b: DoseResponse) -> float:
    """Survival by zero interaction potency."""
    _check(a, b)
    return bliss(a.survival(dose_a), b.survival(dose_b), a.e0)


def loewe(dose_a: float, dose_b: float, a: DoseResponse, b: DoseResponse) -> float:
    """Survival by Loewe additivity.

    Raises:
        InputError: The curves start from different survivals, or rise.
    """
    _check(a, b)
    if dose_a <= 0.0:
        return b.survival(dose_b)
    if dose_b <= 0.0:
        return a.survival(dose_a)

    def excess(survival: float) -> float:
        """Sum of the dose fractions less 1; rises with survival."""
        return dose_a / a.dose(survival) + dose_b / b.dose(survival) - 1.0

    # Beyond the weaker drug's best effect its share of the dose is nothing, and the stronger acts alone.
    floor, width = min(a.e_max, b.e_max), a.e0 - min(a.e_max, b.e_max)
    low, high = floor + 1e-14 * width, a.e0 - 1e-14 * width
    if excess(high) <= 0.0:  # doses too small to be told from none
        return a.e0
    if excess(low) >= 0.0:
        return floor
    return float(brentq(excess, low, high, xtol=1e-15, rtol=1e-14))


def log_interaction(survival_none: float, survival_a: float, survival_b: float, survival_both: float) -> float:
    """log(S_ab S_0 / (S_a S_b)): 0 without interaction by Bliss, negative where the combination kills more."""
    return math.log(survival_both * survival_none / (survival_a * survival_b))
