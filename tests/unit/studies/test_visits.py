"""Visits of a trial: what rules decide is what is given, is noted, is resumed, and is nobody else's business."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.errors import Stopped
from abm.output.result import RunResult
from abm.parameters.regimen import Regimen
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from abm.studies.visits import visit_days

VENETOCLAX: dict[str, Any] = {"drug": "venetoclax", "day": 0.0, "amount": 100.0, "amount_unit": "mg_per_kg", "additional": 3}
EVEROLIMUS: dict[str, Any] = {"drug": "everolimus", "day": 0.5, "amount": 4.0, "amount_unit": "mg_per_kg", "additional": 3}
ALWAYS, NEVER = {"readout": "neutrophils", "above": 0.0}, {"readout": "neutrophils", "below": 0.0}


def hold(when: dict[str, Any], **keys: Any) -> dict[str, Any]:
    rule = {"when": when, "then": "hold", "drugs": ["venetoclax"], **keys}
    return {"label": "Hold", "events": [VENETOCLAX], "visit_days": [1.0, 2.0], "rules": {"hold": rule}}


REGIMENS: dict[str, dict[str, Any]] = {
    "plain": {"label": "Plain", "events": [VENETOCLAX]},
    "never": hold(NEVER),
    "held": hold(ALWAYS),
    "two_doses": {"label": "Doses of days 0 and 1", "events": [VENETOCLAX | {"additional": 1}]},
    "late": hold(ALWAYS, delay_days=0.5, on_days=[2.0]),
    "three_doses": {"label": "Doses of days 0 to 2", "events": [VENETOCLAX | {"additional": 2}]},
    "switched": {
        "label": "Switched",
        "events": [VENETOCLAX | {"tracks": ["first"]}, EVEROLIMUS | {"tracks": ["second"]}],
        "tracks": ["first", "second"],
        "visit_days": [1.0],
        "rules": {"change": {"when": ALWAYS, "then": "switch", "track": "second"}},
    },
    "by_hand": {"label": "By hand", "events": [VENETOCLAX | {"additional": 1}, EVEROLIMUS | {"day": 1.5, "additional": 2}]},
}


def run(
    folder: Path | None = None, *, stop_after: int = 10**9, resume: bool = False, regimens: dict[str, dict[str, Any]] = REGIMENS, extra: tuple[str, ...] = ()
) -> RunResult:
    cfg = compose(
        [
            "arms=none",
            *(f"+arms.{name}={{regimen: {name}}}" for name in regimens),
            *(f"+regimens.{name}={yaml.safe_dump(regimens[name], default_flow_style=True, width=10**6).strip()}" for name in regimens),
            "cohort.subjects=1",
            "cohort.leukaemias=[bmf_competent]",
            "engine.packets=8",
            "engine.strata=2",
            "host.injected_cells=1e5",
            "trial.start_human_cd45_percent=0",
            "trial.treatment_days=4",
            "trial.follow_up_days=4",
            "readout.cell_snapshot_days=[]",
            "progress=false",
            *extra,
        ]
    )
    experiment, asked = build(cfg), iter(range(10**9))
    context = Context(folder=folder, should_stop=lambda: next(asked) >= stop_after, config_yaml=stored_yaml(cfg, experiment), resume=resume)
    return run_experiment(experiment, context)


@functools.cache
def whole() -> RunResult:
    return run()


def assert_same_arms(one: RunResult, other: RunResult, first: str, second: str) -> None:
    for name, series in one.series.data_vars.items():
        if "arm" in series.dims:
            a, b = series.sel(arm=first), other.series[name].sel(arm=second)
            drugs = {"drug": b["drug"].values} if "drug" in series.dims else {}
            np.testing.assert_array_equal(a.sel(drugs).values, b.values, err_msg=str(name))


@pytest.mark.parametrize(("ruled", "plain"), [("never", "plain"), ("held", "two_doses"), ("late", "three_doses"), ("switched", "by_hand")])
def test_what_rules_decide_is_what_is_given_to_the_bit(ruled: str, plain: str) -> None:
    assert_same_arms(whole(), whole(), ruled, plain)
    assert not np.array_equal(whole().series["concentration"].sel(arm="held"), whole().series["concentration"].sel(arm="plain"))


def test_every_decision_is_an_event_with_its_reading() -> None:
    events = whole().events
    decisions = events[~events["kind"].isin(["randomised"]) & events["arm"].isin(["plain", "never", "held", "late", "switched"])]
    decisions = decisions[decisions["kind"].str.contains("hold|resume|switch")]
    assert decisions[["arm", "kind", "time_days"]].values.tolist() == [
        ["held", "hold venetoclax", 1.0],
        ["switched", "switch second", 1.0],
        ["late", "hold venetoclax", 2.5],
    ]
    neutrophils = whole().series["neutrophils"].isel(subject=0)
    assert decisions["value"].values[0] == neutrophils.sel(arm="held", time=1.0).item()
    assert decisions["value"].values[2] == neutrophils.sel(arm="late", time=2.0).item()


def test_a_run_that_was_stopped_amid_a_hold_and_before_a_late_decision_continues_to_the_same_bits(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match=r"day 2\.0 of the trial"):
        run(tmp_path, stop_after=2)
    continued = run(tmp_path, resume=True)
    for arm in REGIMENS:
        assert_same_arms(whole(), continued, arm, arm)
    assert continued.events.equals(whole().events)


def test_an_arm_with_rules_changes_no_other() -> None:
    """The same arms without their rules: those that had none are as before."""
    unruled = run(regimens={name: {**regimen, "rules": {}} for name, regimen in REGIMENS.items()})
    for name, regimen in REGIMENS.items():
        if "rules" not in regimen:
            assert_same_arms(whole(), unruled, name, name)
    assert not unruled.events["kind"].str.contains("hold|switch").any()
    assert not np.array_equal(whole().series["concentration"].sel(arm="held"), unruled.series["concentration"].sel(arm="held"))


def test_visits_are_listed_and_regular() -> None:
    regimen = Regimen(label="", visit_days=[3.0, 99.0], visit_start_day=1.0, visit_interval_days=7.0)
    assert visit_days(regimen, 20.0) == [1.0, 3.0, 8.0, 15.0]
    assert visit_days(Regimen(label=""), 20.0) == []
