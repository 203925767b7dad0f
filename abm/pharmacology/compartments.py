"""Linear compartment models of one subject and their exact solution.

Amounts (mg) in a depot, a central and a peripheral compartment follow

    depot'      = -ka depot
    central'    =  ka depot - (CL/V1 + Q/V1) central + (Q/V2) peripheral + input
    peripheral' =  (Q/V1) central - (Q/V2) peripheral

A drug may have further compartments (`Further`; none costs nothing): transit compartments in
series before the depot; stages in series of the central compartment, of which each is measured and
eliminated and the last one is left for good (loss of PEG chains); a metabolite, as mg of parent,

    metabolite' = formed (CL/V1) (central + stages) + first_pass ka depot - (CLm/Vm) metabolite.

The order of the states is depot, central, peripheral, transits, further stages, metabolite.  Two
rows are added, the integral of what acts and a constant input of 1 mg/h, so that one matrix
exponential answers for the state, its integral and an infusion, also for
ka equal to an elimination rate, for Q = 0 and without elimination.

The exponential is computed as exp(-q h) exp((A + q I) h): A + q I has no negative element,
so the Taylor series and the squarings add only positive terms and every element keeps its
relative accuracy (Xue & Ye 2013, Math. Comp. 82:1577), which Pade approximation does not give.
Every drug is solved at its own number of states and padded with zeros to the largest, so that
a drug is the same to the bit beside any other.

Not modelled: non-linear elimination and absorption, time-varying parameters.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.parameters.drug import Pharmacokinetics

FloatArray = NDArray[np.float64]

DEPOT, CENTRAL, PERIPHERAL = range(3)
BASE_STATES = 3
INTEGRAL, INPUT = -2, -1
"""The two rows added to the states, counted from the end."""
TAYLOR_TERMS = 18
"""Terms of the series at an argument of at most 1: the first one left out is 1/19! = 8e-18."""


class Further(NamedTuple):
    """What models have beyond two compartments; float64 (rows, drugs), or the numbers of one of them.  The counts are the same in all rows."""

    transits: Any
    transit_per_h: Any
    stages: Any  # of the central compartment, itself included
    stage_per_h: Any
    formed: Any  # share of elimination that forms the metabolite
    first_pass: Any  # share of what leaves the depot that is metabolite already
    metabolite_per_h: Any  # elimination of the metabolite; NaN: there is none
    parent_weight: Any  # acting concentration per concentration of the parent
    metabolite_weight: Any  # acting concentration per mg of metabolite, relative to that per mg of parent in V1


PLAIN = Further(0.0, 0.0, 1.0, 0.0, 0.0, 0.0, math.nan, 1.0, 0.0)
"""One or two compartments, the parent acts."""


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
    further: Further | None = None  # None: no drug has more than two compartments

    @classmethod
    def stack(cls, per_drug: Sequence[Mapping[str, FloatArray]], *, rows: int) -> IndividualPk:
        """Join the parameters of single drugs, each a mapping of arrays (rows,); no drug is allowed."""

        def joined(name: str) -> FloatArray:
            plain = getattr(PLAIN, name, math.nan)
            columns = [np.asarray(one.get(name, np.full(rows, plain)), dtype=np.float64) for one in per_drug]
            return np.stack(columns, axis=1) if columns else np.zeros((rows, 0))

        base = {field.name: joined(field.name) for field in dataclasses.fields(cls) if field.name != "further"}
        extended = any(name in one for one in per_drug for name in Further._fields)
        return cls(**base, further=Further(*(joined(name) for name in Further._fields)) if extended else None)


def individual_parameters(pk: Pharmacokinetics, normals: FloatArray) -> dict[str, FloatArray]:
    """Draw the parameters of subjects around the typical ones.

    The typical value is the *median*: CL_i = CL exp(sigma z) with sigma = sqrt(log(1 + cv^2)),
    likewise V1, as population models report them.  The mean is larger by sqrt(1 + cv^2).

    Args:
        pk: Typical parameters of the drug in the host, per subject: see `abm.pharmacology.covariates`.
        normals: Standard normal numbers (rows, 2) for clearance and central volume; zeros give typical subjects.

    Returns:
        Arrays (rows,), float64, by the field names of `IndividualPk`, and of `Further` where the drug needs them.

    Raises:
        ValueError: If the parameters are not per subject.
    """
    if pk.scaling != "per_subject" or pk.clearance_surface_exponent > 0.0:
        raise ValueError("the parameters must be those of a host, per subject")
    rows = len(normals)

    def constant(value: float) -> FloatArray:
        return np.full(rows, float(value))

    volume = _spread(pk.central_volume_l, pk.volume_cv, normals[:, 1])
    base = {
        "clearance_l_per_h": _spread(pk.clearance_l_per_h, pk.clearance_cv, normals[:, 0]),
        "central_volume_l": volume,
        "intercompartmental_l_per_h": constant(pk.intercompartmental_l_per_h),
        "peripheral_volume_l": constant(pk.peripheral_volume_l),
        "absorption_per_h": constant(math.nan if pk.absorption_per_h is None else pk.absorption_per_h),
        "bioavailability": constant(pk.bioavailability),
        "lag_h": constant(pk.lag_h),
    }
    if pk.transit_compartments == 0 and pk.stages == 1 and pk.metabolite is None:
        return base
    further = {"transits": constant(pk.transit_compartments), "transit_per_h": constant(pk.transit_per_h)}
    further |= {"stages": constant(pk.stages), "stage_per_h": constant(pk.stage_per_h)}
    if pk.metabolite is not None:
        of = pk.metabolite
        potency = {"parent": 0.0, "metabolite": 1.0, "both": of.relative_potency}[of.acts_through]
        further |= {"formed": constant(of.formed_fraction), "first_pass": constant(of.first_pass_fraction)}
        # A subject that clears the drug faster clears its metabolite faster by the same factor.
        elimination = _spread(of.clearance_l_per_h / of.volume_l, pk.clearance_cv, normals[:, 0])
        further |= {"metabolite_per_h": elimination, "metabolite_weight": potency * volume / of.volume_l}
        further |= {"parent_weight": constant(0.0 if of.acts_through == "metabolite" else 1.0)}
    return base | {name: further.get(name, constant(getattr(PLAIN, name))) for name in Further._fields}


def _spread(median: float, cv: float, normals: FloatArray) -> FloatArray:
    sigma = math.sqrt(math.log1p(cv * cv))
    # One number at a time: a vectorised exponential may round by position in the array.
    return np.array([median * math.exp(sigma * float(z)) for z in normals], dtype=np.float64)


class Flow:
    """Solution of the compartment models of all subjects and drugs over any duration.

    Equal parameter sets (twins in several arms) are solved once.  N states, the largest number of any drug.

    Attributes:
        shape: Rows and drugs.
        states: N.
        entry: Where a dose enters, (rows, drugs, N + 2).
        weights: Acting concentration over amount x 1/V1 of each state, (rows, drugs, N).
    """

    def __init__(self, pk: IndividualPk) -> None:
        self.shape = pk.clearance_l_per_h.shape
        is_absorbed = ~np.isnan(pk.absorption_per_h)
        ka = np.where(is_absorbed, pk.absorption_per_h, 0.0)
        k_out = pk.clearance_l_per_h / pk.central_volume_l
        k_12 = pk.intercompartmental_l_per_h / pk.central_volume_l
        k_21 = pk.intercompartmental_l_per_h / pk.peripheral_volume_l
        further = () if pk.further is None else (*pk.further[:6], *(np.nan_to_num(part, nan=-1.0) for part in pk.further[6:]))
        rates = np.stack([ka, k_out, k_12, k_21, is_absorbed, *further], axis=-1)
        unique, inverse = np.unique(rates.reshape(-1, rates.shape[-1]), axis=0, return_inverse=True)
        self._index = inverse.reshape(self.shape)
        models = [_model(row) for row in unique]
        self.states = max((len(weights) for _, _, weights in models), default=BASE_STATES)
        self._same_size = _by_size([generator for generator, _, _ in models])
        self.entry: FloatArray = self._chosen(_stacked([entry for _, entry, _ in models], self.states + 2))
        self.weights: FloatArray = self._chosen(_stacked([weights for _, _, weights in models], self.states))
        self._solved: dict[float, FloatArray] = {}

    @property
    def generator(self) -> FloatArray:
        """Rates of the linear system, 1/h: (rows, drugs, N + 2, N + 2), same order as `over`."""
        return self._chosen(self._padded([generators for _, generators in self._same_size]))

    def over(self, hours: float) -> FloatArray:
        """Matrix exponential over a duration in hours: (rows, drugs, N + 2, N + 2), the states, then integral and input."""
        if hours not in self._solved:
            self._solved[hours] = self._padded([exponential(generators, hours) for _, generators in self._same_size])
        return self._chosen(self._solved[hours])

    def _chosen(self, unique: FloatArray) -> FloatArray:
        chosen: FloatArray = unique[self._index]
        return chosen

    def _padded(self, matrices: list[FloatArray]) -> FloatArray:
        """All matrices at the largest size, integral and input last, zeros where a drug has no such state."""
        padded = np.zeros((sum(len(places) for places, _ in self._same_size), self.states + 2, self.states + 2))
        for (places, _), found in zip(self._same_size, matrices, strict=True):
            axis = [*range(found.shape[-1] - 2), self.states, self.states + 1]
            padded[np.ix_(places, axis, axis)] = found
        return padded


def _by_size(generators: list[FloatArray]) -> list[tuple[list[int], FloatArray]]:
    """(places, matrices) of equal size, the smallest first."""
    sizes = [len(generator) for generator in generators]
    found = []
    for size in sorted(set(sizes)):
        places = [place for place, one in enumerate(sizes) if one == size]
        found.append((places, np.stack([generators[place] for place in places])))
    return found


def _stacked(vectors: list[FloatArray], size: int) -> FloatArray:
    stacked = np.zeros((len(vectors), size))
    for row, vector in zip(stacked, vectors, strict=True):
        row[: len(vector)] = vector
    return stacked


def _model(rates: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(generator (n + 2, n + 2), entry (n,), weights (n,)) of one drug in one subject."""
    ka, k_out, k_12, k_21, absorbed = rates[:5]
    of = Further(*rates[5:]) if len(rates) > 5 else PLAIN
    metabolises = len(rates) > 5 and of.metabolite_per_h >= 0.0
    transits = range(BASE_STATES, BASE_STATES + int(of.transits))
    stages = [CENTRAL, *range(transits.stop, transits.stop + int(of.stages) - 1)]
    metabolite = transits.stop + len(stages) - 1
    size = metabolite + metabolises
    a = np.zeros((size + 2, size + 2))

    def flow(source: int, target: int, rate: float) -> None:
        a[source, source] -= rate
        a[target, source] += rate

    flow(DEPOT, CENTRAL, ka)
    a[CENTRAL, CENTRAL] = -(k_out + k_12)
    a[CENTRAL, PERIPHERAL] = k_21
    a[PERIPHERAL, CENTRAL] = k_12
    a[PERIPHERAL, PERIPHERAL] = -k_21
    for source, target in zip(transits, [*transits[1:], DEPOT], strict=False):
        flow(source, target, of.transit_per_h)
    for stage in stages[1:]:
        a[stage, stage] = -k_out
    if len(stages) > 1:
        for source, target in itertools.pairwise(stages):
            flow(source, target, of.stage_per_h)
        a[stages[-1], stages[-1]] -= of.stage_per_h
    weights = np.zeros(size)
    weights[stages] = of.parent_weight
    if metabolises:
        a[metabolite, stages] = of.formed * k_out
        a[metabolite, metabolite] = -of.metabolite_per_h
        a[CENTRAL, DEPOT], a[metabolite, DEPOT] = ka * (1.0 - of.first_pass), ka * of.first_pass
        weights[metabolite] = of.metabolite_weight
    entry = np.zeros(size)
    entry[(transits[0] if transits else DEPOT) if absorbed else CENTRAL] = 1.0
    a[INTEGRAL, :size] = weights
    a[:size, INPUT] = entry
    return a, entry, weights


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
