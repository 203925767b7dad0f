"""The pool of stem cells that feeds the healthy lineages of a subject.

    division hazard  lambda F,   F = min((N0 / N)^gamma, F_max),   lambda = 1 / division interval
    leaving hazard   lambda      towards the progenitors of all lineages
    death            apoptosis in excess of rest + cytotoxic hazard of quiescent cells x factor

Lineages are fed in proportion to N / N0.  Cells stand in trait strata as those of
`abm.models.healthy`, by which they are advanced and drawn.  Does not model: multipotent
progenitors, which may make up for a lack of stem cells for a while; the niche.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.biology.haematopoiesis import feedback
from abm.biology.intracellular import advance_cells, resting_hazard, resting_state
from abm.cells import Drive, FastState, Traits, share_felt, stem_cell_hazard
from abm.engine.transition import Law, constant_law, no_time, then
from abm.parameters.cell import Cell
from abm.parameters.stem_cell import StemCells


class StemParams(NamedTuple):
    """Numbers of the pool; float64 scalars unless said."""

    at_rest: Any  # cells
    hazard: Any  # 1/d, division and leaving at rest
    exponent: Any
    feedback_max: Any
    cytotoxic: Any  # float32
    bim_response: Any  # float32
    traits: Traits  # (1, strata) float32
    resting_hazard: Any  # as traits


class StemState(NamedTuple):
    """Cells of the pool, whole numbers in float64, and what has happened since the last draw."""

    cells: Any  # (rows, 1, strata)
    fast: FastState  # (rows, strata)
    births: Any  # (rows,), cumulative
    deaths: Any
    gained: Any  # from grafts
    lost: Any
    law: Law  # float32 (rows, 1, strata)
    killed: Any  # expected deaths of a founder's line, float32 (rows, 1, strata)
    division: Any  # integrated division hazard, float32 (rows, 1, strata)


def stem_params(pool: StemCells, cell: Cell, traits: Traits) -> StemParams:
    """Numbers of the pool; `traits` are those of its strata, (1, strata)."""
    return StemParams(
        at_rest=jnp.float64(np.rint(pool.cells)),
        hazard=jnp.float64(1.0 / pool.division_interval_days),
        exponent=jnp.float64(pool.feedback_exponent),
        feedback_max=jnp.float64(pool.feedback_max),
        cytotoxic=jnp.float32(pool.cytotoxic_factor),
        bim_response=jnp.float32(pool.bim_response),
        traits=traits,
        resting_hazard=resting_hazard(resting_state(traits, cell), traits, cell),
    )


def stem_at_rest(params: StemParams, cell: Cell, cells: jax.Array) -> StemState:
    """An undisturbed pool of `cells`, (rows, 1, strata)."""
    rows, _, strata = cells.shape
    none, zero = jnp.zeros(rows), jnp.zeros((rows, 1, strata), jnp.float32)
    fast = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, strata)), resting_state(params.traits, cell))
    return StemState(cells=cells, fast=fast, births=none, deaths=none, gained=none, lost=none, law=no_time(zero), killed=zero, division=zero)


def expected_stem_cells(state: StemState) -> jax.Array:
    """Stem cells that are expected now, float64 (rows, 1); rounded, so that the sum is free of order."""
    return jnp.sum(jnp.rint(state.cells * state.law.x.astype(jnp.float64)), axis=2)


def advance_stem_cells(state: StemState, params: StemParams, cell: Cell, drive: Drive, h: jax.Array) -> tuple[StemState, jax.Array]:
    """(state after the step, share of the feed at rest that lineages get): share is float64 (rows, 1)."""
    h32 = h.astype(jnp.float32)
    felt = drive._replace(bim_fold=share_felt(drive.bim_fold, params.bim_response))
    fast, rates = advance_cells(state.fast, params.traits, felt, cell, h32)
    before = expected_stem_cells(state)
    excess = jnp.maximum(rates.death - params.resting_hazard, np.float32(0))
    killed = (excess + stem_cell_hazard(drive) * params.cytotoxic)[:, None, :]
    factor = feedback(before, params.at_rest, params.exponent, params.feedback_max)
    division = (params.hazard * factor).astype(jnp.float32)[:, :, None] * rates.slowing[:, None, :]
    leaving = killed + params.hazard.astype(jnp.float32)
    step = constant_law(division, leaving, h32)
    after = state._replace(
        fast=fast,
        law=then(state.law, step),
        killed=state.killed + state.law.x * step.deaths * (killed / leaving),
        division=state.division + division * h32,
    )
    return after, 0.5 * (before + expected_stem_cells(after)) / params.at_rest
