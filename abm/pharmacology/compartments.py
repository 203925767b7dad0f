"""Linear compartment models of one subject and their exact solution.

Amounts (mg) in a depot, a central and a peripheral compartment follow

    depot'      = -ka depot
    central'    =  ka depot - (CL/V1 + Q/V1) central + (Q/V2) peripheral + input
    peripheral' =  (Q/V1) central - (Q/V2) peripheral

Two rows are added, the integral of the central amount and a constant input of 1 mg/h, so
that one matrix exponential answers for the state, its integral and an infusion, also for
ka equal to an elimination rate, for Q = 0 and without elimination.

The exponential is computed as exp(-q h) exp((A + q I) h): A + q I has no negative element,
so the Taylor series and the squarings add only positive terms and every element keeps its
relative accuracy (Xue & Ye 2013, Math. Comp. 82:1577), which Pade approximation does not give.

Not modelled: non-linear elimination, transit chains, metabolites, time-varying parameters.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from abm.parameters.drug import Pharmacokinetics

FloatArray = NDArray[np.float64]

DEPOT, CENTRAL, PERIPHERAL, INTEGRAL, INPUT = range(5)
TAYLOR_TERMS = 18
"""Terms of the series at an argument of at most 1: the first one left out is 1/19! = 8e-18."""


@dataclasses.dataclass(frozen=True)
class IndividualPk:
    """Pharmacokinetic parameters of every subject and drug; all arrays are float64 (rows, drugs)."""

    clearance_l_per_h: FloatArray
    central_volume_l: FloatArray
    intercompartmental_l_per_h: FloatArray
    peripheral_volume_l: FloatArray
    absorption_per_h: FloatArray  # NaN: doses go into the central compartment
    bioavailability: FloatArray
    lag_h: FloatArray

    @classmethod
    def stack(cls, per_drug: Sequence[Mapping[str, FloatArray]], *, rows: int) -> IndividualPk:
        """Join the parameters of single drugs, each a mapping of arrays (rows,); no drug is allowed."""
        names = [field.name for field in dataclasses.fields(cls)]
        empty = np.zeros((rows, 0))
        return cls(**{name: np.stack([np.asarray(one[name], dtype=np.float64) for one in per_drug], axis=1) if per_drug else empty for name in names})


def individual_parameters(pk: Pharmacokinetics, weight_kg: float, normals: FloatArray) -> dict[str, FloatArray]:
    """Draw the parameters of subjects around the typical ones.

    The typical value is the *median*: CL_i = CL exp(sigma z) with sigma = sqrt(log(1 + cv^2)),
    likewise V1, as population models report them.  The mean is larger by sqrt(1 + cv^2).

    Args:
        pk: Typical parameters of the drug in the species.
        weight_kg: Body weight, used when the parameters are per kilogram.
        normals: Standard normal numbers (rows, 2) for clearance and central volume; zeros give typical subjects.

    Returns:
        Arrays (rows,), float64, by the field names of `IndividualPk`.
    """
    rows = len(normals)
    size = weight_kg if pk.scaling == "per_kg" else 1.0

    def constant(value: float) -> FloatArray:
        return np.full(rows, float(value))

    return {
        "clearance_l_per_h": _spread(pk.clearance_l_per_h * size, pk.clearance_cv, normals[:, 0]),
        "central_volume_l": _spread(pk.central_volume_l * size, pk.volume_cv, normals[:, 1]),
        "intercompartmental_l_per_h": constant(pk.intercompartmental_l_per_h * size),
        "peripheral_volume_l": constant(pk.peripheral_volume_l * size),
        "absorption_per_h": constant(math.nan if pk.absorption_per_h is None else pk.absorption_per_h),
        "bioavailability": constant(pk.bioavailability),
        "lag_h": constant(pk.lag_h),
    }


def _spread(median: float, cv: float, normals: FloatArray) -> FloatArray:
    sigma = math.sqrt(math.log1p(cv * cv))
    # One number at a time: a vectorised exponential may round by position in the array.
    return np.array([median * math.exp(sigma * float(z)) for z in normals], dtype=np.float64)


class Flow:
    """Solution of the compartment models of all subjects and drugs over any duration.

    Equal parameter sets (twins in several arms) are solved once.
    """

    def __init__(self, pk: IndividualPk) -> None:
        self.shape = pk.clearance_l_per_h.shape
        self.is_absorbed = ~np.isnan(pk.absorption_per_h)
        ka = np.where(self.is_absorbed, pk.absorption_per_h, 0.0)
        k_out = pk.clearance_l_per_h / pk.central_volume_l
        k_12 = pk.intercompartmental_l_per_h / pk.central_volume_l
        k_21 = pk.intercompartmental_l_per_h / pk.peripheral_volume_l
        rates = np.stack([ka, k_out, k_12, k_21, self.is_absorbed], axis=-1).reshape(-1, 5)
        unique, inverse = np.unique(rates, axis=0, return_inverse=True)
        self._index = inverse.reshape(self.shape)
        self._generator = _generators(unique)
        self._solved: dict[float, FloatArray] = {}

    @property
    def generator(self) -> FloatArray:
        """Rates of the linear system, 1/h: (rows, drugs, 5, 5), same order as `over`."""
        chosen: FloatArray = self._generator[self._index]
        return chosen

    def over(self, hours: float) -> FloatArray:
        """Matrix exponential over a duration in hours: (rows, drugs, 5, 5), order depot, central, peripheral, integral, input."""
        if hours not in self._solved:
            self._solved[hours] = exponential(self._generator, hours)
        solved: FloatArray = self._solved[hours][self._index]
        return solved


def _generators(rates: FloatArray) -> FloatArray:
    ka, k_out, k_12, k_21, absorbed = rates.T
    generator = np.zeros((len(rates), 5, 5))
    generator[:, DEPOT, DEPOT] = -ka
    generator[:, CENTRAL, DEPOT] = ka
    generator[:, CENTRAL, CENTRAL] = -(k_out + k_12)
    generator[:, CENTRAL, PERIPHERAL] = k_21
    generator[:, PERIPHERAL, CENTRAL] = k_12
    generator[:, PERIPHERAL, PERIPHERAL] = -k_21
    generator[:, INTEGRAL, CENTRAL] = 1.0
    generator[:, DEPOT, INPUT] = absorbed
    generator[:, CENTRAL, INPUT] = 1.0 - absorbed
    return generator


def exponential(generator: FloatArray, hours: float) -> FloatArray:
    """Exponentials of matrices whose off-diagonal elements are not negative.

    Args:
        generator: Rates (n, m, m), 1/h.
        hours: Duration.

    Returns:
        exp(generator * hours), (n, m, m); no element is negative and each matrix depends on its own generator only.
    """
    size = generator.shape[-1]
    identity = np.eye(size)
    shift = np.max(-np.diagonal(generator, axis1=-2, axis2=-1), axis=-1, initial=0.0)
    # The row sums bound the positive matrix, so that its scaled norm is at most 1.
    positive = (generator + shift[:, None, None] * identity) * hours
    norm = np.max(positive.sum(axis=-1), axis=-1, initial=0.0)
    squarings = np.ceil(np.log2(np.maximum(norm, 1.0))).astype(np.int64)
    scale = np.exp2(-squarings.astype(np.float64))
    positive = positive * scale[:, None, None]
    series = np.broadcast_to(identity, positive.shape)
    for term in range(TAYLOR_TERMS, 0, -1):
        series = identity + np.matmul(positive, series) / term
    result = series * np.exp(-shift * hours * scale)[:, None, None]
    for round_ in range(int(squarings.max(initial=0))):
        result = np.where((squarings > round_)[:, None, None], np.matmul(result, result), result)
    return result
