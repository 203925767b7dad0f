"""Supportive care in a trial: transfusions and growth factors are events, their cells are in the books, and nobody else notices."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from abm.errors import Stopped
from abm.output.result import RunResult
from tests.unit.studies.test_visits import ALWAYS, NEVER, REGIMENS, assert_same_arms, run, whole

CELLS, LIFE = 2.0e8, 1.5
MOUSE_KINETICS = (
    "{scaling: per_kg, clearance_l_per_h: 0.036, central_volume_l: 0.15, intercompartmental_l_per_h: 0.0, peripheral_volume_l: 1.0, absorption_per_h: 0.161,"
    " bioavailability: 0.6, lag_h: 0.0, fraction_unbound: 1.0, tissue_factor: 1.0, clearance_cv: 0.0, volume_cv: 0.0}"
)
EXTRA = (
    f"+products.mouse_platelets={{label: Mouse platelets, population: platelets, cells_per_unit: {CELLS}, recovery: 0.5, life_days: {LIFE}}}",
    f"+drugs.filgrastim.pharmacokinetics.mouse={MOUSE_KINETICS}",
)


def transfuse(when: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"when": when, "then": "transfuse", "product": "mouse_platelets", "units": 2.0, **keys}


FILGRASTIM = {"drug": "filgrastim", "day": 0.0, "amount": 0.005, "amount_unit": "mg_per_kg", "additional": 3}
VENETOCLAX = REGIMENS["plain"]["events"]
SUPPORTED: dict[str, dict[str, Any]] = {
    "plain": REGIMENS["plain"],
    "planned": {"label": "Planned", "events": VENETOCLAX, "transfusions": [{"product": "mouse_platelets", "day": 1.0, "units": 2.0, "additional": 1}]},
    "by_rule": {"label": "By rule", "events": VENETOCLAX, "visit_days": [1.0, 2.0, 3.0], "rules": {"low": transfuse(ALWAYS, to_day=2.0)}},
    "not_needed": {"label": "Not needed", "events": VENETOCLAX, "visit_days": [1.0, 2.0], "rules": {"low": transfuse(NEVER)}},
    "late": {"label": "Late", "events": VENETOCLAX, "visit_days": [1.0], "rules": {"low": transfuse(ALWAYS, delay_days=1.0)}},
    "growth": {"label": "Growth factor", "events": [*VENETOCLAX, FILGRASTIM]},
}


@functools.cache
def supported() -> RunResult:
    return run(regimens=SUPPORTED, extra=EXTRA)


def platelets(what: str, arm: str) -> xr.DataArray:
    return supported().series[what].sel(population="platelets", arm=arm).isel(subject=0)


def test_support_changes_no_other_arm_and_costs_an_arm_without_it_no_bit() -> None:
    without_growth_factor = dataclasses.replace(supported(), series=supported().series.sel(drug=["venetoclax"]))
    assert_same_arms(whole(), without_growth_factor, "plain", "plain")
    assert_same_arms(supported(), supported(), "not_needed", "plain")


def test_every_transfusion_is_an_event_with_its_units() -> None:
    events = supported().events
    given = events[events["kind"].str.startswith("transfuse")]
    assert given[["arm", "kind", "time_days", "value"]].values.tolist() == [
        ["planned", "transfuse mouse_platelets", 1.0, 2.0],
        ["by_rule", "transfuse mouse_platelets", 1.0, 2.0],
        ["planned", "transfuse mouse_platelets", 2.0, 2.0],
        ["by_rule", "transfuse mouse_platelets", 2.0, 2.0],
        ["late", "transfuse mouse_platelets", 2.0, 2.0],
    ]


def test_what_is_given_is_gained_to_the_cell_after_the_look() -> None:
    """Until the day of the transfusion the arms are the same; then the books differ by the units, and by production that they dampen."""
    plain, planned = platelets("count", "plain"), platelets("count", "planned")
    assert np.array_equal(plain.sel(time=slice(0.0, 1.0)), planned.sel(time=slice(0.0, 1.0)))
    soon = planned.time.values[planned.time.values > 1.0][0]
    gained = (platelets("gained", "planned") - platelets("gained", "plain")).sel(time=soon).item()
    alive = (planned - plain).sel(time=soon).item()
    assert abs(gained - CELLS) < 0.02 * CELLS
    assert alive == pytest.approx(CELLS * np.exp(-(soon - 1.0) / LIFE), rel=0.03)
    assert_same_arms(supported(), supported(), "by_rule", "planned")


def test_a_growth_factor_acts_through_its_concentration_on_its_own_count() -> None:
    series = supported().series.isel(subject=0, time=-1)
    assert series["concentration"].sel(arm="growth", drug="filgrastim") > 0.0
    assert series["neutrophils"].sel(arm="growth") > 1.2 * series["neutrophils"].sel(arm="plain")
    assert series["platelets"].sel(arm="growth") == series["platelets"].sel(arm="plain")
    assert series["count"].sel(arm="growth", population="leukaemia") == series["count"].sel(arm="plain", population="leukaemia")


def test_a_run_that_was_stopped_between_two_transfusions_continues_to_the_same_bits(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=2, regimens=SUPPORTED, extra=EXTRA)
    continued = run(tmp_path, resume=True, regimens=SUPPORTED, extra=EXTRA)
    for arm in SUPPORTED:
        assert_same_arms(supported(), continued, arm, arm)
    assert continued.events.equals(supported().events)


GRAFTED: dict[str, dict[str, Any]] = {
    "plain": REGIMENS["plain"],
    "grafted": {"label": "Grafted", "events": VENETOCLAX, "transfusions": [{"product": "mouse_marrow", "day": 2.0, "units": 2.0}]},
}
STEM_CELLS, PROGENITORS = 500.0, 3.0e6
MARROW = (
    "stem_cells.mouse.followed=true",
    f"+products.mouse_marrow={{label: Mouse marrow, population: stem_cells, cells_per_unit: {STEM_CELLS}, progenitors_per_unit: {PROGENITORS}, recovery: 0.5}}",
)


def test_a_graft_is_an_event_and_its_cells_are_gained_by_the_marrow() -> None:
    """Until its day the arms are the same; then stem cells and progenitors are more by what settled, and every cell is in the books."""
    result = run(regimens=GRAFTED, extra=MARROW)
    given = result.events[result.events["kind"].str.startswith("transfuse")]
    assert given[["arm", "kind", "time_days", "value"]].values.tolist() == [["grafted", "transfuse mouse_marrow", 2.0, 2.0]]
    plain, grafted = (result.series.sel(arm=arm).isel(subject=0) for arm in ("plain", "grafted"))
    before, after = slice(0.0, 2.0), result.series.time.values[result.series.time.values > 2.0][0]
    assert np.array_equal(plain["count"].sel(time=before), grafted["count"].sel(time=before))
    marrow = [p for p in result.series.population.values if str(p).endswith("_progenitors")]
    gained = (grafted["gained"] - plain["gained"]).sel(time=after)
    assert gained.sel(population="stem_cells").item() == STEM_CELLS
    fed = 0.05  # what the further stem cells feed within a day
    assert PROGENITORS <= gained.sel(population=marrow).sum().item() < (1.0 + fed) * PROGENITORS
    healthy = [*marrow, "stem_cells", "neutrophils"]
    book = grafted[["count", "births", "deaths", "gained", "lost"]].sel(population=healthy)
    change = book["births"] - book["deaths"] + book["gained"] - book["lost"]
    np.testing.assert_array_equal(book["count"] - book["count"].isel(time=0), change - change.isel(time=0))
