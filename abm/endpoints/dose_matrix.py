"""What a plate of two drugs says: curves of the single drugs, and how far each well lies from no interaction.

Survival is viable cells over those of the untreated well of the same plate.  An excess is
the expected survival less the observed one: above 0 where the combination leaves fewer
cells than expected.  What is expected is defined in `abm.endpoints.synergy`.  Bliss and HSA
take the single drugs as observed at the concentrations of the well; Loewe and ZIP need
curves, which are fitted to the plate.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import t as student

from abm.endpoints.synergy import DoseResponse, bliss, hsa, loewe, zip_reference

DEFINITIONS = ("bliss", "hsa", "loewe", "zip")
# A drug whose strongest effect is smaller than this has none: what is fitted would be chance.
SMALLEST_EFFECT = 0.02
_STEEPEST = 10.0


# A Hill curve from 1 has three numbers.
FEWEST_DOSES = 3


class SingleAgent(NamedTuple):
    """One drug alone on one plate."""

    ic50_nm: float  # concentration that halves survival, inf where none of the plate does
    has_effect: bool
    curve: DoseResponse | None  # fitted; None without an effect, or with too few concentrations for a curve


def inhibitory_concentration(doses_nm: np.ndarray, survival: np.ndarray, level: float = 0.5) -> float:
    """First concentration at which survival falls below `level`, by interpolation in its logarithm.

    Args:
        doses_nm: Rising concentrations, the first one 0.
        survival: Survival at each of them.

    Returns:
        nmol/L; the lowest concentration above 0 if that is enough, inf if none is.
    """
    below = np.flatnonzero(survival[1:] < level)
    if not len(below):
        return math.inf
    i = int(below[0]) + 1
    if i == 1:
        return float(doses_nm[1])
    share = (survival[i - 1] - level) / (survival[i - 1] - survival[i])
    return float(doses_nm[i - 1] * (doses_nm[i] / doses_nm[i - 1]) ** share)


def fit_curve(doses_nm: np.ndarray, survival: np.ndarray) -> DoseResponse:
    """Hill curve from 1 through the survivals, by least squares.

    Arguments are those of `inhibitory_concentration`.
    """
    x, y = np.log(doses_nm[1:]), np.asarray(survival[1:], np.float64)

    def residual(p: np.ndarray) -> np.ndarray:
        e_max, log_c, log_h = p
        return np.asarray(1.0 + (e_max - 1.0) * expit(np.exp(log_h) * (x - log_c)) - y)

    low = [0.0, x[0] - math.log(100.0), math.log(0.1)]
    high = [1.0 - 1e-3, x[-1] + math.log(100.0), math.log(_STEEPEST)]
    floor = min(max(float(y.min()), 1e-3), 1.0 - 2e-3)
    middle = x[int(np.argmin(np.abs(y - 0.5 * (1.0 + floor))))]
    starts = [(floor, middle, 0.0), (floor, middle, 1.0), (0.5 * floor, middle, 0.0)]
    fits = [least_squares(residual, start, bounds=(low, high), xtol=1e-10, ftol=1e-10) for start in starts]
    best = min(fits, key=lambda fit: float(fit.cost))
    e_max, log_c, log_h = (float(p) for p in best.x)
    return DoseResponse(1.0, e_max, math.exp(log_c), math.exp(log_h))


def single_agent(doses_nm: np.ndarray, survival: np.ndarray) -> SingleAgent:
    """One drug alone; arguments are those of `inhibitory_concentration`."""
    has_effect = bool(1.0 - survival[1:].min() >= SMALLEST_EFFECT)
    curve = fit_curve(doses_nm, survival) if has_effect and len(doses_nm) > FEWEST_DOSES else None
    return SingleAgent(inhibitory_concentration(doses_nm, survival), has_effect, curve)


def expected(survival: np.ndarray, doses_a: np.ndarray, doses_b: np.ndarray, a: SingleAgent, b: SingleAgent) -> dict[str, np.ndarray]:
    """Survival without interaction of one plate, by definition.

    Args:
        survival: (doses_a, doses_b), 1 at the first of both.
        doses_a, doses_b: Rising concentrations, the first one 0, nmol/L.
        a, b: The drugs alone on this plate.

    Returns:
        Arrays like `survival`, NaN where not both drugs are present and where a curve is needed for which there were too few concentrations.
    """
    found = {name: np.full(survival.shape, np.nan) for name in DEFINITIONS}
    for i in range(1, len(doses_a)):
        for j in range(1, len(doses_b)):
            alone = float(survival[i, 0]), float(survival[0, j])
            found["bliss"][i, j] = bliss(*alone)
            found["hsa"][i, j] = hsa(*alone)
            found["loewe"][i, j], found["zip"][i, j] = _by_curves(float(doses_a[i]), float(doses_b[j]), a, b)
    return found


def _by_curves(dose_a: float, dose_b: float, a: SingleAgent, b: SingleAgent) -> tuple[float, float]:
    """(Loewe, ZIP) expectation; a drug without an effect leaves that of the other."""
    if a.curve is not None and b.curve is not None:
        return loewe(dose_a, dose_b, a.curve, b.curve), zip_reference(dose_a, dose_b, a.curve, b.curve)
    alone = 1.0
    for dose, drug in ((dose_a, a), (dose_b, b)):
        if drug.has_effect:
            alone *= math.nan if drug.curve is None else drug.curve.survival(dose)
    return alone, alone


def mean_and_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high) over the last axis: 95 % interval of the mean by Student's t, NaN for a single value."""
    n = values.shape[-1]
    mean = values.mean(axis=-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = float(student.ppf(0.975, n - 1)) * values.std(axis=-1, ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
