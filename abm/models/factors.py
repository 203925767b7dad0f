"""Factors that set kinds of cells apart, and which of them an experiment uses at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from abm.cells import FACTORS, Traits
from abm.parameters.leukaemia import TraitFactors

# Name of the factor on each trait.
_GIVEN_AS = {"competence": "bmf_competence_factor", "set_point": "set_point_factor", "bcl2": "bcl2_factor"} | {
    name: f"{name}_factor" for name in ("bclxl", "mcl1", "bim")
}


def trait_factors(given: TraitFactors) -> Traits:
    """Factors on the traits, in the order of the traits."""
    return Traits(**{name: getattr(given, _GIVEN_AS.get(name, name)) for name in Traits._fields})


def wild_type(traits: Traits) -> Traits:
    """The traits with every factor present, as 1."""
    return traits._replace(**{name: 1.0 for name in FACTORS if isinstance(getattr(traits, name), tuple)})


def factors_in_use(kinds: Iterable[TraitFactors]) -> tuple[str, ...]:
    """Traits among those that may be absent which some kind of cells changes."""
    changed = [trait_factors(kind) for kind in kinds]
    return tuple(name for name in FACTORS if any(getattr(t, name) != 1.0 for t in changed))


def only(traits: Traits, in_use: tuple[str, ...]) -> Traits:
    """The traits without the factors that are 1 in every cell."""
    return traits._replace(**{name: () for name in FACTORS if name not in in_use})


def present(traits: Traits, like: Any) -> Traits:
    """The traits with absent factors written out as ones of the shape of `like`."""
    ones = np.ones_like(np.asarray(like))
    return traits._replace(**{name: ones for name in FACTORS if isinstance(getattr(traits, name), tuple)})
