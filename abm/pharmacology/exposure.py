"""Concentration of every drug over time, exact on any grid of steps.

The model is linear, so the state at the end of a step is a fixed matrix times the state at
its start, plus a fixed vector per mg for every dose that enters on the way.  All matrices and
vectors are computed once, on the host, by `abm.pharmacology.compartments`; doses never move
the grid.  During the simulation a step is a handful of multiplications per subject.

Step k covers (t_k, t_{k+1}].  A bolus at exactly t_{k+1} is added at the end of step k, so the
concentration at a saved time is the one after the dose; doses at exactly t_0 are in the initial
state.  Infusions are split at the steps they span.  With absorption, an infusion enters the depot.

Sums have a fixed order and no term of another subject, so a subject alone, in a batch or beside
further arms and drugs has the same concentrations to the bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from abm.errors import unknown_name
from abm.pharmacology.compartments import INPUT, INTEGRAL, FloatArray, Flow, IndividualPk
from abm.pharmacology.regimen import Dose
from abm.pharmacology.schedule import InputKind, Schedule
from abm.pharmacology.steady_state import SteadyDoses, steady_state
from abm.units import HOURS_PER_DAY, mg_per_l_to_nmol_per_l


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ExposurePlan:
    """Everything that the steps of a run need; a pytree of arrays.

    H distinct step lengths, U kinds of input (kind 0 gives nothing), K steps, at most E entries of one drug in a step,
    N states of a drug: 3 unless a drug of the run has more (`abm.pharmacology.compartments`).
    """

    step_kind: jax.Array | NDArray[np.int32]  # (K,) index of the step length
    step_days: jax.Array | FloatArray  # (H,)
    propagator: jax.Array | FloatArray  # (H, rows, drugs, N, N) state at the end from the state at the start
    integral: jax.Array | FloatArray  # (H, rows, drugs, N) nmol/L day from the state at the start
    input_state: jax.Array | FloatArray  # (U, rows, drugs, N) state at the end per mg given
    input_integral: jax.Array | FloatArray  # (U, rows, drugs) nmol/L day per mg given
    input_before: jax.Array | FloatArray  # (U, rows, drugs, N) what acts just before the input, from the state at the start
    input_trough: jax.Array | FloatArray  # (U, rows, drugs) nmol/L per mg just before the first dose that a steady state goes with; 0 for doses
    input_starts: jax.Array | NDArray[np.bool_]  # (U,) whether a dose starts, not merely continues
    entry_input: jax.Array | NDArray[np.int32]  # (K, tracks, drugs, E) kind of input
    entry_amount: jax.Array | FloatArray  # (K, tracks, drugs, E) mg given; bioavailability is in the inputs
    weights: jax.Array | FloatArray  # (rows, drugs, N) what acts per mg of each state; 1 for the central compartment of a plain drug
    to_nm: jax.Array | FloatArray  # (rows, drugs) nmol/L per mg of what acts
    initial_state: jax.Array | FloatArray  # (rows, drugs, N) mg
    initial_trough: jax.Array | FloatArray  # (rows, drugs) nmol/L just before a first dose at the first time that begins in steady state; 0 without one


ROW_AXIS: dict[str, int | None] = {
    "step_kind": None,
    "step_days": None,
    "propagator": 1,
    "integral": 1,
    "input_state": 1,
    "input_integral": 1,
    "input_before": 1,
    "input_trough": 1,
    "input_starts": None,
    "entry_input": None,
    "entry_amount": None,
    "weights": 0,
    "to_nm": 0,
    "initial_state": 0,
    "initial_trough": 0,
}
"""Axis of `ExposurePlan`'s arrays that runs over rows, for sharding; None where there is none."""


