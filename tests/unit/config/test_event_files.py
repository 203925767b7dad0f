"""Tables of events in the way of NONMEM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abm.config.build import build, stored_config
from abm.config.compose import compose
from abm.config.event_files import with_event_files
from abm.errors import InputError
from abm.parameters.regimen import DoseEvent

TABLE = """id,Time,AMT,drug,EVID,II,ADDL,SS,RATE,AMT_UNIT
1,0,400,venetoclax,1,24,6,1,.,
1,24,10,everolimus,1,.,.,.,,mg_per_kg
1,30,.,.,0,.,.,.,.,.
1,48,90,everolimus,1,,,,30,
"""


def read(folder: Path, table: str, **keys: Any) -> tuple[list[dict[str, Any]], list[str]]:
    path = folder / "doses.csv"
    path.write_text(table, encoding="utf-8")
    problems: list[str] = []
    tree = with_event_files({"regimens": {"r": {"label": "R", "events_file": {"path": str(path), **keys}}}}, problems)
    assert tree["regimens"]["r"]["events_file"] is None
    return tree["regimens"]["r"]["events"], problems


def test_a_table_becomes_events(tmp_path: Path) -> None:
    events, problems = read(tmp_path, TABLE)
    assert problems == []
    assert [DoseEvent(**event) for event in events] == [
        DoseEvent(drug="venetoclax", day=0.0, amount=400.0, amount_unit="mg", interval_days=1.0, additional=6, steady_state=True),
        DoseEvent(drug="everolimus", day=1.0, amount=10.0, amount_unit="mg_per_kg"),
        DoseEvent(drug="everolimus", day=2.0, amount=90.0, amount_unit="mg", duration_h=3.0),
    ]


def test_times_in_days_compartments_durations_and_tracks(tmp_path: Path) -> None:
    table = "TIME,AMT,CMT,DUR,II,ADDL,TRACK\n1.5,5,2,0.25,7,3,high\n0,1,1,,,,\n"
    events, problems = read(tmp_path, table, time_unit="days", compartments=["a", "b"], amount_unit="mg_per_m2")
    assert problems == []
    assert [DoseEvent(**event) for event in events] == [
        DoseEvent(drug="b", day=1.5, amount=5.0, amount_unit="mg_per_m2", duration_h=6.0, interval_days=7.0, additional=3, tracks=["high"]),
        DoseEvent(drug="a", day=0.0, amount=1.0, amount_unit="mg_per_m2"),
    ]


def test_one_of_several_subjects_is_chosen(tmp_path: Path) -> None:
    table = "ID,TIME,AMT,DRUG\n7,0,1,a\n8,0,2,a\n"
    assert [event["amount"] for event in read(tmp_path, table, subject="8")[0]] == [2.0]
    assert "2 IDs; name one with regimens.r.events_file.subject, e.g. 7" in read(tmp_path, table)[1][0]
    assert "has no such ID; it has 7, 8" in read(tmp_path, table, subject="9")[1][0]


REFUSED = {
    "TIME,AMT,DRUG,DOSE\n": "no such column: DOSE.",
    "TIME,DRUG\n0,a\n": "the column AMT is missing",
    "": "the column TIME is missing",
    "TIME,TIME,AMT,DRUG\n": "the column TIME stands there twice",
    "TIME,AMT,CMT\n0,1,1\n": "a column DRUG is needed, or a column CMT and the key compartments",
    "TIME,AMT,DRUG\n0,1,a\n\n1,ten,a\n": "line 4: AMT = ten: a number is needed",
    "TIME,AMT,DRUG\n-1,1,a\n": "line 2: TIME = -1: a finite number of at least 0",
    "TIME,AMT,DRUG,EVID\n0,1,a,4\n": "line 2: EVID = 4: only doses (1)",
    "TIME,AMT,DRUG,ADDL\n0,1,a,3\n": "line 2: II is needed where ADDL or SS",
    "TIME,AMT,DRUG,SS,II\n0,1,a,2,24\n": "line 2: SS = 2: 0 or 1",
    "TIME,AMT,DRUG,ADDL,II\n0,1,a,1.5,24\n": "line 2: ADDL = 1.5: a whole number",
    "TIME,AMT,DRUG,RATE\n0,1,a,-2\n": "line 2: RATE = -2: rates that a model estimates",
    "TIME,AMT,DRUG,RATE,DUR\n0,1,a,1,1\n": "line 2: RATE and DUR are both given",
    "TIME,AMT,DRUG,AMT_UNIT\n0,1,a,mg/m2\n": "AMT_UNIT = mg/m2: is not a choice. Did you mean 'mg_per_m2'?",
}


@pytest.mark.parametrize("table", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path: Path, table: str) -> None:
    problems = read(tmp_path, table)[1]
    assert len(problems) == 1
    assert problems[0].startswith("regimens.r.events_file.path = ")
    assert REFUSED[table] in problems[0]


def test_a_compartment_without_a_drug_is_refused(tmp_path: Path) -> None:
    assert "CMT = 3: is not among the compartments 1 to 2" in read(tmp_path, "TIME,AMT,CMT\n0,1,3\n", compartments=["a", "b"])[1][0]


def test_an_experiment_stores_the_events_and_needs_the_file_no_more(tmp_path: Path) -> None:
    path = tmp_path / "doses.csv"
    path.write_text(TABLE, encoding="utf-8")
    overrides = ["+regimens.own={label: Own}", f"+regimens.own.events_file={path}", "+arms.own={regimen: own}"]
    cfg = compose(overrides)
    experiment = build(cfg)
    stored = stored_config(cfg, experiment)
    path.unlink()
    assert build(stored).regimens["own"] == experiment.regimens["own"]
    assert len(experiment.regimens["own"].events) == 3
    with pytest.raises(InputError, match=r"regimens.own.events_file.path = .*doses.csv: cannot be read as a table"):
        build(compose(overrides))


def test_an_unknown_drug_of_a_table_is_refused_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "doses.csv"
    path.write_text("TIME,AMT,DRUG\n0,1,venetoklax\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"regimens.own.events\[0\].drug: unknown drug 'venetoklax'"):
        build(compose([f"+regimens.own={{label: Own, events_file: {{path: {path}}}}}", "+arms.own={regimen: own}"]))
