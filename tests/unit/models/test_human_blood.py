"""Human lineages in packets: counts up to 2.5e13 are whole, every cell is accounted for, two years without drift."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, deal, healthy_at_rest, healthy_params
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.parameters.cell import Cell
from abm.records import enable_pytrees
from tests.reference_parameters import parameters
from tests.unit.endpoints.test_blood_toxicity import of_species
from tests.unit.models.test_healthy import books_balance, row_drive

enable_pytrees()
ROWS, STRATA, LITRES = 2, 4, 5.0
DAYS = 730
advance = jax.jit(advance_healthy)


@functools.partial(jax.jit, static_argnums=(4, 5))
def run(state: HealthyState, params: HealthyParams, cell: Cell, crowd: jax.Array, days: int, draws_per_day: int) -> tuple[HealthyState, jax.Array]:
    """State after `days` in steps that are drawn each, and blood cells (days, rows, lineages)."""
    subject = jnp.arange(ROWS, dtype=jnp.uint32), jnp.full(ROWS, 7, jnp.uint32)
    h, drive = jnp.float64(1.0 / draws_per_day), row_drive(ROWS)

    def one(k: jax.Array, s: HealthyState) -> HealthyState:
        return draw_healthy(advance_healthy(s, params, cell, drive, crowd, h), params, cell.amounts, subject, jnp.uint32(2), k.astype(jnp.uint32))

    def day(s: HealthyState, d: jax.Array) -> tuple[HealthyState, jax.Array]:
        s = jax.lax.fori_loop(d * draws_per_day, (d + 1) * draws_per_day, one, s)
        return s, jnp.sum(s.blood, axis=2)

    return jax.lax.scan(day, state, jnp.arange(days))


@pytest.mark.parametrize("total", [2.45e13, 2.55e13 + 1.0, 7.1e11])
def test_dealing_keeps_every_erythrocyte(total: float) -> None:
    dealt = np.asarray(deal(jnp.array([[total]]), 12, jnp.array([[0.3]])))
    assert dealt.sum() == total
    assert dealt.max() - dealt.min() <= 2.0


def test_no_drift_in_two_years_and_every_cell_is_accounted_for() -> None:
    """Steps of 6 h; the fewest cells, of the megakaryocytes, wander by 2e-4. 0.2 % is allowed."""
    lineages = of_species("human")
    cell = cell_params(parameters().cell)
    params = healthy_params(lineages, cell, LITRES, STRATA)
    start = healthy_at_rest(params, cell, ROWS, STRATA)
    end, blood = run(start, params, cell, jnp.ones((ROWS, 1)), DAYS, 4)
    assert books_balance(start, end)
    for field in (end.progenitors, end.transit, end.blood, end.births, end.lost):
        values = np.asarray(field)
        assert np.array_equal(values, np.rint(values))
        assert values.max() < 2.0**53
    drift = np.abs(np.asarray(blood) / np.asarray(params.baseline) - 1.0)
    print(dict(zip(lineages, drift.max(axis=(0, 1)).tolist(), strict=True)))
    assert drift.max() < 0.002
    daily = np.asarray(end.gained)[:, :, 2].mean(axis=0) / DAYS
    turnover = [x.baseline * x.cells_per_unit * LITRES / x.circulating_fraction / x.blood_life_days for x in lineages.values()]
    assert daily == pytest.approx(turnover, rel=0.005)


def test_glucocorticoids_take_lymphocytes_and_spare_the_others() -> None:
    """A five-fold induction of BIM for four days."""
    lineages = of_species("human")
    cell = cell_params(parameters().cell)
    params = healthy_params(lineages, cell, LITRES, STRATA)
    state = healthy_at_rest(params, cell, ROWS, STRATA)
    drive = row_drive(ROWS, bim_fold=5.0)
    for _ in range(4):
        state = advance(state, params, cell, drive, jnp.ones((ROWS, 1)), jnp.float64(1.0))
    exposure = np.asarray(state.span.killed).max(axis=(0, 2)) + np.asarray(state.span.blood_exposure).max(axis=(0, 2)) - 4.0 / np.asarray(params.life)[0]
    for name, value in zip(lineages, exposure, strict=True):
        assert (value > 0.1) == name.endswith("lymphocyte"), (name, value)
