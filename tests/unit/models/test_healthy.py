"""Healthy lineages: balance of flows, no drift at rest, competence that stays in the line, agreement with one cell at a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.biology.haematopoiesis import TRANSIT_STAGES
from abm.cells import Drive
from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, competence_levels, deal, healthy_at_rest, healthy_params, strata_normals
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.parameters.cell import Cell
from abm.parameters.drug import Cytotoxic, Drug, Targets
from abm.records import enable_pytrees
from tests.reference_lineage import simulate_lineage
from tests.reference_machinery import constant
from tests.reference_parameters import changed, parameters

enable_pytrees()
GIVEN = parameters()
CELL = cell_params(GIVEN.cell)
ROWS, STRATA = 32, 16
REFERENCES = 40
VOLUME, BLOOD = 2e-7, 200.0  # litres, neutrophils in balance
POISON = Cytotoxic(max_per_day=2.0, ec50_nm=1.0, hill=1.0, quiescent_factor=1.0, progenitor_factor=0.5)


def row_drive(rows: int, **values: float) -> Drive:
    """Action on all rows, nothing unless given."""
    neutral = dict.fromkeys(Drive._fields, 0.0) | {"bim_fold": 1.0} | values
    return Drive(**{name: jnp.full((rows, 1), x, jnp.float32) for name, x in neutral.items()})


@jax.jit
def _run(state: HealthyState, params: HealthyParams, cell: Cell, drive: Drive, crowd: jax.Array, draws: tuple[Any, Any], steps: Any, h: Any) -> HealthyState:
    """State after the draws of a range, with `steps` steps of `h` days before each; one program for all calendars."""
    rows = state.blood.shape[0]
    subject = jnp.arange(rows, dtype=jnp.uint32), jnp.full(rows, 7, jnp.uint32)

    def one(k: jax.Array, s: HealthyState) -> HealthyState:
        s = jax.lax.fori_loop(0, steps, lambda _, at: advance_healthy(at, params, cell, drive, crowd, h), s)
        return draw_healthy(s, params, cell.amounts, subject, 2, k.astype(jnp.uint32))

    after: HealthyState = jax.lax.fori_loop(*draws, one, state)
    return after


def run(
    state: HealthyState, params: HealthyParams, days: int, drive: Drive | None = None, crowd: float = 1.0, first: int = 0, per_day: int = 4
) -> HealthyState:
    """State after `days` from day `first` in one-hour steps with `per_day` draws a day."""
    rows = state.blood.shape[0]
    drive = row_drive(rows) if drive is None else drive
    steps = max(24 // per_day, 1)
    draws = np.int32(first * per_day), np.int32((first + days) * per_day)
    return _run(state, params, CELL, drive, jnp.full((rows, 1), crowd), draws, np.int32(steps), np.float64(1.0 / (per_day * steps)))


def numbers(**values: float) -> HealthyParams:
    """One lineage of neutrophils."""
    return healthy_params({"neutrophils": changed(GIVEN, **values).lineage}, CELL, VOLUME, STRATA)


def stages(state: HealthyState) -> np.ndarray:
    """Cells (rows, stages): progenitors, three transit stages, blood."""
    joined = [np.asarray(state.progenitors).sum(2), *np.moveaxis(np.asarray(state.transit), 2, 0), np.asarray(state.blood).sum(2)]
    return np.stack([x[:, 0] for x in joined], axis=1)


def books_balance(start: HealthyState, end: HealthyState) -> bool:
    """Whether every stage of every row is accounted for, to the cell."""
    cells = [np.stack([np.asarray(x).sum(axis=2) for x in (s.progenitors, s.transit, s.blood)], axis=2) for s in (start, end)]
    books = [np.asarray(getattr(end, n)) - np.asarray(getattr(start, n)) for n in ("births", "deaths", "gained", "lost")]
    return np.array_equal(cells[0] + books[0] - books[1] + books[2] - books[3], cells[1])


def test_flows_balance_at_rest() -> None:
    p, lineage = numbers(), GIVEN.lineage
    blood, k = float(p.baseline[0, 0]), float(p.k_tr[0, 0])
    production = float(p.at_rest[0, 0]) * k * lineage.yield_per_cell
    assert production == pytest.approx(blood / lineage.blood_life_days)
    state = healthy_at_rest(p, CELL, 2, STRATA)
    assert np.asarray(state.blood).sum(2) == pytest.approx(blood)
    assert np.asarray(state.transit)[0, 0].tolist() == [np.rint(float(p.at_rest[0, 0]))] * TRANSIT_STAGES


def test_no_drift_over_two_years() -> None:
    """Mean of 32 subjects over the last 600 days against the balance; whole cells only."""
    p = numbers()
    state = start = healthy_at_rest(p, CELL, ROWS, STRATA)
    seen = []
    for day in range(0, 730, 10):
        state = run(state, p, 10, first=day)
        if day >= 130:
            seen.append(stages(state))
    assert books_balance(start, state)
    by_row = np.mean(seen, axis=0)
    rest = stages(start)[0]
    z = (by_row.mean(0) - rest) / (by_row.std(0, ddof=1) / np.sqrt(ROWS))
    # Noise in a nonlinear feedback moves the mean a little: 0.5 % is allowed beyond 5 standard errors.
    assert np.all(np.abs(by_row.mean(0) / rest - 1.0) < 0.005 + 5.0 * by_row.std(0, ddof=1) / np.sqrt(ROWS) / rest), z
    assert np.array_equal(stages(state), np.rint(stages(state)))


def test_recovers_after_a_loss() -> None:
    p = numbers()
    rest = healthy_at_rest(p, CELL, ROWS, STRATA)
    low = rest._replace(progenitors=jnp.floor(rest.progenitors / 4.0), blood=jnp.floor(rest.blood / 4.0))
    after = stages(run(low, p, 30)).mean(0)
    assert np.all(after > 0.85 * stages(rest)[0])


def test_crowding_lowers_production() -> None:
    p = numbers()
    rest = healthy_at_rest(p, CELL, ROWS, STRATA)
    assert stages(run(rest, p, 20, crowd=0.5)).mean(0)[-1] < 0.8 * stages(rest)[0, -1]


def test_strata_stand_in_levels_of_competence() -> None:
    for strata in (1, 2, 4, 16, 36, 64):
        z, levels = strata_normals(strata), competence_levels(strata)
        assert z.shape == (7, strata)
        assert strata % levels == 0
        assert len(np.unique(z[6])) == levels
        assert np.all(np.diff(z[6]) >= 0.0)
        assert abs(z[6].mean()) < 1e-6
    # The bins of the competence keep most of its variance; the other normals are spread as before.
    assert strata_normals(16)[6].var() == pytest.approx(0.86, abs=0.01)
    assert strata_normals(64)[:6].var(axis=1) == pytest.approx(np.ones(6), abs=0.12)


def test_redraw_keeps_the_competence() -> None:
    """Without cells from stem cells a lineage that starts at one level stays there, spread over the level."""
    p = numbers(lineage__upstream_fraction=0.0)
    rest = healthy_at_rest(p, CELL, ROWS, STRATA)
    only = jnp.zeros_like(rest.progenitors).at[:, :, 12].set(640.0)
    progenitors = np.asarray(run(rest._replace(progenitors=only), p, 6).progenitors)[:, 0]
    assert progenitors[:, :12].sum() == 0.0
    assert np.all(progenitors[:, 13:].sum(axis=0) > 0.0)


@pytest.mark.parametrize("total", [0.0, 1.0, 17.0, 1e6, 1e10, 2.0**40])
@pytest.mark.parametrize("offset", [0.0, 0.3, float(np.float32(1.0 - 2.0**-24))])
def test_dealing_keeps_every_cell(total: float, offset: float) -> None:
    for strata in (1, 4, 12, 16):
        dealt = np.asarray(deal(jnp.array([[total]]), strata, jnp.array([[offset]])))
        assert dealt.sum() == total
        assert dealt.max() - dealt.min() <= 2.0


@pytest.mark.parametrize("per_day", [2, 24])
@pytest.mark.parametrize("drugged", [False, True])
def test_agrees_with_one_cell_at_a_time(drugged: bool, per_day: int) -> None:
    """Means over six days against the reference of one lineage: at rest, and with a cytotoxic hazard of 0.5 1/d, half of what leukaemic cells feel,
    and a feedback of the progenitors' own."""
    days = [0.0, 2.0, 6.0]
    kill = Targets(bh3=None, mtorc1=None, stress=None, bim=None, cytotoxic=POISON)
    drug = Drug(label="x", matrix="plasma", molar_mass_g_per_mol=1.0, pharmacokinetics={}, targets=kill)
    niche = {"lineage__niche_exponent": 0.3} if drugged else {}
    given = dataclasses.replace(changed(GIVEN, **niche), drugs={"x": drug})
    exposure = constant(x=1.0 if drugged else 0.0)
    path = simulate_lineage(given, exposure, baseline_cells=BLOOD, subjects=REFERENCES, times_days=days, seed=4, step_hours=1.0)
    p = numbers(**niche)
    state = healthy_at_rest(p, CELL, ROWS, STRATA)
    drive = row_drive(ROWS, cytotoxic_cycling=1.0, progenitor_excess=-0.5) if drugged else row_drive(ROWS)
    for i in range(1, len(days)):
        state = run(state, p, int(days[i] - days[i - 1]), drive, first=int(days[i - 1]), per_day=per_day)
        ours, theirs = stages(state), path.count[i].astype(float)
        se = np.sqrt(ours.var(0, ddof=1) / ROWS + theirs.var(0, ddof=1) / REFERENCES)
        assert np.all(np.abs(ours.mean(0) - theirs.mean(0)) < 4.5 * se + 0.01 * theirs.mean(0)), (days[i], ours.mean(0), theirs.mean(0))
        ratio = np.log(ours.std(0, ddof=1) / theirs.std(0, ddof=1))
        assert np.all(np.abs(ratio) < 4.5 * np.sqrt(0.5 / (ROWS - 1) + 0.5 / (REFERENCES - 1))), days[i]
