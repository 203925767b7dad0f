"""mTORC1 activity and the loss of it that a cell feels.

    dm/dt = k_m (m* (1 - r block) - m),      L = max(m* - m, 0)
    Phi(L) = L^n / (Phi_K^n + L^n)

`block` is the inhibition by drugs, r the share of it that the cell feels (1 unless the
clone is refractory).  The loss is absolute: a cell that runs on a high set point feels
the block, a normal cell hardly does.  pS6K is lost within 30 min of inhibition
(Laukkanen et al. 2022, PMC10082361).  Does not model: mTORC2, feedback on AKT.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from abm.biology.kinetics import hill, relax
from abm.cells import scaled
from abm.parameters.cell import Mtorc1
from abm.units import HOURS_PER_DAY


def relaxation_per_day(params: Mtorc1) -> Any:
    """Rate at which the activity follows its block, 1/d."""
    return params.relaxation_per_hour * HOURS_PER_DAY


def advance_activity(activity: jax.Array, set_point: jax.Array, response: Any, block: jax.Array, params: Mtorc1, h: jax.Array) -> jax.Array:
    """Activity m after a step of `h` days, exact for a constant block; shapes (rows, packets), the response is that of the traits."""
    target = set_point * (1.0 - scaled(block, response))
    return relax(activity, target, relaxation_per_day(params), h)


def loss_effect(activity: jax.Array, set_point: jax.Array, params: Mtorc1) -> jax.Array:
    """Phi of the loss of activity, in [0, 1]."""
    return hill(jnp.maximum(set_point - activity, 0.0), params.loss_half_point, params.loss_steepness)
