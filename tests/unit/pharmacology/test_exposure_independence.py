"""What a subject gets depends on nothing but the subject and its own doses, to the bit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.errors import InputError
from abm.pharmacology.exposure import ROW_AXIS, ExposurePlan, advance_exposure
from abm.pharmacology.regimen import Dose
from tests.unit.pharmacology.closed_forms import EVEROLIMUS, PACLITAXEL, VENETOCLAX, Array, Course, Model, course, every, padded, plan_for

GRID = np.concatenate([np.arange(0.0, 48.0), np.arange(48.0, 97.0, 4.0)])
ORAL = (*every(24.0, 4, 10.0, drug="everolimus"), *every(24.0, 3, 4.0, drug="everolimus", start_h=5.3))
INFUSED = every(24.0, 3, 400.0, drug="paclitaxel", start_h=1.0, duration_h=3.3)
CROWDED = tuple(Dose((2.0 + k * 0.11) / 24.0, "paclitaxel", 1.0 + k, 0.0) for k in range(3))


def people(count: int) -> list[list[Model]]:
    rng = np.random.default_rng(11)
    factors = np.exp(0.4 * rng.normal(size=(count, 2)))
    return [[EVEROLIMUS._replace(cl=EVEROLIMUS.cl * a, v1=EVEROLIMUS.v1 * b), PACLITAXEL._replace(cl=PACLITAXEL.cl * b)] for a, b in factors]


def both(models: list[list[Model]], arms: list[tuple[Dose, ...]], track_of_row: list[int], grid: Array = GRID) -> Course:
    return course(plan_for(models, arms, grid, track_of_row=track_of_row, drugs=["everolimus", "paclitaxel"]), track_of_row)


def assert_same(found: Course, expected: Course, rows: slice | list[int], drugs: slice = slice(None)) -> None:
    for name, a, b in zip(Course._fields, found, expected, strict=True):
        assert np.array_equal(a, b[:, rows, drugs]), name


ALL_ARMS = [(), ORAL, INFUSED, tuple(sorted(ORAL + INFUSED))]


@pytest.mark.parametrize("row", [0, 1, 6, 22])
def test_subject_alone_is_the_subject_in_a_batch(row: int) -> None:
    models, arms = people(23), [k % 4 for k in range(23)]
    assert_same(both([models[row]], [ALL_ARMS[arms[row]]], [0]), both(models, ALL_ARMS, arms), [row])


def test_added_and_reordered_arms_change_nothing() -> None:
    models, arms = people(8), [k % 4 for k in range(8)]
    before = both(models, ALL_ARMS, arms)
    assert_same(both(models, [*ALL_ARMS, CROWDED], arms), before, slice(None))
    assert_same(both(models, [CROWDED, *ALL_ARMS[::-1]], [4 - arm for arm in arms]), before, slice(None))


def test_a_drug_that_is_not_given_changes_nothing() -> None:
    models = people(5)
    alone = course(plan_for([row[:1] for row in models], [ORAL], GRID, track_of_row=[0] * 5, drugs=["everolimus"]), [0] * 5)
    assert_same(alone, both(models, [ORAL], [0] * 5), slice(None), slice(0, 1))
    assert_same(alone, both(models, [tuple(sorted(ORAL + CROWDED))], [0] * 5), slice(None), slice(0, 1))
    absent = both(models, [ORAL], [0] * 5)
    assert not np.any(absent.state[:, :, 1])
    assert not np.any(absent.mean[:, :, 1])


def test_unused_capacity_of_the_plan_changes_nothing() -> None:
    models, arms = people(4), [0, 1, 2, 3]
    plan = plan_for(models, ALL_ARMS, GRID, track_of_row=arms, drugs=["everolimus", "paclitaxel"])
    wide = course(padded(plan), arms)
    expected = course(plan, arms)
    for name, found, part in zip(Course._fields, wide, expected, strict=True):
        assert np.array_equal(found[: len(part)], part), name


def test_a_closed_gate_is_the_same_as_no_dose() -> None:
    models = people(3)
    late = [tuple(dose for dose in ALL_ARMS[3] if dose.time_days > 0.0)]
    plan = plan_for(models, late, GRID, track_of_row=[0] * 3, drugs=["everolimus", "paclitaxel"])
    shut = course(plan, [0] * 3, gate=0.0)
    assert not np.any(shut.state)
    assert not np.any(shut.dosed)
    open_ = course(plan, [0] * 3)
    np.testing.assert_allclose(course(plan, [0] * 3, gate=0.5).conc, 0.5 * open_.conc, rtol=1e-15)


def test_longer_follow_up_changes_nothing_before() -> None:
    models = people(2)
    for dt in (1.0, 1.0 / 3.0):
        short, long = np.arange(0, round(48.0 / dt) + 1) * dt, np.arange(0, round(480.0 / dt) + 1) * dt
        before, after = both(models, [ALL_ARMS[3]], [0, 0], short), both(models, [ALL_ARMS[3]], [0, 0], long)
        assert np.array_equal(before.state, after.state[: len(short)]), dt


def test_no_drugs_at_all() -> None:
    empty = course(plan_for([[], []], [(), ()], GRID, track_of_row=[0, 1], drugs=[]), [0, 1])
    assert empty.conc.shape == (len(GRID), 2, 0)


def test_row_axes_are_declared_for_every_array() -> None:
    models, arms = people(7), [k % 4 for k in range(7)]
    plan = plan_for(models, ALL_ARMS, GRID, track_of_row=arms, drugs=["everolimus", "paclitaxel"])
    assert set(ROW_AXIS) == set(ExposurePlan.__dataclass_fields__)
    for name, axis in ROW_AXIS.items():
        array = getattr(plan, name)
        assert (7 in array.shape) == (axis is not None), name
        assert axis is None or array.shape[axis] == 7, name


def test_the_step_counter_is_traced_and_numbers_never_recompile() -> None:
    traces = 0

    @jax.jit
    def step(state: jax.Array, plan: ExposurePlan, k: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return advance_exposure(state, plan, k, jnp.zeros(1, dtype=jnp.int32), jnp.ones((1, 1))).end_nm

    for model in (VENETOCLAX, EVEROLIMUS._replace(lag=0.5)):
        plan = jax.tree.map(jnp.asarray, plan_for([[model]], [every(24.0, 3, 1.0)], GRID, track_of_row=[0], drugs=["drug"]))
        for k in range(3):
            step(plan.initial_state, plan, jnp.asarray(k))
    assert traces == 1


def test_single_precision_is_refused() -> None:
    plan = plan_for([[EVEROLIMUS]], [()], GRID, track_of_row=[0], drugs=["drug"])
    with pytest.raises(TypeError, match="float64"):
        advance_exposure(jnp.zeros((1, 1, 3), dtype=jnp.float32), plan, 0, jnp.zeros(1, dtype=jnp.int32), jnp.ones((1, 1)))


def test_unknown_drug_and_unequal_lags_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown drug 'everolimux'.*everolimus"):
        plan_for([[EVEROLIMUS]], [every(24.0, 1, 1.0, drug="everolimux")], GRID, track_of_row=[0], drugs=["everolimus"])
    with pytest.raises(ValueError, match="lag"):
        plan_for([[EVEROLIMUS], [EVEROLIMUS._replace(lag=1.0)]], [()], GRID, track_of_row=[0, 0], drugs=["everolimus"])
