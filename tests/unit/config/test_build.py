"""Validation of composed trees: what is kept, what is refused, and why."""

from __future__ import annotations

import copy
import sys
import types
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from abm.config.build import build, plain, stored_yaml
from abm.config.compose import compose
from abm.errors import InputError
from abm.parameters.experiment import Experiment
from abm.records import count, listing, record

BASE: dict[str, Any] = plain(compose())


def changed(**changes: Any) -> dict[str, Any]:
    """The default tree with values at dotted keys (written with `__`) replaced."""
    tree = copy.deepcopy(BASE)
    for key, value in changes.items():
        *path, last = key.split("__")
        node: Any = tree
        for name in path:
            node = node[int(name)] if isinstance(node, list) else node[name]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    return tree


def refusal(**changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        build(changed(**changes))
    return str(caught.value)


def test_the_default_trial_is_accepted_and_pruned_to_what_it_uses() -> None:
    experiment = build(BASE)
    assert isinstance(experiment, Experiment)
    assert set(experiment.drugs) == {event.drug for regimen in experiment.regimens.values() for event in regimen.events}
    assert set(experiment.regimens) == {arm.regimen for arm in experiment.arms.values()}
    assert list(experiment.leukaemias) == list(experiment.cohort.leukaemias)
    assert experiment.lineages
    assert {lineage.species for lineage in experiment.lineages.values()} == {experiment.host.species}
    assert "navitoclax" not in experiment.drugs


def test_the_stored_configuration_builds_the_same_experiment_and_text() -> None:
    cfg = compose(["seed=7"])
    experiment = build(cfg)
    text = stored_yaml(cfg, experiment)
    again = yaml.safe_load(text)
    assert build(again) == experiment
    assert stored_yaml(again, build(again)) == text
    assert "&id" not in text


def test_counts_accept_integral_floats() -> None:
    experiment = build(changed(engine__packets=1e6, cohort__subjects=12.0))
    assert (experiment.engine.packets, experiment.cohort.subjects) == (1_000_000, 12)
    assert isinstance(experiment.engine.packets, int)


def test_an_interpolation_is_resolved_and_a_broken_one_refused() -> None:
    tree = changed(seed="${engine.packets}")
    assert build(OmegaConf.create(tree)).seed == BASE["engine"]["packets"]
    with pytest.raises(InputError, match="cannot be resolved"):
        build(OmegaConf.create(changed(seed="${nothing.here}")))


FIT_TOGETHER = [
    ({"arms__vehicle__regimen": "venetoclx"}, "arms.vehicle.regimen: unknown regimen 'venetoclx'. Did you mean 'venetoclax'?"),
    ({"arms": {}}, "arms: at least one arm is needed"),
    ({"regimens__combination__events__0__drug": "venetoklax"}, "regimens.combination.events[0].drug: unknown drug 'venetoklax'. Did you mean 'venetoclax'?"),
    ({"regimens__combination__events__0__day": -1}, "regimens.combination.events[0].day = -1: a finite number of at least 0 is needed. Day of the first dose"),
    ({"regimens__combination__events__0__amount_unit": "mg/kg"}, "amount_unit = mg/kg: is not a choice. Did you mean 'mg_per_kg'?"),
    ({"regimens__combination__events__0__skip_days": [-2]}, "skip_days = [-2.0]: days count from randomisation"),
    ({"regimens__combination__events__0__duration_h": 48}, "an infusion must end before the next one"),
    ({"drugs__venetoclax__pharmacokinetics": {}}, "has no pharmacokinetics for the host's species 'mouse'"),
    ({"cohort__leukaemias": ["bmf_nul"]}, "cohort.leukaemias: unknown leukaemia 'bmf_nul'. Did you mean 'bmf_null'?"),
    ({"cohort__leukaemias": []}, "at least one leukaemia is needed"),
    ({"cohort__leukaemias": ["bmf_null", "bmf_null"]}, "'bmf_null' is listed twice"),
    ({"trial__treatment_days": 61}, "trial.treatment_days = 61: is after the last day, trial.follow_up_days = 60."),
    ({"trial__event_human_cd45_percent": 5}, "must be above trial.start_human_cd45_percent"),
    ({"readout__cell_snapshot_days": [0, 61]}, "day 61 is outside the trial, 0 to 60"),
    ({"readout__interval_hours": 20}, "readout.interval_hours = 20: must be a multiple of engine.window_hours = 12."),
    ({"engine__dt_hours": 5}, "engine.window_hours = 12: must be a multiple of engine.dt_hours = 5."),
    ({"engine__packing_hours": 18}, "engine.packing_hours = 18: must be a multiple of engine.window_hours = 12."),
    ({"resume": True, "overwrite": True}, "choose one"),
    ({"task": "theory"}, "the keys under 'theory' are missing"),
    ({"robustness": {"draws": 3}}, "task = trial does not read it"),
]


@pytest.mark.parametrize(("changes", "expected"), FIT_TOGETHER, ids=[next(iter(case[0])) + str(i) for i, case in enumerate(FIT_TOGETHER)])
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], expected: str) -> None:
    assert expected in refusal(**changes)


def test_a_step_longer_than_the_window_is_accepted_where_the_readout_is_a_multiple_of_it() -> None:
    assert build(changed(engine__dt_hours=24)).engine.dt_hours == 24.0
    assert "readout.interval_hours = 24: must be a multiple of engine.dt_hours = 18." in refusal(engine__dt_hours=18)


def test_fractions_of_subclones_add_up_to_at_most_one() -> None:
    factors = ("bcl2", "bclxl", "mcl1", "bim", "bmf_competence", "set_point", "bcl2_ki", "death", "division")
    subclone = {"fraction": 0.6, "mechanism": "x", "mtorc1_response": 1.0, **{f"{name}_factor": 1.0 for name in factors}}
    assert build(changed(leukaemias__bmf_null__subclones={"a": subclone})).leukaemias["bmf_null"].subclones["a"].fraction == 0.6
    message = refusal(leukaemias__bmf_null__subclones={"a": subclone, "b": subclone})
    assert "leukaemias.bmf_null.subclones: the fractions add up to 1.2" in message


def test_many_problems_stay_on_one_screen() -> None:
    with pytest.raises(InputError) as caught:
        build({})
    lines = str(caught.value).splitlines()
    assert len(lines) == 13
    assert lines[-1].startswith("... and ")


@record
class _Theory:
    n0: int = count("Cells.", low=1)
    phases: list[list[float]] = listing("Phases.")


@pytest.fixture
def theory_records(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("abm.parameters.theory")
    module.THEORY_RECORDS = {"birth_death": _Theory}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "abm.parameters.theory", module)


@pytest.mark.usefixtures("theory_records")
def test_the_keys_of_a_theory_experiment_are_checked_against_its_record() -> None:
    keys = {"name": "birth_death", "n0": 200.0, "phases": [[60, 0.14, 0.13]]}
    experiment = build(changed(task="theory", theory=keys))
    assert experiment.theory == {"name": "birth_death", "n0": 200, "phases": ((60, 0.14, 0.13),)}
    assert experiment.arms == experiment.drugs == experiment.regimens == experiment.leukaemias == experiment.lineages == {}
    assert "theory.n_0: there is no such key. Did you mean 'n0'?" in refusal(task="theory", theory={**keys, "n_0": 3})
    assert "theory.n0 = 0: a whole number of at least 1" in refusal(task="theory", theory={**keys, "n0": 0})
    assert "theory.name: unknown theory experiment 'birth_deth'. Did you mean 'birth_death'?" in refusal(task="theory", theory={**keys, "name": "birth_deth"})
