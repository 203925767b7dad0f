"""Deterministic twin of the xenograft model: the same mechanisms in float64, expected cells instead of packets.

A row is one leukaemia under one regimen with its own numbers, so hundreds of parameter
sets and arms run in one program.  Time is counted from the start of treatment, when the
leukaemia is in balanced growth.  The host may be a mouse (doses, carrying capacity) or
a dish (constant concentration, no limit).  Does not model: blood as a compartment of the
leukaemia, subjects that differ, chance.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.biology.cytotoxicity import cytotoxic_hazards
from abm.biology.heredity import express
from abm.biology.intracellular import CellRates, advance_cells, resting_state
from abm.biology.mtorc1 import relaxation_per_day
from abm.biology.proliferation import balanced_growth, room
from abm.cells import Drive, FastState, Traits, scaled
from abm.engine.mean_field import Hazards, Weights, advance_weights, spread_rows, stacked
from abm.models.xenograft_setup import clone_means
from abm.parameters.cell import Cell, Mtorc1
from abm.parameters.drug import Drug, Pharmacokinetics
from abm.parameters.leukaemia import Leukaemia
from abm.pharmacology.action import OPTIONAL, TargetTable, Values, advance_mtorc1_block, drive, free_factor, target_table
from abm.pharmacology.compartments import IndividualPk, individual_parameters
from abm.pharmacology.exposure import ExposurePlan, advance_exposure, plan_exposure
from abm.pharmacology.regimen import Dose


@dataclasses.dataclass(frozen=True)
class TwinRow:
    """One leukaemia under one regimen, plain numbers."""

    cell: Cell
    leukaemia: Leukaemia
    drugs: dict[str, Drug]
    burden: float  # cells at the start
    capacity: float  # cells; inf in a dish
    chemosensitivity: float = 1.0  # factor on cytotoxic hazards


class TwinParams(NamedTuple):
    """All numbers of the twin, float64."""

    cell: Cell  # (rows, 1)
    b_max: Any  # (rows, 1), 1/d
    death: Any
    leave_cycle: Any
    enter_cycle: Any
    capacity: Any
    chemosensitivity: Any
    traits: Traits  # (rows, points)
    start: Weights  # (rows, points)
    targets: TargetTable  # (rows, drugs)


class TwinSeries(NamedTuple):
    """Course of every row, float64 (steps + 1, rows)."""

    burden: Any  # cells
    division: Any  # 1/d, mean division hazard of a cell far from the carrying capacity
    killed: Any  # cells that apoptosis killed so far, without the baseline


class TwinState(NamedTuple):
    """What goes from one step of the twin to the next; every array starts with rows."""

    cells: Weights  # (rows, points)
    fast: FastState  # (rows, points)
    occupied: Any  # (rows, drugs), mTORC1 occupancy
    burden: Any  # (rows,), cells at the start of the last step
    killed: Any  # (rows,), cells that apoptosis killed so far


def dosed_course(
    pharmacokinetics: list[dict[str, Pharmacokinetics]],
    masses: dict[str, float],
    doses: list[tuple[Dose, ...]],
    track_of_row: np.ndarray,
    grid_days: np.ndarray,
) -> Values:
    """Mean free concentration at the cell over each step in typical subjects, one row each; nmol/L, float64 (steps, rows, drugs).

    Args:
        pharmacokinetics: Of every row's host, by drug (`abm.pharmacology.covariates`); the drugs are those of `masses`, in its order.
        masses: Molar mass of every drug, g/mol.
        doses: Doses of every arm.
        track_of_row: int32 (rows,).
        grid_days: Equal steps from day 0.
    """
    drugs = list(masses)
    typical = np.zeros((1, 2))
    per_drug = []
    for drug in drugs:
        rows = [individual_parameters(pk[drug], typical) for pk in pharmacokinetics]
        per_drug.append({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    individual = IndividualPk.stack(per_drug, rows=len(pharmacokinetics))
    plan = plan_exposure(individual, drugs=drugs, molar_mass_g_per_mol=list(masses.values()), doses=doses, track_of_row=track_of_row, grid_days=grid_days)
    free = np.array([[free_factor(pk[drug]) for drug in drugs] for pk in pharmacokinetics]).reshape(len(pharmacokinetics), len(drugs))
    course: jax.Array = _expose(plan, np.asarray(track_of_row, np.int32), free, len(grid_days) - 1)
    return course


@functools.partial(jax.jit, static_argnums=3)
def _expose(plan: ExposurePlan, track_of_row: jax.Array, free: jax.Array, steps: int) -> jax.Array:
    def step(state: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
        after = advance_exposure(state, plan, k, track_of_row, jnp.ones_like(free))
        return after.state, after.mean_nm * free

    return lax.scan(step, jnp.asarray(plan.initial_state), jnp.arange(steps))[1]


def constant_course(free_nm: np.ndarray, steps: int) -> Values:
    """Course of a dish from constant free concentrations (rows, drugs)."""
    return np.broadcast_to(np.asarray(free_nm, np.float64), (steps, *np.shape(free_nm)))


def row_targets(drugs: list[dict[str, Drug]], order: list[str]) -> TargetTable:
    """Targets of every row's drugs, arrays (rows, drugs)."""
    tables = [target_table(row, order) for row in drugs]
    for name in OPTIONAL:  # what the drugs of one row have, the table of every row holds
        if any(not isinstance(getattr(table, name), tuple) for table in tables):
            nothing = np.zeros(len(order))
            tables = [dataclasses.replace(t, **{name: nothing}) if isinstance(getattr(t, name), tuple) else t for t in tables]
    return jax.tree.map(lambda *columns: np.stack(columns), *tables)