class ExposureStep(NamedTuple):
    """Exposure over one step; arrays float64 (rows, drugs), the state (rows, drugs, N)."""

    state: jax.Array
    end_nm: jax.Array  # concentration at the end, after a dose at that moment
    mean_nm: jax.Array  # exact average over the step
    before_dose_nm: jax.Array  # concentration just before the first dose of the step; without a dose, at the end
    dosed: jax.Array  # bool: whether a dose started to enter within the step


def advance_exposure(state: jax.Array, plan: ExposurePlan, step: jax.Array | int, track: jax.Array, gate: jax.Array) -> ExposureStep:
    """Advance all subjects over one step, exactly.  Jittable with a traced step.

    Args:
        state: Amounts (rows, drugs, N), mg, float64, at the start of the step.
        plan: Plan of the run.
        step: Number k of the step.
        track: Track of doses of each row in this step (rows,), int32.
        gate: Factor (rows, drugs), float64, on all that enters in this step, infusions under way included.

    Raises:
        TypeError: If 64-bit numbers are not enabled.
    """
    if state.dtype != jnp.float64:
        raise TypeError(f"exposure is computed in float64, not {state.dtype}: enable jax_enable_x64")
    length = _at(plan.step_kind, step)
    propagator = _at(plan.propagator, length)
    entry_input = jnp.take(_at(plan.entry_input, step), track, axis=0)
    entry_amount = jnp.take(_at(plan.entry_amount, step), track, axis=0)
    after = _weighted(propagator, state[:, :, None, :])
    exposure = _weighted(_at(plan.integral, length), state)
    dosed = jnp.zeros(state.shape[:2], dtype=bool)
    # Entries of a step are ordered by their start, so the first slot holds the first dose.
    before_nm = _weighted(_chosen(plan.input_before, entry_input[:, :, 0]), state) * plan.to_nm
    for entry in range(entry_input.shape[-1]):
        kind = entry_input[:, :, entry]
        amount = entry_amount[:, :, entry] * gate
        per_mg = _chosen(plan.input_state, kind)
        after = after + amount[:, :, None] * per_mg
        exposure = exposure + amount * _chosen(plan.input_integral, kind)
        before_nm = before_nm + amount * _chosen(plan.input_trough, kind)
        dosed = dosed | (jnp.take(jnp.asarray(plan.input_starts), kind, axis=0) & (amount > 0.0))
    end_nm = concentration_nm(after, plan)
    mean_nm = exposure / _at(plan.step_days, length)
    return ExposureStep(after, end_nm, mean_nm, jnp.where(dosed, before_nm, end_nm), dosed)


def concentration_nm(state: Any, plan: ExposurePlan) -> Any:
    """Acting concentration (rows, drugs), nmol/L, of a state (rows, drugs, N), on the host or on a device."""
    return _weighted(plan.weights, state) * plan.to_nm


def _at(array: jax.Array | NDArray[np.generic], index: jax.Array | int) -> jax.Array:
    element: jax.Array = jax.lax.dynamic_index_in_dim(jnp.asarray(array), index, axis=0, keepdims=False)
    return element


def _weighted(weights: Any, state: Any) -> Any:
    # One by one: a matrix product may add in another order for another number of rows or of states.
    total = weights[..., 0] * state[..., 0]
    for i in range(1, weights.shape[-1]):
        total = total + weights[..., i] * state[..., i]
    return total


def _chosen(table: jax.Array | FloatArray, kind: jax.Array) -> jax.Array:
    def pick(column: jax.Array, row_kind: jax.Array) -> jax.Array:
        return column[row_kind]

    chosen: jax.Array = jax.vmap(jax.vmap(pick, in_axes=(1, 0)), in_axes=(1, 0))(jnp.asarray(table), kind)
    return chosen


