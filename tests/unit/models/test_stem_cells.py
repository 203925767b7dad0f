"""Stem cells: at rest they feed as if there were none, every cell is accounted for, and a loss is made good slowly."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from abm.config.build import build
from abm.config.compose import compose
from abm.config.cross_checks import cross_check
from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, healthy_at_rest, healthy_params
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.parameters.cell import Cell
from abm.parameters.stem_cell import StemCells
from abm.records import enable_pytrees
from tests.reference_parameters import parameters
from tests.unit.endpoints.test_blood_toxicity import everything
from tests.unit.models.test_healthy import books_balance, row_drive

enable_pytrees()
ROWS, STRATA, PER_DAY = 8, 4, 2
DAYS = 365
advance = jax.jit(advance_healthy)
CELL = cell_params(parameters().cell)


def pool() -> StemCells:
    """Human stem cells that cytotoxic drugs hit hard enough for their loss to be seen."""
    return dataclasses.replace(everything().stem_cells["human"], cytotoxic_factor=0.3)


def numbers(stem_cells: StemCells | None) -> HealthyParams:
    return healthy_params({"neutrophils": everything().lineages["human_neutrophil"]}, CELL, 5.0, STRATA, stem_cells)


@jax.jit
def run(state: HealthyState, params: HealthyParams, cell: Cell, kill_days: jax.Array) -> tuple[HealthyState, jax.Array, jax.Array]:
    """(state, stem cells, neutrophils) at the end and after every day; a cytotoxic hazard of 2 1/d acts on the first `kill_days`."""
    rows = state.blood.shape[0]
    subject = jnp.arange(rows, dtype=jnp.uint32), jnp.full(rows, 7, jnp.uint32)
    h, crowd = jnp.float64(1.0 / PER_DAY), jnp.ones((rows, 1))

    def one(k: jax.Array, s: HealthyState) -> HealthyState:
        hazard = jnp.where(k < kill_days * PER_DAY, np.float32(2.0), np.float32(0.0))
        drive = row_drive(rows)._replace(cytotoxic_cycling=jnp.full((rows, 1), hazard), cytotoxic_quiescent=jnp.full((rows, 1), 0.3 * hazard, jnp.float32))
        return draw_healthy(advance_healthy(s, params, cell, drive, crowd, h), params, cell.amounts, subject, jnp.uint32(2), k.astype(jnp.uint32))

    def day(s: HealthyState, d: jax.Array) -> tuple[HealthyState, tuple[jax.Array, jax.Array]]:
        s = jax.lax.fori_loop(d * PER_DAY, (d + 1) * PER_DAY, one, s)
        return s, (jnp.sum(s.stem.cells, axis=(1, 2)), jnp.sum(s.blood, axis=(1, 2)))

    end, (stem, blood) = jax.lax.scan(day, state, jnp.arange(DAYS))
    return end, stem, blood


def test_at_rest_lineages_are_fed_as_without_stem_cells() -> None:
    with_pool, without = (healthy_at_rest(numbers(p), CELL, 2, STRATA) for p in (pool(), None))
    assert float(with_pool.stem.cells.sum(axis=(1, 2))[0]) == pool().cells
    one, h = jnp.ones((2, 1)), jnp.float64(0.01)
    after = advance(with_pool, numbers(pool()), CELL, row_drive(2), one, h)
    plain = advance(without, numbers(None), CELL, row_drive(2), one, h)
    assert plain.stem == ()
    np.testing.assert_allclose(np.asarray(after.span.production), np.asarray(plain.span.production), rtol=1e-4)
    np.testing.assert_array_equal(np.asarray(after.span.law.x), np.asarray(plain.span.law.x))


def test_a_year_at_rest() -> None:
    """The pool stays within 5 standard deviations 1 / sqrt(gamma N) of its size; every stem cell is accounted for."""
    params = numbers(pool())
    start = healthy_at_rest(params, CELL, ROWS, STRATA)
    end, stem, blood = run(start, params, CELL, jnp.int64(0))
    n = pool().cells
    assert np.abs(np.asarray(stem) / n - 1.0).max() < 5.0 / np.sqrt(pool().feedback_exponent * n)
    assert np.abs(np.asarray(stem[-100:]).mean() / n - 1.0) < 0.005
    assert np.abs(np.asarray(blood[-100:]).mean() / float(params.baseline[0, 0]) - 1.0) < 0.005
    state = end.stem
    change = np.asarray(state.births) - np.asarray(state.deaths) - np.asarray(state.lost)
    np.testing.assert_array_equal(np.asarray(state.cells).sum(axis=(1, 2)) - n, change)
    assert float(np.asarray(state.deaths).max()) == 0.0
    assert np.asarray(state.births).mean() == pytest.approx(n * DAYS / pool().division_interval_days, rel=0.02)
    assert books_balance(start, end)


def test_chemotherapy_costs_stem_cells_and_recovery_takes_longer() -> None:
    """Against the mean-field equation of the pool; neutrophils recover later than with a pool that is spared."""
    params, killing = numbers(pool()), 10
    rest = healthy_at_rest(params, CELL, ROWS, STRATA)
    _, stem, blood = run(rest, params, CELL, jnp.int64(killing))
    _, _, fed = run(rest, numbers(dataclasses.replace(pool(), cytotoxic_factor=0.0)), CELL, jnp.int64(killing))
    hazard, cut = 1.0 / pool().division_interval_days, 0.6 * pool().cytotoxic_factor

    def slope(day: float, n: np.ndarray) -> np.ndarray:
        factor = np.minimum(n ** (-pool().feedback_exponent), pool().feedback_max)
        return n * (hazard * (factor - 1.0) - (cut if day < killing else 0.0))

    path = solve_ivp(slope, (0.0, DAYS), [1.0], t_eval=np.arange(1.0, DAYS + 1.0), max_step=0.5, rtol=1e-8).y[0]
    seen = np.asarray(stem).mean(axis=1) / pool().cells
    assert seen.min() < 0.25
    np.testing.assert_allclose(seen, path, rtol=0.03)
    baseline = float(params.baseline[0, 0])
    pool_course, fed_course = (np.asarray(x).mean(axis=1) / baseline for x in (blood, fed))
    late = slice(60, 120)
    assert pool_course[late].mean() < fed_course[late].mean() - 0.01


def test_mice_are_fed_at_a_constant_rate_unless_asked_for() -> None:
    assert build(compose([])).stem_cells == {}
    assert list(build(compose(["stem_cells.mouse.followed=true"])).stem_cells) == ["mouse"]


def test_two_pools_of_one_species_are_refused() -> None:
    problems: list[str] = []
    mouse = dataclasses.replace(everything().stem_cells["mouse"], followed=True)
    cross_check(dataclasses.replace(everything(), stem_cells={"one": mouse, "two": mouse}), problems)
    assert len(problems) == 1
    assert "one, two" in problems[0]
