"""Who a subject is: its leukaemia with what sets it apart from the typical one.

Every factor is log-normal with mean 1 (that of the chemosensitivity with the mean of the
cohort, `cohort.chemosensitivity`) and belongs to the subject and the name of the
quantity: not to the arm, so that twins are alike, and not to its neighbours in the list,
so that a further quantity that varies changes no other.

Growth differs in two ways, which are not the same.  `cohort.variability.growth` is the pace
of a patient's leukaemia: net growth, death and re-entry into the cycle alike, so that a slow
one turns over slowly.  `host.growth_cv` is the division hazard alone, as it differs between
mice that carry one leukaemia: its cells die and rest as ever, and net growth follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from abm.biology.proliferation import balanced_growth, net_rate
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.settings import Variability
from abm.streams import subject_uniforms

DIVISION = "division"
"""Name of the factor on the division hazard."""


@dataclasses.dataclass(frozen=True)
class Individual:
    """What belongs to one subject.

    Attributes:
        leukaemia: Its leukaemia, the factors of `cohort.variability` applied.
        factors: Factor by name of the quantity, 1 where nothing varies; with DIVISION.
    """

    leukaemia: Leukaemia
    factors: dict[str, float]

    @property
    def chemosensitivity(self) -> float:
        """Factor on cytotoxic hazards of leukaemic cells."""
        return self.factors["chemosensitivity"]

    @property
    def tolerance(self) -> float:
        """Factor on the hazards of switching to reversible states."""
        return self.factors["tolerance"]

    @property
    def start_burden(self) -> float:
        """Factor on the burden at which the trial starts."""
        return self.factors["start_burden"]

    @property
    def division(self) -> float:
        """Factor on the division hazard."""
        return self.factors[DIVISION]

    @property
    def division_per_day(self) -> float:
        """Division hazard of cycling cells far below capacity, 1/d."""
        return balanced_growth(self.leukaemia.growth)[0] * self.division

    @property
    def net_growth_per_day(self) -> float:
        """Net growth far below capacity, 1/d."""
        growth = self.leukaemia.growth
        return growth.net_per_day if self.division == 1.0 else net_rate(growth, self.division)


def varied_names() -> tuple[str, ...]:
    """Names of the quantities of `cohort.variability`."""
    return tuple(field.name for field in dataclasses.fields(Variability))


def factor_of(key: np.ndarray, name: str, cv: float) -> float:
    """Log-normal factor with mean 1 of a subject, key uint32 (2,), from its stream `name`; exactly 1 without variability."""
    if cv == 0.0:
        return 1.0
    sigma = np.sqrt(np.log1p(cv**2))
    return float(np.exp(sigma * ndtri(subject_uniforms(key, name, 1)[0]) - 0.5 * sigma**2))


def typical_leukaemia(experiment: Experiment, name: str) -> Leukaemia:
    """A leukaemia as it is in the cohort, before subjects differ; that of the experiment itself where the cohort changes nothing."""
    leukaemia, felt = experiment.leukaemias[name], experiment.cohort.bim_response
    return leukaemia if felt == 1.0 else dataclasses.replace(leukaemia, bim_response=leukaemia.bim_response * felt)


def individual(experiment: Experiment, key: np.ndarray, leukaemia: str) -> Individual:
    """The subject with a key, uint32 (2,), and a leukaemia of that name."""
    variability, typical = experiment.cohort.variability, typical_leukaemia(experiment, leukaemia)
    factors = {name: factor_of(key, f"variability/{name}", getattr(variability, name)) for name in varied_names()}
    alike = all(factor == 1.0 for factor in factors.values())
    factors["chemosensitivity"] *= experiment.cohort.chemosensitivity
    factors[DIVISION] = factor_of(key, "growth", experiment.host.growth_cv)
    if alike:
        return Individual(typical, factors)
    traits, growth, pace = typical.traits, typical.growth, factors["growth"]
    own = dataclasses.replace(
        typical,
        traits=dataclasses.replace(
            traits,
            bim=traits.bim * factors["bim"],
            set_point=traits.set_point * factors["set_point"],
            bmf_competence=traits.bmf_competence * factors["bmf_competence"],
        ),
        growth=dataclasses.replace(
            growth,
            net_per_day=growth.net_per_day * pace,
            death_per_day=growth.death_per_day * pace,
            quiescent_to_cycling_per_day=growth.quiescent_to_cycling_per_day * pace,
        ),
    )
    return Individual(own, factors)


def individuals(experiment: Experiment, keys: np.ndarray, leukaemias: Sequence[str]) -> list[Individual]:
    """The subjects of rows: keys uint32 (rows, 2), name of the leukaemia of each row; rows of one subject share what it is."""
    known: dict[tuple[bytes, str], Individual] = {}
    found = []
    for key, name in zip(keys, leukaemias, strict=True):
        who = (np.asarray(key).tobytes(), name)
        if who not in known:
            known[who] = individual(experiment, key, name)
        found.append(known[who])
    return found