def plan_exposure(
    pk: IndividualPk,
    *,
    drugs: Sequence[str],
    molar_mass_g_per_mol: Sequence[float],
    doses: Sequence[Sequence[Dose]],
    track_of_row: NDArray[np.integer],
    grid_days: FloatArray,
) -> ExposurePlan:
    """Compute all matrices and vectors of a run on the host.

    Args:
        pk: Parameters of every row and drug, (rows, drugs).
        drugs: Names of the drugs in the order of the arrays.
        molar_mass_g_per_mol: Molar mass of each drug.
        doses: Doses of each track.  Doses after the end of the grid are not given.
        track_of_row: Track on which each row starts (rows,); an arm without tracks is a track.
        grid_days: Times t_0 < ... < t_K of the steps, in days; steps need not be equal.

    Returns:
        The plan, with NumPy arrays.

    Raises:
        InputError: If a dose names an unknown drug.
        ValueError: If the grid does not increase, a dose lies before it, or the lag of a drug differs between rows.
    """
    schedule = _schedule(doses, drugs, _common_lags(pk.lag_h), grid_days)
    to_nm = np.array([mg_per_l_to_nmol_per_l(mass) for mass in molar_mass_g_per_mol], dtype=np.float64) / pk.central_volume_l
    return _assemble(pk, schedule, to_nm, track_of_row)


def _assemble(pk: IndividualPk, schedule: Schedule, to_nm: FloatArray, track: NDArray[np.integer]) -> ExposurePlan:
    flow = Flow(pk)
    nm_days = to_nm / HOURS_PER_DAY
    over = np.stack([flow.over(float(hours)) for hours in schedule.length_h])
    tables = [_input_tables(flow, kind, schedule.length_h) for kind in schedule.kinds]
    state, integral, before = (np.stack(parts) for parts in zip(*tables, strict=True))
    troughs = np.stack([_trough_nm(flow, kind.steady if kind else SteadyDoses(), to_nm) for kind in schedule.kinds])
    entry_input, entry_amount = schedule.entries()
    return ExposurePlan(
        step_kind=schedule.step_kind,
        step_days=schedule.length_h / HOURS_PER_DAY,
        propagator=over[..., : flow.states, : flow.states],
        integral=over[..., INTEGRAL, : flow.states] * nm_days[..., None],
        input_state=state * pk.bioavailability[..., None],
        input_integral=integral * (nm_days * pk.bioavailability),
        input_before=before,
        input_trough=troughs * pk.bioavailability,
        input_starts=np.array([kind is not None and not kind.continues for kind in schedule.kinds]),
        entry_input=entry_input,
        entry_amount=entry_amount,
        weights=flow.weights,
        to_nm=to_nm,
        initial_state=_initial_state(schedule, flow, pk.bioavailability, track),
        initial_trough=_initial_trough(schedule, flow, pk.bioavailability * to_nm, track),
    )


def _initial_state(schedule: Schedule, flow: Flow, bioavailability: FloatArray, track: NDArray[np.integer]) -> FloatArray:
    """State (rows, drugs, N) after the doses, and the steady states, at exactly the first time."""
    initial: FloatArray = (schedule.initial_mg[track] * bioavailability)[..., None] * flow.entry[..., : flow.states]
    for number, drug, amount_mg, doses in schedule.initial_steady:
        here = track == number
        initial[here, drug] += amount_mg * bioavailability[here, drug, None] * _steady_amounts(flow, doses)[here, drug]
    return initial


def _initial_trough(schedule: Schedule, flow: Flow, nm_per_mg: FloatArray, track: NDArray[np.integer]) -> FloatArray:
    """Concentration (rows, drugs), nmol/L, before the first doses at exactly the first time that begin in steady state."""
    initial = np.zeros(flow.shape)
    for number, drug, amount_mg, doses in schedule.initial_steady:
        initial[track == number, drug] += amount_mg * _trough_nm(flow, doses, nm_per_mg)[track == number, drug]
    return initial


def _trough_nm(flow: Flow, doses: SteadyDoses, nm_per_mg: FloatArray) -> FloatArray:
    """Concentration per mg just before a dose in steady state, (rows, drugs), of the doses' drug; nothing without doses."""
    if doses.interval_h == 0.0:
        return np.zeros(flow.shape)
    trough: FloatArray = _weighted(flow.weights, _steady_amounts(flow, doses._replace(since_h=0.0))) * nm_per_mg
    return trough


