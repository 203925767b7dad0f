"""What growth factors do to healthy lineages.

    division hazard of a progenitor   times  prod_j (1 + (division_fold_j - 1) H_j)
    rate of maturation                times  prod_j (1 + (maturation_fold_j - 1) H_j)

over the growth factors j whose blood count the lineage makes, H_j being the Hill term of
`abm.pharmacology.action`.  The form is that of models of filgrastim, in which the factor
raises proliferation and shortens transit (Quartino et al. 2014, doi:10.1007/s11095-014-1429-9;
Craig et al. 2016, doi:10.1007/s11538-016-0179-8).  Does not model: the margination and
demargination of blood cells, stem cells that leave the marrow, the clearance of the factor by neutrophils.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.parameters.drug import Drug
from abm.parameters.lineage import Lineage


class GrowthFolds(NamedTuple):
    """Largest folds less 1, float64 (drugs, lineages); 0 where a drug does not act on a lineage."""

    division: Any
    maturation: Any


def growth_folds(drugs: Mapping[str, Drug], order: Sequence[str], lineages: Mapping[str, Lineage]) -> GrowthFolds | tuple[()]:
    """Folds of the drugs in the order of the exposure arrays; () where none of them is a growth factor."""
    division, maturation = (np.zeros((len(order), len(lineages))) for _ in range(2))
    factors = [(row, drugs[name].targets.growth) for row, name in enumerate(order)]
    for row, target in factors:
        for column, lineage in enumerate(lineages.values()):
            if target is not None and lineage.readout == target.readout:
                division[row, column], maturation[row, column] = target.division_fold - 1.0, target.maturation_fold - 1.0
    return GrowthFolds(division, maturation) if any(target is not None for _, target in factors) else ()


def fold_felt(extra: Any, effect: Any) -> jax.Array:
    """Factor on a rate of every lineage, float64 (rows, lineages).

    Args:
        extra: Largest folds less 1, (drugs, lineages).
        effect: Share of the largest effect of every drug, float64 (rows, drugs).
    """
    fold = jnp.ones((effect.shape[0], extra.shape[1]))
    for drug in range(extra.shape[0]):  # one by one, as in `abm.pharmacology.action`: in one order beside any other drug
        fold = fold * (1.0 + extra[drug] * effect[:, drug, None])
    return fold
