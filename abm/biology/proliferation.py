"""Division of leukaemic cells: slowed by loss of mTORC1 activity, limited by space.

    division hazard = b_max division_factor (1 - g_max Phi) max(0, 1 - N / K)

Only cycling cells divide.  In balanced growth at net rate r, baseline death d0 and
quiescent share f_q,

    k_cq = (r + k_qc + d0) rho,   b_max = r + d0 + k_cq - k_qc rho,   rho = f_q / (1 - f_q)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from abm.parameters.cell import Proliferation
from abm.parameters.leukaemia import Growth


def balanced_growth(growth: Growth) -> tuple[float, float]:
    """(b_max, k_cq), 1/d: division hazard of cycling cells and hazard of leaving the cycle."""
    rho = growth.quiescent_fraction / (1.0 - growth.quiescent_fraction)
    k_cq = (growth.net_per_day + growth.quiescent_to_cycling_per_day + growth.death_per_day) * rho
    return growth.net_per_day + growth.death_per_day + k_cq - growth.quiescent_to_cycling_per_day * rho, k_cq


def net_rate(growth: Growth, factor: float) -> float:
    """Rate of balanced growth, 1/d, where the division hazard is multiplied by `factor`, by crowding or otherwise.

    The leading eigenvalue of c' = (b f - d0 - k_cq) c + k_qc q, q' = k_cq c - (d0 + k_qc) q.
    """
    b_max, k_cq = balanced_growth(growth)
    k_qc, d0 = growth.quiescent_to_cycling_per_day, growth.death_per_day
    rates = np.array([[b_max * factor - d0 - k_cq, k_qc], [k_cq, -d0 - k_qc]])
    return float(np.linalg.eigvals(rates).real.max())


def slowing(phi: jax.Array, params: Proliferation) -> jax.Array:
    """Factor on the division hazard, in [1 - g_max, 1]."""
    return 1.0 - params.slowing_max * phi


def room(burden: jax.Array, carrying_capacity: jax.Array) -> jax.Array:
    """Factor on the division hazard that is left by crowding, in [0, 1]."""
    return jnp.maximum(1.0 - burden / carrying_capacity, 0.0)