def _steady_amounts(flow: Flow, doses: SteadyDoses) -> FloatArray:
    """State per mg that infinitely many doses have left, (rows, drugs, N); nothing for other drugs, which may have no steady state."""
    amounts = np.zeros((*flow.shape, flow.states))

    def over(hours: float) -> FloatArray:
        return flow.over(hours)[:, doses.drug]

    amounts[:, doses.drug] = steady_state(over, _entered(flow, doses.duration_h)[:, doses.drug], flow.states, doses)
    return amounts


def _entered(flow: Flow, hours: float) -> FloatArray:
    """State per mg at the end of an input, (rows, drugs, N + 2)."""
    return flow.over(hours)[..., INPUT] / hours if hours > 0.0 else flow.entry


def _schedule(doses: Sequence[Sequence[Dose]], drugs: Sequence[str], lags_h: FloatArray, grid_days: FloatArray) -> Schedule:
    index = {name: number for number, name in enumerate(drugs)}
    schedule = Schedule(grid_days, tracks=len(doses), drugs=len(drugs))
    for track, given in enumerate(doses):
        for dose in given:
            if dose.drug not in index:
                raise unknown_name("dose", dose.drug, drugs, noun="drug")
            drug = index[dose.drug]
            time_h, lag_h, duration_h = dose.time_days * HOURS_PER_DAY, float(lags_h[drug]), dose.duration_days * HOURS_PER_DAY
            schedule.add(track, drug, time_h + lag_h, duration_h, dose.amount_mg)
            if dose.steady_interval_days > 0.0:
                schedule.add_steady(track, drug, time_h, dose.amount_mg, _earlier_doses(drug, dose.steady_interval_days * HOURS_PER_DAY, lag_h, duration_h))
    return schedule


def _earlier_doses(drug: int, interval_h: float, lag_h: float, duration_h: float) -> SteadyDoses:
    """The doses before the one that is taken now, of which the last has been entering since its own lag was over."""
    if lag_h >= interval_h:
        raise ValueError(f"the lag of a drug in steady state, {lag_h:g} h, must be shorter than the interval of its doses, {interval_h:g} h")
    return SteadyDoses(drug, interval_h, interval_h - lag_h if lag_h > 0.0 else 0.0, duration_h)


def _common_lags(lag_h: FloatArray) -> FloatArray:
    if np.any(lag_h != lag_h[:1]):
        raise ValueError("the lag of a drug must be the same for all rows of a plan")
    first: FloatArray = lag_h[0]
    return first


def _input_tables(flow: Flow, kind: InputKind | None, lengths: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """State (rows, drugs, N) and integral (rows, drugs) per mg at the end of the step, and what acts before (rows, drugs, N)."""
    if kind is None:
        nothing = np.zeros((*flow.shape, flow.states))
        return nothing, nothing[..., 0], nothing
    width = kind.stop_h - kind.start_h
    entered = _entered(flow, width)
    if kind.steady.interval_h > 0.0:
        entered = np.concatenate([_steady_amounts(flow, kind.steady), np.zeros((*flow.shape, 2))], axis=-1)
    after = flow.over(float(lengths[kind.length]) - kind.stop_h)
    # Explicit sums over the compartments: the same order for any number of rows.
    moved = after[..., 0] * entered[..., 0, None]
    at_start = flow.over(kind.start_h)
    before = at_start[..., 0, : flow.states] * flow.weights[..., 0, None]
    for i in range(1, flow.states):
        moved = moved + after[..., i] * entered[..., i, None]
        before = before + at_start[..., i, : flow.states] * flow.weights[..., i, None]
    return moved[..., : flow.states], moved[..., INTEGRAL] + entered[..., INTEGRAL], before
