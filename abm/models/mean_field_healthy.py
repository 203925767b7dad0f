"""Deterministic twin of healthy haematopoiesis: rates of the packet model, expected cells.

Counts are relative to rest.  Second order in the step: feedback at the extrapolated
middle, linear stages exactly for their mean inflow.  Mice without leukaemia.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.biology.haematopoiesis import TRANSIT_STAGES, feedback, maturation_hazard
from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import advance_cells, resting_state
from abm.biology.kinetics import relax
from abm.cells import Traits
from abm.engine.mean_field import redraw, stacked
from abm.models.mean_field_xenograft import Course, row_drive, row_targets
from abm.parameters.cell import Cell
from abm.parameters.drug import Drug
from abm.parameters.lineage import Lineage
from abm.pharmacology.action import TargetTable


class LineageTwin(NamedTuple):
    """Numbers of one lineage in every row, float64 (rows, 1) unless said."""

    k_tr: Any
    life: Any
    exponent: Any
    feedback_max: Any
    upstream: Any
    progenitors: Traits  # (rows, points)
    blood: Traits | None  # (rows, points); None where drugs do not kill blood cells


class HealthyTwin(NamedTuple):
    """Numbers of all lineages."""

    cell: Cell  # (rows, 1)
    lineages: tuple[LineageTwin, ...]
    targets: TargetTable  # (rows, drugs)


def build_healthy_twin(lineages: list[list[Lineage]], cells: list[Cell], drugs: list[dict[str, Drug]], order: list[str], normals: np.ndarray) -> HealthyTwin:
    """Numbers of the twin from the lineages (in the same order), the machinery and the drugs of every row; normals (7, points)."""
    cell = stacked(cells)

    def expressed(kind: Any) -> Traits:
        mean = mean_traits(kind, cell.amounts.reference_nm)
        z = [jnp.asarray(x[None, :]) for x in normals]
        traits = express(mean, z, cell.amounts, jnp.asarray(kind.bmf_competence_cv), jnp.asarray(kind.set_point_cv))
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (len(cells), normals.shape[1])), traits)

    built = []
    for of_rows in zip(*lineages, strict=True):
        ln = stacked(list(of_rows))
        blood = None if ln.blood_cells is None else expressed(ln.blood_cells)
        k_tr = maturation_hazard(ln.transit_time_days)
        built.append(LineageTwin(k_tr, ln.blood_life_days, ln.feedback_exponent, ln.feedback_max, ln.upstream_fraction, expressed(ln.progenitors), blood))
    return HealthyTwin(cell, tuple(built), row_targets(drugs, order))


def simulate_healthy(twin: HealthyTwin, course: Course, h_days: float, *, mixed: bool = False) -> list[np.ndarray]:
    """Blood counts relative to rest, one array (steps + 1, rows) per lineage.

    Args:
        mixed: Whether surviving progenitors spread over all traits at once, so that none are selected.
    """
    return [np.asarray(_simulate(twin.cell, lineage, twin.targets, course, np.float64(h_days), mixed)) for lineage in twin.lineages]


@functools.partial(jax.jit, static_argnums=5)
def _simulate(cell: Cell, ln: LineageTwin, targets: TargetTable, course: Course, h: jax.Array, mixed: bool) -> jax.Array:
    rows, points = ln.progenitors.bim.shape
    rest = [resting_state(ln.progenitors, cell)] + ([] if ln.blood is None else [resting_state(ln.blood, cell)])
    dying = 1.0 / ln.life

    def step(state: Any, conc: Course) -> tuple[Any, jax.Array]:
        fast, occupied, block, pool, transit, blood, before = state
        action, occupied, block = row_drive(conc.end, occupied, block, conc.mean, targets, h)
        moved, rates = advance_cells(fast[0], ln.progenitors, action, cell, h)
        fast = [moved, *fast[1:]]
        count = jnp.mean(blood, axis=1, keepdims=True)
        middle = jnp.maximum(count + 0.5 * (count - before), 1e-12)
        factor = feedback(middle, jnp.ones_like(middle), ln.exponent, ln.feedback_max)
        division = ln.k_tr * (1.0 - ln.upstream) * rates.slowing * factor
        loss = ln.k_tr + jnp.maximum(rates.death - rest[0].hazard, 0.0) + action.cytotoxic_cycling
        mixing = 2.0 * cell.amounts.redraw_probability * division
        grown = redraw(pool, mixing, 1, 0.5 * h)
        net = (division - loss) * h
        fed = ln.k_tr * ln.upstream * h * jnp.where(jnp.abs(net) > 1e-8, jnp.expm1(net) / jnp.where(net == 0.0, 1.0, net), 1.0)
        grown = redraw(grown * jnp.exp(net) + fed, mixing, 1, 0.5 * h)
        grown = jnp.broadcast_to(jnp.mean(grown, axis=1, keepdims=True), grown.shape) if mixed else grown
        inflow = 0.5 * jnp.mean(pool + grown, axis=1, keepdims=True)
        stages = []
        for stage in transit:
            stages.append(relax(stage, inflow, ln.k_tr, h))
            inflow = 0.5 * (stage + stages[-1])
        kill = jnp.zeros_like(blood)
        if ln.blood is not None:
            moved, rates = advance_cells(fast[1], ln.blood, action, cell, h)
            fast[1] = moved
            kill = jnp.maximum(rates.death - rest[1].hazard, 0.0)
        gone = relax(blood, inflow * dying / (dying + kill), dying + kill, h)
        if mixed:
            gone = jnp.broadcast_to(jnp.mean(gone, axis=1, keepdims=True), gone.shape)
        return (fast, occupied, block, grown, stages, gone, count), jnp.mean(gone, axis=1)

    one = jnp.ones((rows, 1))
    state = (rest, jnp.zeros((rows, course.end.shape[2])), jnp.zeros(rows), jnp.ones((rows, points)), [one] * TRANSIT_STAGES, jnp.ones((rows, points)), one)
    _, counts = lax.scan(step, state, course)
    return jnp.concatenate([jnp.ones((1, rows)), counts])
