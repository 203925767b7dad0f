"""Who a subject is: its leukaemia with what sets it apart from the typical one.

Every factor is log-normal with mean 1 and belongs to the subject and the name of the
quantity: not to the arm, so that twins are alike, and not to its neighbours in the list,
so that a further quantity that varies changes no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.settings import Variability
from abm.streams import subject_uniforms


@dataclasses.dataclass(frozen=True)
class Individual:
    """What belongs to one subject.

    Attributes:
        leukaemia: Its leukaemia, the factors applied.
        factors: Factor by name of the quantity, 1 where nothing varies.
    """

    leukaemia: Leukaemia
    factors: dict[str, float]

    @property
    def chemosensitivity(self) -> float:
        """Factor on cytotoxic hazards of leukaemic cells."""
        return self.factors["chemosensitivity"]

    @property
    def start_burden(self) -> float:
        """Factor on the burden at which the trial starts."""
        return self.factors["start_burden"]


def varied_names() -> tuple[str, ...]:
    """Names of all quantities that can differ between subjects."""
    return tuple(field.name for field in dataclasses.fields(Variability))


def factor_of(key: np.ndarray, name: str, cv: float) -> float:
    """Log-normal factor with mean 1 of a subject, key uint32 (2,); exactly 1 without variability."""
    if cv == 0.0:
        return 1.0
    sigma = np.sqrt(np.log1p(cv**2))
    return float(np.exp(sigma * ndtri(subject_uniforms(key, f"variability/{name}", 1)[0]) - 0.5 * sigma**2))


def individual(experiment: Experiment, key: np.ndarray, leukaemia: str) -> Individual:
    """The subject with a key, uint32 (2,), and a leukaemia of that name."""
    variability, typical = experiment.cohort.variability, experiment.leukaemias[leukaemia]
    factors = {name: factor_of(key, name, getattr(variability, name)) for name in varied_names()}
    if all(factor == 1.0 for factor in factors.values()):
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
    """The subjects of rows: keys uint32 (rows, 2), name of the leukaemia of each row."""
    return [individual(experiment, key, name) for key, name in zip(keys, leukaemias, strict=True)]
