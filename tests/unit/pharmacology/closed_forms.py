"""Concentrations by the closed forms of pharmacokinetics, and subjects to compare them with.

Derived by Laplace transform; nothing here shares code with the program.  Times in hours, amounts
in mg, concentrations in mg/L: a molar mass of 1e6 g/mol makes the program's nmol/L the same number.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from abm.pharmacology.compartments import IndividualPk
from abm.pharmacology.exposure import ExposurePlan, advance_exposure, concentration_nm, plan_exposure
from abm.pharmacology.regimen import Dose
from tests.optimised import AS_USERS

Array = NDArray[np.float64]
MOLAR_MASS = 1e6


class Model(NamedTuple):
    """One drug in one subject."""

    cl: float
    v1: float
    q: float = 0.0
    v2: float = 1.0
    ka: float | None = None
    f: float = 1.0
    lag: float = 0.0


EVEROLIMUS = Model(17.4, 25.2, 51.1, 400.0, 0.647)  # de Wit 2016, doi:10.1007/s00280-016-3050-6
PACLITAXEL = Model(285.0, 290.0, 204.0, 1000.0)  # DDMODEL00000186
VENETOCLAX = Model(12.2, 99.0, 130.0 / 24.0, 147.0, 0.16, lag=0.96)  # Dave 2019, CL for the exposure of the label


def exponents(model: Model) -> tuple[Array, Array]:
    """Coefficients A_i and rates l_i of the concentration sum A_i exp(-l_i t) after a bolus of 1 mg."""
    if model.q == 0.0:
        return np.array([1.0 / model.v1]), np.array([model.cl / model.v1])
    k_21 = model.q / model.v2
    total = model.cl / model.v1 + model.q / model.v1 + k_21
    product = model.cl / model.v1 * k_21
    fast = 0.5 * (total + np.sqrt(total**2 - 4.0 * product))
    slow = product / fast
    return np.array([fast - k_21, k_21 - slow]) / (fast - slow) / model.v1, np.array([fast, slow])


def after_one_mg(model: Model, t: Array, duration_h: float = 0.0) -> Array:
    """Concentration at `t` hours after 1 mg starts to be available (0 before); oral if the model has absorption."""
    coefficients, rates = exponents(model)
    elapsed = np.maximum(t, 0.0)[..., None]
    if model.ka is not None:
        response = coefficients * model.ka * _between(rates, model.ka, elapsed)
    elif duration_h > 0.0:
        during = np.minimum(elapsed, duration_h)
        response = coefficients / (rates * duration_h) * -np.expm1(-rates * during) * np.exp(-rates * (elapsed - during))
    else:
        response = coefficients * np.exp(-rates * elapsed)
    return np.where(t >= 0.0, response.sum(axis=-1), 0.0)


def _between(rate: Array, ka: float, t: Array) -> Array:
    """(exp(-rate t) - exp(-ka t)) / (ka - rate), with its limit t exp(-ka t) at rate = ka."""
    gap = np.where(rate == ka, 1.0, np.abs(ka - rate))
    return np.where(rate == ka, t * np.exp(-ka * t), np.exp(-np.minimum(rate, ka) * t) * -np.expm1(-gap * t) / gap)


def concentration(model: Model, doses: Sequence[Dose], t_h: Array) -> Array:
    """Concentration, mg/L, by superposition."""
    total = np.zeros_like(t_h)
    for dose in doses:
        total += model.f * dose.amount_mg * after_one_mg(model, t_h - dose.time_days * 24.0 - model.lag, dose.duration_days * 24.0)
    return total


def every(interval_h: float, count: int, amount_mg: float, *, drug: str = "drug", duration_h: float = 0.0, start_h: float = 0.0) -> tuple[Dose, ...]:
    """Equal doses."""
    return tuple(Dose((start_h + k * interval_h) / 24.0, drug, amount_mg, duration_h / 24.0) for k in range(count))


def subjects(models: Sequence[Sequence[Model]]) -> IndividualPk:
    """Parameters of rows of models, one model per drug."""

    def array(name: str) -> Array:
        return np.array([[np.nan if getattr(m, name) is None else getattr(m, name) for m in row] for row in models], dtype=np.float64)

    return IndividualPk(array("cl"), array("v1"), array("q"), array("v2"), array("ka"), array("f"), array("lag"))


class Course(NamedTuple):
    """What the program computes: arrays (K + 1, rows, drugs) for the state and concentration, (K, rows, drugs) for the others."""

    state: Array
    conc: Array
    mean: Array
    before: Array
    dosed: NDArray[np.bool_]


@functools.partial(jax.jit, compiler_options=AS_USERS)
def _run(plan: ExposurePlan, arms: jax.Array, gates: jax.Array) -> tuple[jax.Array, ...]:
    def step(state: jax.Array, k: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        out = advance_exposure(state, plan, k, arms, gates)
        return out.state, (out.state, out.end_nm, out.mean_nm, out.before_dose_nm, out.dosed)

    start = plan.initial_state
    _, (state, end, mean, before, dosed) = jax.lax.scan(step, start, jnp.arange(len(plan.step_kind)))
    return jnp.concatenate([start[None], state]), jnp.concatenate([concentration_nm(start, plan)[None], end]), mean, before, dosed


def course(plan: ExposurePlan, track_of_row: Sequence[int], gate: float = 1.0) -> Course:
    """Run the program over all steps of a plan."""
    arms = jnp.asarray(np.array(track_of_row, dtype=np.int32))
    gates = jnp.full(plan.to_nm.shape, gate, dtype=jnp.float64)
    return Course(*(np.asarray(part) for part in _run(jax.tree.map(jnp.asarray, plan), arms, gates)))


def plan_for(
    models: Sequence[Sequence[Model]], doses: Sequence[Sequence[Dose]], grid_h: Array, *, track_of_row: Sequence[int], drugs: Sequence[str]
) -> ExposurePlan:
    """Plan of some subjects on a grid in hours."""
    return plan_exposure(
        subjects(models),
        drugs=drugs,
        molar_mass_g_per_mol=[MOLAR_MASS] * len(drugs),
        doses=doses,
        track_of_row=np.array(track_of_row),
        grid_days=np.asarray(grid_h, dtype=np.float64) / 24.0,
    )


def padded(plan: ExposurePlan) -> ExposurePlan:
    """The same plan with unused steps, lengths, kinds of input and entries, so that many plans share a compiled program."""

    def pad(array: Array, axis: int, smallest: int) -> Array:
        size = smallest
        while size < array.shape[axis]:
            size *= 4
        widths = [(0, 0)] * array.ndim
        widths[axis] = (0, size - array.shape[axis])
        return np.pad(array, widths, mode="edge" if array is plan.step_days else "constant")

    changed = {name: pad(getattr(plan, name), 0, 64) for name in ("input_state", "input_integral", "input_before", "input_trough", "input_starts")}
    changed |= {name: pad(getattr(plan, name), 0, 8) for name in ("step_days", "propagator", "integral")}
    changed |= {name: pad(pad(getattr(plan, name), 0, 512), 3, 3) for name in ("entry_input", "entry_amount")}
    return dataclasses.replace(plan, step_kind=pad(plan.step_kind, 0, 512), **changed)


def single(model: Model, doses: Sequence[Dose], grid_h: Array) -> Course:
    """One subject, one drug."""
    plan = plan_for([[model]], [doses], grid_h, track_of_row=[0], drugs=["drug"])
    state, conc, *steps = course(padded(plan), [0])
    return Course(state[: len(grid_h)], conc[: len(grid_h)], *(part[: len(grid_h) - 1] for part in steps))
