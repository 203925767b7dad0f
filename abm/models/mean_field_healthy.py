"""Deterministic twin of healthy haematopoiesis: rates of the packet model, expected cells.

Counts are relative to rest.  Second order in the step: feedback at the extrapolated
middle, linear stages exactly for their mean inflow.  Leukaemia enters by what it leaves of
the production.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.biology.haematopoiesis import TRANSIT_STAGES, feedback, maturation_hazard
from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import advance_cells, resting_hazard, resting_state
from abm.biology.kinetics import relax
from abm.cells import Traits, progenitor_hazard, share_felt
from abm.engine.mean_field import redraw, spread_rows, stacked
from abm.models.mean_field_xenograft import row_drive, row_targets
from abm.parameters.cell import Cell, CellTraits
from abm.parameters.drug import Drug
from abm.parameters.lineage import Lineage
from abm.pharmacology.action import TargetTable, Values


class HealthyTwin(NamedTuple):
    """Numbers of all lineages in all rows, lineage by lineage; float64 (lineages * rows, 1) unless said."""

    cell: Cell
    k_tr: Any
    life: Any
    exponent: Any
    feedback_max: Any
    niche: Any  # exponent of the progenitors' own feedback
    upstream: Any
    killable: Any  # 1 where drugs kill blood cells, else 0
    cytotoxic: Any  # factor on the cytotoxic hazard of progenitors
    bim_response: Any  # share of the induction of BIM that is felt
    progenitors: Traits  # (lineages * rows, points)
    blood: Traits  # (lineages * rows, points)
    targets: TargetTable  # (lineages * rows, drugs)


def build_healthy_twin(lineages: list[list[Lineage]], cells: list[Cell], drugs: list[dict[str, Drug]], order: list[str], normals: np.ndarray) -> HealthyTwin:
    """Numbers of the twin.

    Args:
        lineages: Lineages of every row, the same ones in the same order.
        cells: Machinery of every row.
        drugs: Drugs of every row.
        order: Drugs in the order of the course.
        normals: Normals of the points, float64 (7, points).
    """
    flat = [ln for of_rows in zip(*lineages, strict=True) for ln in of_rows]
    number = len(flat) // len(cells)
    cell = stacked(cells * number)
    numbers = stacked([dataclasses.replace(ln, label="", readout="", readout_units="", population=None, blood_cells=None) for ln in flat])

    def expressed(kinds: list[CellTraits]) -> Traits:
        kind = stacked(kinds)
        z = [jnp.asarray(x[None, :]) for x in normals]
        traits = express(mean_traits(kind, cell.amounts.reference_nm), z, cell.amounts, jnp.asarray(kind.bmf_competence_cv), jnp.asarray(kind.set_point_cv))
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (len(flat), normals.shape[1])), traits)

    return HealthyTwin(
        cell=cell,
        k_tr=maturation_hazard(numbers.transit_time_days),
        life=numbers.blood_life_days,
        exponent=numbers.feedback_exponent,
        feedback_max=numbers.feedback_max,
        niche=numbers.niche_exponent,
        upstream=numbers.upstream_fraction,
        killable=np.array([[0.0 if ln.blood_cells is None else 1.0] for ln in flat]),
        cytotoxic=numbers.cytotoxic_factor,
        bim_response=numbers.bim_response,
        progenitors=expressed([ln.progenitors for ln in flat]),
        blood=expressed([ln.blood_cells or ln.progenitors for ln in flat]),
        targets=row_targets(drugs * number, order),
    )


def simulate_healthy(twin: HealthyTwin, course: Values, h_days: float, *, crowd: np.ndarray | None = None, mixed: bool = False) -> list[np.ndarray]:
    """Blood counts relative to rest, one array (steps + 1, rows) per lineage.

    Args:
        twin: Numbers of the rows.
        course: Mean free concentrations over each step, nmol/L, (steps, rows, drugs).
        h_days: Step, d.
        crowd: Factor on production that leukaemia leaves in each step (`abm.biology.haematopoiesis.crowding`), (steps, rows); None = no leukaemia.
        mixed: Whether surviving cells spread over all traits at once, so that none are selected.
    """
    rows = twin.k_tr.shape[0]
    number = rows // course.shape[1]
    repeated = np.tile(np.asarray(course), (1, number, 1))
    left = np.ones(repeated.shape[:2]) if crowd is None else np.tile(np.asarray(crowd, np.float64), (1, number))
    counts = _simulate(spread_rows(twin, 0, rows), spread_rows(repeated, 1, rows), spread_rows(left, 1, rows), np.float64(h_days), mixed)
    return np.split(np.asarray(counts)[:, :rows], number, axis=1)


def _average(x: jax.Array) -> jax.Array:
    return jnp.mean(x, axis=1, keepdims=True)


@functools.partial(jax.jit, static_argnums=4)
def _simulate(twin: HealthyTwin, course: jax.Array, crowd: jax.Array, h: jax.Array, mixed: bool) -> jax.Array:
    cell, targets = twin.cell, twin.targets
    rows, points = twin.progenitors.bim.shape
    both = jax.tree.map(lambda p, b: jnp.concatenate([p, b], axis=1), twin.progenitors, twin.blood)
    rest = resting_state(both, cell)
    at_rest = resting_hazard(rest, both, cell)
    dying = 1.0 / twin.life

    def spread(x: jax.Array) -> jax.Array:
        return jnp.broadcast_to(_average(x), x.shape) if mixed else x

    def step(state: Any, given: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        mean_nm, left = given[0], given[1][:, None]
        fast, occupied, pool, transit, blood, before, before_pool = state
        action, occupied = row_drive(mean_nm, occupied, targets, cell.mtorc1, h)
        action = action._replace(bim_fold=share_felt(action.bim_fold, twin.bim_response))
        fast, rates = advance_cells(fast, both, action, cell, h)
        excess = jnp.maximum(rates.death - at_rest, 0.0)
        count = _average(blood)
        middle = jnp.maximum(count + 0.5 * (count - before), 1e-12)
        number = _average(pool)
        progenitors = jnp.maximum(number + 0.5 * (number - before_pool), 1e-12)
        factor = feedback(middle, jnp.ones_like(middle), twin.exponent, twin.feedback_max) * left
        factor = factor * feedback(progenitors, jnp.ones_like(middle), twin.niche, twin.feedback_max)
        division = twin.k_tr * (1.0 - twin.upstream) * rates.slowing[:, :points] * factor
        net = (division - twin.k_tr - excess[:, :points] - progenitor_hazard(action) * twin.cytotoxic) * h
        mixing = 2.0 * cell.amounts.redraw_probability * division
        # Growth by a factor e^net and a constant inflow, integrated exactly.
        fed = left * twin.k_tr * twin.upstream * h * jnp.where(jnp.abs(net) > 1e-8, jnp.expm1(net) / jnp.where(net == 0.0, 1.0, net), 1.0)
        grown = redraw(pool, mixing, 1, 0.5 * h) * jnp.exp(net) + fed
        grown = spread(redraw(grown, mixing, 1, 0.5 * h))
        inflow = 0.5 * _average(pool + grown)
        stages = []
        for stage in transit:
            stages.append(relax(stage, inflow, twin.k_tr, h))
            inflow = 0.5 * (stage + stages[-1])
        loss = dying + excess[:, points:] * twin.killable
        blood = spread(relax(blood, inflow * dying / loss, loss, h))
        return (fast, occupied, grown, stages, blood, count, number), jnp.mean(blood, axis=1)

    one, full = jnp.ones((rows, 1)), jnp.ones((rows, points))
    state = (rest, jnp.zeros((rows, course.shape[2])), full, [one] * TRANSIT_STAGES, full, one, one)
    _, counts = lax.scan(step, state, (course, crowd))
    return jnp.concatenate([jnp.ones((1, rows)), counts])
