"""Healthy blood: rates of progenitors, maturation and blood cells, with feedback.

    division hazard of a progenitor  k_tr (1 - phi) (1 - g_max Phi) F N crowding
    F = min((baseline / blood)^gamma, F_max),      k_tr = 4 / transit time
    N = min((P0 / P)^nu, F_max),                   P progenitors, P0 at rest

Progenitors mature at k_tr, are fed from stem cells at k_tr phi P0 crowding, and die of
the same apoptosis as leukaemic cells: the hazard beyond their resting one, which is part
of the normal turnover.  In the deterministic limit with a direct effect on division the
chain, with nu = 0 and phi = 0, is the model of Friberg et al. 2002 (doi:10.1200/JCO.2002.02.140).
Blood cells that live for weeks tell late how few progenitors are left; in lineages of such
cells the progenitors' own feedback N keeps the chain from swinging.  Where
stem cells are followed (`abm.models.stem_cells`), the feed is in proportion to them.  Does
not model: the spleen.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

TRANSIT_STAGES = 3


def maturation_hazard(transit_time_days: Any) -> Any:
    """k_tr, 1/d: four exponential steps make up the transit time."""
    return (TRANSIT_STAGES + 1) / transit_time_days


def feedback(blood: jax.Array, baseline: jax.Array, exponent: jax.Array, largest: jax.Array) -> jax.Array:
    """Factor on division that a lack of blood cells brings about, in (0, F_max]."""
    ratio = jnp.maximum(blood, 1e-30) / baseline
    return jnp.minimum(jnp.exp(-exponent * jnp.log(ratio)), largest)


def crowding(leukaemic_burden: jax.Array, half_burden: jax.Array) -> jax.Array:
    """Factor on healthy production that leukaemia leaves, in (0, 1]."""
    return 1.0 / (1.0 + leukaemic_burden / half_burden)


def progenitors_at_rest(blood_cells: Any, k_tr: Any, blood_life_days: Any, yield_per_cell: Any) -> Any:
    """Progenitors (and cells of each transit stage) that keep `blood_cells` in balance."""
    return blood_cells / (blood_life_days * yield_per_cell * k_tr)