def build_twin(rows: list[TwinRow], order: list[str], normals: np.ndarray, groups_per_clone: int) -> TwinParams:
    """Numbers of the twin.

    Args:
        rows: Rows of one program.
        order: Drugs in the order of the course.
        normals: float64 (7, points) of one clone, as of `engine.mean_field.trait_points` with one clone.
        groups_per_clone: Groups within which cells redraw.
    """
    clones = max(len(row.leukaemia.subclones) for row in rows) + 1
    cell = stacked([row.cell for row in rows])
    means = jax.tree.map(lambda *m: np.stack(m).astype(np.float64), *[clone_means(r.leukaemia, r.cell.amounts.reference_nm, clones) for r in rows])
    points = normals.shape[1]
    spread = jax.tree.map(lambda m: np.repeat(m, points, axis=1), means)
    tiled = [jnp.asarray(np.tile(z, clones)[None, :]) for z in normals]
    traits_of = stacked([row.leukaemia.traits for row in rows])
    traits = express(spread, tiled, cell.amounts, jnp.asarray(traits_of.bmf_competence_cv), jnp.asarray(traits_of.set_point_cv))
    growth = stacked([row.leukaemia.growth for row in rows])
    b_max, leave = balanced_growth(growth)
    share = np.zeros((len(rows), clones))
    for i, row in enumerate(rows):
        others = [s.fraction for s in row.leukaemia.subclones.values()]
        share[i, : len(others) + 1] = [1.0 - sum(others), *others]
    cells = np.repeat(share * np.array([[row.burden] for row in rows]) / points, points, axis=1)
    quiescent = cells * growth.quiescent_fraction
    return TwinParams(
        cell=cell,
        b_max=b_max,
        death=growth.death_per_day,
        leave_cycle=leave,
        enter_cycle=growth.quiescent_to_cycling_per_day,
        capacity=np.array([[row.capacity] for row in rows]),
        chemosensitivity=np.array([[row.chemosensitivity] for row in rows]),
        traits=jax.tree.map(lambda x: jnp.broadcast_to(x, cells.shape), traits),
        start=Weights(cells - quiescent, quiescent),
        targets=row_targets([row.drugs for row in rows], order),
    )


