"""Grafts: cells are dealt and booked to the last one, and an emptied marrow lives again when the clinic says."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.models.grafts import Graft, engraft, graft_of
from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, healthy_at_rest, healthy_params, marrow_at_rest
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.records import enable_pytrees
from tests.unit.endpoints.test_blood_toxicity import everything
from tests.unit.models.test_healthy import books_balance, row_drive

enable_pytrees()
ROWS, STRATA, PER_DAY, DAYS = 4, 4, 2, 60
VOLUME = 5.0
CELL = cell_params(everything().cell)
LINEAGES = {name: everything().lineages[name] for name in ("human_neutrophil", "human_platelet")}
AT_REST = np.array(marrow_at_rest(list(LINEAGES.values()), VOLUME))
GRAFT = everything().products["stem_cell_graft"]


def numbers() -> HealthyParams:
    return healthy_params(LINEAGES, CELL, VOLUME, STRATA, everything().stem_cells["human"])


def emptied() -> HealthyState:
    """Nothing left in marrow and blood but a hundredth of the maturing cells, as after conditioning; nothing booked."""
    rest: Any = jax.tree.map(np.asarray, healthy_at_rest(numbers(), CELL, ROWS, STRATA))
    none = np.zeros_like(rest.progenitors)
    few = np.floor(rest.transit / 100.0)
    return rest._replace(progenitors=none, blood=none, transit=few, span=rest.span._replace(transit=few), stem=rest.stem._replace(cells=rest.stem.cells * 0.0))


@jax.jit
def _run(state: HealthyState, params: HealthyParams) -> tuple[HealthyState, jax.Array]:
    """(state at the end, blood cells after every day (days, rows, lineages))."""
    subject = jnp.arange(ROWS, dtype=jnp.uint32), jnp.full(ROWS, 7, jnp.uint32)
    h, crowd = jnp.float64(1.0 / (12 * PER_DAY)), jnp.ones((ROWS, 1))

    def draw(k: jax.Array, s: HealthyState) -> HealthyState:
        s = jax.lax.fori_loop(0, 12, lambda _, x: advance_healthy(x, params, CELL, row_drive(ROWS), crowd, h), s)
        return draw_healthy(s, params, CELL.amounts, subject, jnp.uint32(2), k.astype(jnp.uint32))

    def day(s: HealthyState, d: jax.Array) -> tuple[HealthyState, jax.Array]:
        s = jax.lax.fori_loop(d * PER_DAY, (d + 1) * PER_DAY, draw, s)
        return s, jnp.sum(s.blood, axis=2)

    return jax.lax.scan(day, state, jnp.arange(DAYS))


@functools.cache
def course(units: float) -> tuple[HealthyState, np.ndarray]:
    """(state after the last day, counts over those of a healthy subject), after conditioning and units of a graft."""
    start = engraft(emptied(), [graft_of(GRAFT, units, row) for row in range(ROWS)], AT_REST) if units else emptied()
    end, blood = _run(start, numbers())
    return end, np.asarray(blood) / np.asarray(numbers().baseline)


def test_cells_of_a_graft_are_dealt_whole_and_booked_in_their_row_alone() -> None:
    before = emptied()
    after = engraft(before, [Graft(1, 1001.0, 70003.0), Graft(1, 4.0, 0.0)], AT_REST)
    progenitors, stem = np.asarray(after.progenitors).sum(axis=2), np.asarray(after.stem.cells).sum(axis=(1, 2))
    assert progenitors[1].sum() == 70003.0
    assert stem.tolist() == [0.0, 1005.0, 0.0, 0.0]
    np.testing.assert_allclose(progenitors[1] / 70003.0, AT_REST / AT_REST.sum(), atol=1e-4)
    assert progenitors[[0, 2, 3]].sum() == 0.0
    assert np.array_equal(np.asarray(after.gained)[:, :, 0], progenitors)
    assert np.array_equal(np.asarray(after.stem.gained), stem)
    assert np.ptp(np.asarray(after.stem.cells)[1, 0]) <= 2.0
    assert np.asarray(before.progenitors).sum() == np.asarray(before.stem.gained).sum() == 0.0


def test_a_unit_brings_what_its_product_says() -> None:
    given = graft_of(GRAFT, 0.5, 3)
    assert given == Graft(3, 0.5 * GRAFT.cells_per_unit * GRAFT.recovery, 0.5 * GRAFT.progenitors_per_unit * GRAFT.recovery)


def test_counts_come_back_as_after_published_grafts_and_not_without_one() -> None:
    """Champlin 2000, Blood 95:3702: neutrophils at 0.5e9/L on day 14, platelets at 20e9/L on day 18, mostly under methotrexate, which is not given here."""
    counts = course(1.0)[1].mean(axis=1)
    neutrophils, platelets = counts[:, 0] * LINEAGES["human_neutrophil"].baseline, counts[:, 1] * LINEAGES["human_platelet"].baseline
    assert 8.0 <= 1.0 + np.argmax(neutrophils >= 0.5) <= 20.0
    assert 8.0 <= 1.0 + np.argmax(platelets >= 20.0) <= 27.0
    assert course(0.0)[1][-1].max() < 1e-3


def test_books_balance_through_a_graft() -> None:
    start = engraft(emptied(), [graft_of(GRAFT, 1.0, row) for row in range(ROWS)], AT_REST)
    end = course(1.0)[0]
    assert books_balance(start, end)
    stem = end.stem
    assert np.array_equal(np.asarray(stem.cells).sum(axis=(1, 2)), np.asarray(stem.births - stem.deaths + stem.gained - stem.lost))
    assert (np.asarray(stem.gained) == np.asarray(start.stem.gained)).all()
