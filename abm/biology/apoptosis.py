"""BH3 balance and the hazard of apoptosis.

The free activator p (BIM and BMF pooled) solves

    p + sum_j A_j p / (p + Kd_j (1 + X_j)) = BIM + b,      j = BCL-2, BCL-XL, MCL-1

where X_j = C/Ki_j is the competition by BH3 mimetics (a clone with a mutated BCL-2 has a
larger Ki), BIM is raised by drugs as far as the cell responds, and MCL-1 = A_MCL1 (1 - f Phi), quasi-steady because its half-life is 30 min.
The sum is replaced by the one protein A p / (p + K) with its value and slope at the last p,
for which the balance is a quadratic; with one K the step is exact.  From twice or half
the root two steps are within 1e-3 for 99 % of amounts and occupancies of any size (two
Newton steps: 0.2), so the warm-started root also follows a dose or a redraw of traits.

    hazard = death_factor h_max p^n / (p50^n + p^n) + h_ISR s

Assumes: BMF acts as fully as BIM on the pore (a two-ligand form is not modelled).  Does
not model: the dynamics of BAX/BAK, caspases, necrosis.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from abm.biology.kinetics import hill
from abm.cells import Drive, Traits, scaled, share_felt
from abm.parameters.cell import Apoptosis, Bh3Binding, Mcl1

BALANCE_STEPS = 2


def free_activator(
    start: jax.Array, traits: Traits, bmf: jax.Array, phi: jax.Array, drive: Drive, binding: Bh3Binding, mcl1: Mcl1, steps: int = BALANCE_STEPS
) -> jax.Array:
    """Free activator, nmol/L, after `steps` steps from `start` >= 0; shapes (rows, packets)."""
    k2 = binding.kd_bcl2_nm * (1.0 + drive.bcl2_occupancy / traits.bcl2_ki_factor)
    kx = binding.kd_bclxl_nm * (1.0 + drive.bclxl_occupancy)
    km = binding.kd_mcl1_nm * (1.0 + drive.mcl1_occupancy)
    a2, ax, am = traits.bcl2, traits.bclxl, traits.mcl1 * (1.0 - mcl1.loss_fraction * phi)
    total = traits.bim * share_felt(drive.bim_fold, traits.bim_response) + bmf
    p = start
    for _ in range(steps):
        q2, qx, qm = p + k2, p + kx, p + km
        # One division for the three reciprocals.
        inverse = 1.0 / (q2 * qx * qm)
        r2, rx, rm = qx * qm * inverse, q2 * qm * inverse, q2 * qx * inverse
        b2, bx, bm = a2 * r2, ax * rx, am * rm
        bound = b2 + bx + bm
        curvature = 1.0 / jnp.maximum(b2 * r2 + bx * rx + bm * rm, 1e-30)
        k = (k2 * b2 * r2 + kx * bx * rx + km * bm * rm) * curvature
        middle = total - k - bound * bound * curvature
        root = jnp.sqrt(middle * middle + 4.0 * total * k)
        # The positive root of the quadratic, without a difference of near numbers.
        p = jnp.where(middle > 0.0, 0.5 * (middle + root), 2.0 * total * k / jnp.maximum(root - middle, 1e-30))
    return p


def apoptosis_hazard(activator: jax.Array, stress: jax.Array, death_factor: Any, params: Apoptosis) -> jax.Array:
    """Death hazard beyond the baseline, 1/d; the factor is that of the traits."""
    pore = hill(activator, params.half_activator_nm, params.hill)
    return scaled(params.max_per_day, death_factor) * pore + params.stress_per_day * stress
