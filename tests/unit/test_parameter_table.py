"""The parameter table: complete, with the units of the neighbours, and the guide up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.output.parameter_table import GROUPS, file_rows, main, parameter_table
from abm.parameters.cell import Mtorc1
from abm.parameters.clinic import Clinic
from abm.parameters.drug import Drug
from abm.parameters.lineage import Lineage
from abm.parameters.regimen import Regimen
from abm.parameters.settings import Readout, Trial

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
GUIDE = ROOT / "abm" / "guides" / "parameters.md"


def test_guide_is_up_to_date() -> None:
    assert GUIDE.read_text(encoding="utf-8") == parameter_table(CONF), "conf/ or a record changed: run scripts/parameter_table"


def test_every_file_of_every_group_has_a_table() -> None:
    table = parameter_table(CONF)
    assert {folder.name for folder in CONF.iterdir() if folder.is_dir()} - {"arms", "experiment", "hydra"} == {folder for folder, *_ in GROUPS}
    for folder, *_ in GROUPS:
        for file in (CONF / folder).glob("*.yaml"):
            assert f"### `conf/{folder}/{file.name}`" in table


def test_row_holds_value_unit_meaning_kind_range_and_source(tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text(
        "relaxation_per_hour: 2.5\nloss_half_point: 1.25\n"
        "sources:\n  relaxation_per_hour: {ref: A 2001, where: Table 2, kind: measured, range: [1, 3], note: at 37 C}\n"
    )
    known, unknown = file_rows(file, Mtorc1, "cell.mtorc1")
    assert (known.key, known.value, known.unit, known.kind, known.range) == ("cell.mtorc1.relaxation_per_hour", "2.5", "1/h", "measured", "1 to 3")
    assert known.meaning == "Rate k_m at which activity follows its target."
    assert known.source == "A 2001; Table 2; at 37 C"
    assert (unknown.kind, unknown.range, unknown.source) == ("unsourced", "", "")


def test_units_that_a_neighbour_sets() -> None:
    venetoclax = {row.key: row for row in file_rows(CONF / "drug" / "venetoclax.yaml", Drug, "drugs.venetoclax")}
    assert venetoclax["drugs.venetoclax.pharmacokinetics.mouse.clearance_l_per_h"].unit == "L/h/kg"
    assert venetoclax["drugs.venetoclax.pharmacokinetics.human.clearance_l_per_h"].unit == "L/h"
    assert not any("everolimus" in key or "cytotoxic" in key for key in venetoclax)  # a null target has no rows
    neutrophils = {row.key: row for row in file_rows(CONF / "lineage" / "mouse_neutrophil.yaml", Lineage, "l")}
    assert neutrophils["l.baseline"].unit == "1e9/L"
    assert neutrophils["l.cells_per_unit"].unit == "1/L per 1e9/L"
    adult = {row.key: row for row in file_rows(CONF / "clinic" / "adult.yaml", Clinic, "c")}
    assert adult["c.salvage.months"].unit == "months"
    assert adult["c.toxic_death.infection.below"].unit == "unit of neutrophils"
    combination = {row.key: row for row in file_rows(CONF / "regimen" / "combination.yaml", Regimen, "r")}
    assert combination["r.events.1.amount"].unit == "mg/kg"


def test_partial_file_and_list_of_numbers(tmp_path: Path) -> None:
    partial = tmp_path / "late.yaml"
    partial.write_text("defaults: [pdx, _self_]\nstart_human_cd45_percent: 30.0\n")
    assert [row.key for row in file_rows(partial, Trial, "trial")] == ["trial.start_human_cd45_percent"]
    listed = tmp_path / "often.yaml"
    listed.write_text("cell_snapshot_days: [0.0, 21.0]\nsources:\n  cell_snapshot_days: {ref: x, where: y, kind: setting}\n")
    (row,) = file_rows(listed, Readout, "readout")
    assert (row.value, row.kind) == ("0, 21", "setting")


def test_pipe_in_a_text_does_not_break_the_table(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    (conf / "cell").mkdir(parents=True)
    (conf / "cell" / "a.yaml").write_text('amounts: {cv: 0.1}\nsources: {amounts.cv: {ref: "a|b", where: c, kind: measured}}\n')
    assert "a\\|b; c" in parameter_table(conf)


def test_main_writes_the_guide(tmp_path: Path) -> None:
    guide = tmp_path / "parameters.md"
    main([str(CONF), str(guide)])
    assert guide.read_text(encoding="utf-8").startswith("# Parameters")


def test_file_that_is_not_a_mapping_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("- 1\n- 2\n")
    with pytest.raises(TypeError, match=r"list\.yaml: expected a mapping"):
        file_rows(file, Trial, "trial")