def row_drive(mean_nm: jax.Array, occupied: jax.Array, targets: TargetTable, mtorc1: Mtorc1, h: jax.Array) -> tuple[Drive, jax.Array]:
    """(drive, occupancy) of a step under the mean concentrations of that step (rows, drugs), as in the packet model, in float64."""
    occupied, block = advance_mtorc1_block(occupied, mean_nm, targets, h, relaxation_per_day(mtorc1))
    action = jax.tree.map(lambda x: x.astype(jnp.float64)[:, None], (block, *drive(mean_nm, targets)))
    return Drive(*action), occupied


def begin_twin(params: TwinParams) -> TwinState:
    """State of undisturbed cells without a drug."""
    rows, drugs = params.targets.koff_per_day.shape
    start: Weights = jax.tree.map(jnp.asarray, params.start)
    nothing = jnp.zeros(rows)
    burden = jnp.sum(start.cycling + start.quiescent, axis=1)
    return TwinState(start, resting_state(params.traits, params.cell), jnp.zeros((rows, drugs)), burden, nothing)


def step_twin(params: TwinParams, state: TwinState, mean_nm: jax.Array, h: jax.Array, groups: int) -> tuple[TwinState, CellRates, Hazards]:
    """(state, rates inside the cells, hazards) of a step of `h` days under its mean concentrations (rows, drugs)."""
    cell, traits, w = params.cell, params.traits, state.cells
    action, occupied = row_drive(mean_nm, state.occupied, params.targets, cell.mtorc1, h)
    fast, rates = advance_cells(state.fast, traits, action, cell, h)
    burden = jnp.sum(w.cycling + w.quiescent, axis=1)
    # Crowding at the middle of the step, extrapolated from the last one, as in the packet model.
    middle = jnp.maximum(burden + 0.5 * (burden - state.burden), 0.0)[:, None]
    division = params.b_max * room(middle, params.capacity) * rates.slowing * traits.division_factor
    death = scaled(params.death, traits.baseline_death_factor) + rates.death
    killed_cycling, killed_quiescent = (hazard * params.chemosensitivity for hazard in cytotoxic_hazards(action, traits))
    hazards = Hazards(
        division=division,
        death_cycling=death + killed_cycling,
        death_quiescent=death + killed_quiescent,
        redraw=2.0 * cell.amounts.redraw_probability * division,
        leave_cycle=params.leave_cycle,
        enter_cycle=params.enter_cycle,
    )
    after = advance_weights(w, hazards, groups, h)
    alive = 0.5 * (w.cycling + w.quiescent + after.cycling + after.quiescent)
    killed = state.killed + h * jnp.sum(rates.death * alive, axis=1)
    return TwinState(after, fast, occupied, burden, killed), rates, hazards


def simulate_twin(params: TwinParams, course: Values, h_days: float, groups: int) -> TwinSeries:
    """Run all rows; `groups` counts the groups of all clones together."""
    rows = params.b_max.shape[0]
    series = _simulate(spread_rows(params, 0, rows), spread_rows(course, 1, rows), np.float64(h_days), groups)
    return jax.tree.map(lambda x: np.asarray(x)[:, :rows], series)


@functools.partial(jax.jit, static_argnums=3)
def _simulate(params: TwinParams, course: Values, h: jax.Array, groups: int) -> TwinSeries:
    def observe(state: TwinState, slowing: jax.Array) -> TwinSeries:
        w = state.cells
        burden = jnp.sum(w.cycling + w.quiescent, axis=1)
        dividing = jnp.sum(w.cycling * params.b_max * slowing * params.traits.division_factor, axis=1)
        return TwinSeries(burden, dividing / jnp.maximum(burden, 1e-300), state.killed)

    def step(state: TwinState, mean_nm: jax.Array) -> tuple[TwinState, TwinSeries]:
        after, rates, _ = step_twin(params, state, mean_nm, h, groups)
        return after, observe(after, rates.slowing)

    state = begin_twin(params)
    first = observe(state, jnp.ones_like(state.fast.phi))
    _, series = lax.scan(step, state, jnp.asarray(course))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, series)
