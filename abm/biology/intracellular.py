"""One step inside the cells: the order of the mechanisms.

mTORC1 -> loss -> stress -> BMF -> BH3 balance -> hazards.  Each fast state is advanced
exactly for inputs held at their mean over the step; the BH3 balance and the hazard are
taken at the means of the step (midpoint rule).  Both are of second order in the step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from abm.biology.apoptosis import apoptosis_hazard, free_activator
from abm.biology.bmf import advance_bmf, bmf_target
from abm.biology.mtorc1 import advance_activity, loss_effect
from abm.biology.proliferation import slowing
from abm.biology.stress import advance_stress
from abm.cells import Drive, FastState, Traits
from abm.parameters.cell import Cell


class CellRates(NamedTuple):
    """Means over the step, shape (rows, packets)."""

    death: jax.Array  # 1/d, apoptosis and stress, without baseline and cytotoxic terms
    slowing: jax.Array  # 1, factor on the division hazard


def advance_cells(fast: FastState, traits: Traits, drive: Drive, cell: Cell, h: jax.Array) -> tuple[FastState, CellRates]:
    """Advance the fast state by `h` days and return the rates of the step."""
    mtorc1 = advance_activity(fast.mtorc1, traits.set_point, traits.mtorc1_response, drive.block, cell.mtorc1, h)
    phi = loss_effect(mtorc1, traits.set_point, cell.mtorc1)
    phi_mean = 0.5 * (fast.phi + phi)
    stress = advance_stress(fast.stress, phi_mean, drive.stress_drive, cell.stress, h)
    stress_mean = 0.5 * (fast.stress + stress)
    bmf = advance_bmf(fast.bmf, traits.competence, stress_mean, phi_mean, cell.bmf, h)
    activator = free_activator(fast.activator, traits, 0.5 * (fast.bmf + bmf), phi_mean, drive, cell.bh3, cell.mcl1)
    death = apoptosis_hazard(activator, stress_mean, traits.death_factor, cell.apoptosis)
    rates = CellRates(death=death, slowing=slowing(phi_mean, cell.proliferation))
    return FastState(mtorc1=mtorc1, phi=phi, stress=stress, bmf=bmf, activator=activator), rates


@jax.jit
def resting_state(traits: Traits, cell: Cell) -> FastState:
    """Fast state of undisturbed cells (no drug, steady).

    Compiled as a whole: operation by operation it would take seconds to start.
    """
    zero = jnp.zeros_like(traits.bim)
    one = zero + 1.0
    stress = zero + cell.stress.basal
    bmf = bmf_target(traits.competence, stress, zero, cell.bmf)
    no_drug = Drive(zero, zero, zero, zero, zero, one, zero, zero)
    activator = free_activator(zero + 1e-6, traits, bmf, zero, no_drug, cell.bh3, cell.mcl1, steps=12)
    return FastState(mtorc1=traits.set_point, phi=zero, stress=stress, bmf=bmf, activator=activator)


def resting_hazard(rest: FastState, traits: Traits, cell: Cell) -> jax.Array:
    """Death hazard of undisturbed cells, 1/d."""
    return apoptosis_hazard(rest.activator, rest.stress, traits.death_factor, cell.apoptosis)
