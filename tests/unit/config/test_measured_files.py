"""Tables of measured values: what is read, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abm.config.build import build, stored_config
from abm.config.compose import compose
from abm.config.measured_files import with_measured_files
from abm.errors import InputError

TABLE = """# a comment
Arm, Subject, time_days, variable, value, unit

vehicle,m1,0,human_cd45_fraction,5.5,%
vehicle,m1,7,human_cd45_fraction,0.5,
combination,m2,7,neutrophils,850,1/uL
combination,m2,9,neutrophils,.,1/uL
combination,m2,14,haemoglobin,14.2,g/dL
"""
ONE = {"cohort": {"leukaemias": ["bmf_null"]}}


def read(folder: Path, table: str, tree: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    path = folder / "mine.csv"
    path.write_text(table, encoding="utf-8")
    problems: list[str] = []
    return with_measured_files({"measured": str(path), **(ONE if tree is None else tree)}, problems)["measured"], problems


def test_values_are_read_in_the_units_of_the_series(tmp_path: Path) -> None:
    values, problems = read(tmp_path, TABLE)
    assert problems == []
    assert [(v["arm"], v["subject"], v["day"], v["variable"], v["line"]) for v in values] == [
        ("vehicle", "m1", 0.0, "human_cd45_fraction", 4),
        ("vehicle", "m1", 7.0, "human_cd45_fraction", 5),
        ("combination", "m2", 7.0, "neutrophils", 6),
        ("combination", "m2", 14.0, "haemoglobin", 8),
    ]
    assert [v["value"] for v in values] == pytest.approx([0.055, 0.5, 0.85, 142.0])
    assert {v["leukaemia"] for v in values} == {"bmf_null"}  # the only one of the trial


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("arm,time_days,variable\n", ["column value is missing"]),
        ("arm,time_days,variable,value,subjet\n", ["no such column: subjet", "'subject'"]),
        ("arm,time_days,variable,value\na,1,neutrophil,1\n", ["line 2", "column variable = neutrophil", "'neutrophils'"]),
        ("arm,time_days,variable,value\na,1,human_cd45_fraction,45\n", ["line 2", "column value = 45", "share", "%"]),
        ("arm,time_days,variable,value\na,1,platelets,low\n", ["line 2", "column value = low", "number"]),
        ("arm,time_days,variable,value\na,-1,platelets,5\n", ["line 2", "column time_days = -1", "at least 0"]),
        ("arm,time_days,variable,value,unit\na,1,platelets,5,1e9/l\n", ["line 2", "column unit = 1e9/l", "'1e9/L'"]),
        ("arm,time_days,variable,value\na,1,platelets\n", ["line 2", "3 cells"]),
        ("", ["empty"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, table: str, said: list[str]) -> None:
    values, problems = read(tmp_path, table)
    assert values == []
    assert len(problems) == 1
    assert all(part in problems[0] for part in ["mine.csv", *said])


def test_an_absent_file_is_refused() -> None:
    problems: list[str] = []
    with_measured_files({"measured": ["nowhere.csv"], **ONE}, problems)
    assert "nowhere.csv" in problems[0]


def test_a_trial_takes_the_values_that_it_has_a_place_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(TABLE, encoding="utf-8")
    cfg = compose(["cohort.leukaemias=[etp_like]", f"measured=[{path}]"])
    experiment = build(cfg)
    assert [m.leukaemia for m in experiment.measured] == ["etp_like"] * 4
    assert stored_config(cfg, experiment)["measured"] == []  # they stand in a table of the result


def test_a_trial_refuses_values_that_it_has_no_place_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("arm,time_days,variable,value\nvehicel,1,platelets,5\nvehicle,99,monocytes,1\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        build(compose([f"measured=[{path}]"]))
    lines = str(error.value).splitlines()
    assert ["line 2" in line for line in lines] == [True, True, False, False, False]
    assert "column arm = vehicel" in lines[0]
    assert "'vehicle'" in lines[0]
    assert "column leukaemia is empty" in lines[1]
    assert "monocytes" in lines[3]
    assert "follow_up_days = 60" in lines[4]
