"""Transfused cells and growth factors: books to the cell, life of donors' cells, feedback, what a growth factor does to a count."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from abm.cells import Drive
from abm.models.donors import DonorCells, Gift, cells_of, donor_params, draw_donors, give, lineage_of, no_donors
from abm.models.growth_factors import GrowthFolds, fold_felt, growth_folds
from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, healthy_at_rest, healthy_params
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.parameters.experiment import Experiment
from abm.records import enable_pytrees
from tests import false_alarm
from tests.small_trial import shipped

enable_pytrees()
STRATA, ROWS = 4, 8
VOLUME = 5.0
NAMES = ("human_platelet", "human_neutrophil")


def everything() -> Experiment:
    return shipped("+arms.supported={regimen: relapsed_venetoclax_chemotherapy_supported}", "host=patient_adult", "arms=none")


CELL = cell_params(everything().cell)
LINEAGES = {name: everything().lineages[name] for name in NAMES}
PLATELETS = everything().products["platelets"]


def numbers(growth: bool = False) -> HealthyParams:
    """Platelets and neutrophils, with donors; with filgrastim where asked for."""
    folds = growth_folds(everything().drugs, ["filgrastim"], LINEAGES) if growth else ()
    params = healthy_params(LINEAGES, CELL, VOLUME, STRATA)
    return params._replace(donors=donor_params([PLATELETS], LINEAGES), growth=folds)


@jax.jit
def _run(state: HealthyState, donors: DonorCells, params: HealthyParams, effect: jax.Array, days: jax.Array) -> tuple[HealthyState, DonorCells]:
    """State after `days` in steps of 2 h, drawn every 12 h; `effect` of the growth factor, (rows, 1)."""
    nothing = dict.fromkeys(Drive._fields, jnp.zeros((ROWS, 1), jnp.float32)) | {"bim_fold": jnp.ones((ROWS, 1), jnp.float32)}
    drive = Drive(**nothing)._replace(growth_effect=effect)
    subject, phase = (jnp.arange(ROWS, dtype=jnp.uint32), jnp.full(ROWS, 3, jnp.uint32)), jnp.uint32(2)
    h, crowd = jnp.float64(1.0 / 12.0), jnp.ones((ROWS, 1))

    def one(k: jax.Array, both: tuple[HealthyState, DonorCells]) -> tuple[HealthyState, DonorCells]:
        own, other = both
        own = jax.lax.fori_loop(0, 6, lambda _, s: advance_healthy(s, params, CELL, drive, crowd, h, other), own)
        step = k.astype(jnp.uint32)
        return draw_healthy(own, params, CELL.amounts, subject, phase, step), draw_donors(other, own.span, params.donors, subject, phase, step)

    return jax.lax.fori_loop(0, 2 * days, one, (state, donors))


@functools.cache
def course(units: float = 0.0, effect: float = 0.0, days: int = 8) -> tuple[HealthyState, DonorCells, DonorCells]:
    """(own cells, donors' cells) after some days, and donors' cells at the start, on one compiled program."""
    params = numbers(growth=True)
    gifts = [Gift(row, lineage_of(PLATELETS, LINEAGES), cells_of(PLATELETS, units)) for row in range(ROWS)]
    start = give(no_donors(ROWS, len(LINEAGES), STRATA), gifts)
    own, donors = _run(healthy_at_rest(params, CELL, ROWS, STRATA), start, params, jnp.full((ROWS, 1), effect), jnp.int32(days))
    return own, donors, start


def blood(state: HealthyState, lineage: int) -> np.ndarray:
    return np.asarray(state.blood)[:, lineage].sum(axis=1)


def test_units_enter_as_whole_cells_and_every_one_is_booked() -> None:
    _, donors, start = course(units=2.0)
    given = np.rint(2.0 * PLATELETS.cells_per_unit * PLATELETS.recovery)
    assert np.array_equal(start.cells.sum(axis=2), np.tile([given, 0.0], (ROWS, 1)))
    assert np.array_equal(np.asarray(donors.cells).sum(axis=2), np.asarray(donors.given) - np.asarray(donors.died))
    assert np.array_equal(np.asarray(donors.cells), np.rint(np.asarray(donors.cells)))
    assert np.asarray(donors.cells).min() >= 0


def test_donors_cells_live_as_long_as_their_product_says() -> None:
    """The share alive after t days is exp(-t / life), exactly: nothing else kills them here."""
    _, donors, start = course(units=1e-8)
    alive, given = np.asarray(donors.cells)[:, 0].sum(), start.cells[:, 0].sum()
    false_alarm.proportion(int(alive), int(given), float(np.exp(-8.0 / PLATELETS.life_days)))


def test_a_transfusion_dampens_own_production_and_touches_no_other_lineage() -> None:
    with_units, without = course(units=4.0)[0], course()[0]
    assert (np.asarray(with_units.births)[:, 0, 0] < np.asarray(without.births)[:, 0, 0]).all()
    assert np.array_equal(blood(with_units, 1), blood(without, 1))


def test_what_is_not_used_changes_no_bit() -> None:
    """Donors of nothing and a growth factor that is not there give what the plain model gives."""
    plain = healthy_params(LINEAGES, CELL, VOLUME, STRATA)
    params = plain._replace(donors=numbers().donors)
    start = no_donors(ROWS, len(LINEAGES), STRATA)
    own = _run(healthy_at_rest(params, CELL, ROWS, STRATA), start, params, jnp.zeros((ROWS, 1)), jnp.int32(8))[0]
    for name in ("progenitors", "transit", "blood", "births", "deaths"):
        assert np.array_equal(np.asarray(getattr(own, name)), np.asarray(getattr(course()[0], name))), name


def test_a_growth_factor_raises_its_own_count_and_no_other() -> None:
    """Label doses keep most of the effect: neutrophils of a healthy adult rise three- to sixfold in two weeks."""
    treated, untreated = course(effect=0.75, days=14)[0], course(days=14)[0]
    fold = blood(treated, 1).sum() / blood(untreated, 1).sum()
    assert 3.0 < fold < 6.0
    assert np.array_equal(blood(treated, 0), blood(untreated, 0))


def test_a_growth_factor_empties_maturing_cells_into_the_blood_first() -> None:
    """Within a day production cannot have grown: what is gained in blood is lost by the stages."""
    treated, untreated = course(effect=1.0, days=1)[0], course(days=1)[0]
    assert blood(treated, 1).sum() > 1.3 * blood(untreated, 1).sum()
    assert np.asarray(treated.transit)[:, 1].sum() < 0.9 * np.asarray(untreated.transit)[:, 1].sum()


def test_folds_multiply_and_an_absent_drug_is_one() -> None:
    folds = GrowthFolds(np.array([[0.5, 0.0], [1.0, 0.25]]), np.zeros((2, 2)))
    felt = np.asarray(fold_felt(folds.division, jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]])))
    assert felt.tolist() == [[1.0, 1.0], [1.5, 1.0], [2.25, 1.125]]
    assert growth_folds(everything().drugs, ["venetoclax"], LINEAGES) == ()
