"""BH3 balance and the hazard of apoptosis.

The free activator p (BIM and BMF pooled) solves

    p + sum_j A_j p / (p + Kd_j (1 + X_j)) = BIM + b,      j = BCL-2, BCL-XL, MCL-1

where X_j = C/Ki_j is the competition by BH3 mimetics (a clone with a mutated BCL-2 has a
larger Ki) and MCL-1 = A_MCL1 (1 - f Phi), quasi-steady because its half-life is 30 min.
The left side is increasing and concave in p, so Newton steps from the left never
overshoot and the warm-started root follows within the step.

    hazard = death_factor h_max p^n / (p50^n + p^n) + h_ISR s

Assumes: BMF acts as fully as BIM on the pore (a two-ligand form is not modelled).  Does
not model: the dynamics of BAX/BAK, caspases, necrosis.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from abm.biology.kinetics import hill
from abm.cells import Drive, Traits
from abm.parameters.cell import Apoptosis, Bh3Binding, Mcl1

NEWTON_STEPS = 2


def free_activator(start: jax.Array, traits: Traits, bmf: jax.Array, phi: jax.Array, drive: Drive, binding: Bh3Binding, mcl1: Mcl1, steps: int = NEWTON_STEPS) -> jax.Array:
    """Free activator, nmol/L, after `steps` Newton steps from `start`; shapes (rows, packets)."""
    k2 = binding.kd_bcl2_nm * (1.0 + drive.bcl2_occupancy / traits.bcl2_ki_factor)
    kx = binding.kd_bclxl_nm * (1.0 + drive.bclxl_occupancy)
    km = binding.kd_mcl1_nm * (1.0 + drive.mcl1_occupancy)
    a2, ax, am = traits.bcl2, traits.bclxl, traits.mcl1 * (1.0 - mcl1.loss_fraction * phi)
    total = traits.bim * drive.bim_fold + bmf
    p = start
    for _ in range(steps):
        q2, qx, qm = p + k2, p + kx, p + km
        # One division for the three reciprocals.
        inverse = 1.0 / (q2 * qx * qm)
        r2, rx, rm = qx * qm * inverse, q2 * qm * inverse, q2 * qx * inverse
        b2, bx, bm = a2 * r2, ax * rx, am * rm
        # Newton on f(p) = 0 rearranged so that no small difference is formed.
        numerator = total - p * p * (b2 * r2 + bx * rx + bm * rm)
        p = jnp.maximum(numerator / (1.0 + k2 * b2 * r2 + kx * bx * rx + km * bm * rm), 1e-6)
    return p


def apoptosis_hazard(activator: jax.Array, stress: jax.Array, death_factor: jax.Array, params: Apoptosis) -> jax.Array:
    """Death hazard beyond the baseline, 1/d."""
    pore = hill(activator, params.half_activator_nm, params.hill)
    return death_factor * params.max_per_day * pore + params.stress_per_day * stress
