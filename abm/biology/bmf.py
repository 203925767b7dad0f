"""Induction of BMF, a BH3-only protein, by the stress response.

    db/dt = k_b (beta (B0 + B1 [(1 - f) s^h / (K^h + s^h) + f Phi]) - b)

beta is the BMF competence of the cell, 0 in BMF-null cells.  The share f needs no
stress response (cap-independent translation under eIF4E block; Grespi et al. 2010,
doi:10.1038/cdd.2010.97, for the direction).
"""

from __future__ import annotations

import jax

from abm.biology.kinetics import hill, relax
from abm.parameters.cell import Bmf
from abm.units import HOURS_PER_DAY


def bmf_target(competence: jax.Array, stress: jax.Array, phi: jax.Array, params: Bmf) -> jax.Array:
    """BMF towards which the cell moves, nmol/L."""
    induction = (1.0 - params.direct_fraction) * hill(stress, params.stress_half_point, params.stress_hill) + params.direct_fraction * phi
    return competence * (params.basal_nm + params.induced_nm * induction)


def advance_bmf(bmf: jax.Array, competence: jax.Array, stress: jax.Array, phi: jax.Array, params: Bmf, h: jax.Array) -> jax.Array:
    """BMF after a step of `h` days, nmol/L, with stress and Phi at their means over the step."""
    return relax(bmf, bmf_target(competence, stress, phi, params), params.rate_per_hour * HOURS_PER_DAY, h)
