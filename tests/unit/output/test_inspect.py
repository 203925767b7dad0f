"""abm-inspect finds each kind of damage, and says what a sound file holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from abm.output.inspect import main
from abm.output.writer import write_run
from tests.unit.output.synthetic import make_result


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(make_result(subjects=2, interval=3.0, never=1), tmp_path_factory.mktemp("run"))


def test_a_sound_file_is_valid_and_shown(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sound.parent)]) == 0
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("valid")
    for text in ("abm-run 1.0", "seed 1", "cpu x 2", "combination", "etp_like-02", "leukaemia_blood", "day 0 to 60", "1 not_randomised", "event_day [d]"):
        assert text in shown
    assert max(map(len, shown.splitlines())) <= 160


def test_sources_are_grouped_by_kind(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sound), "--cite"]) == 0
    shown = capsys.readouterr().out
    assert "2 measured, 3 assumed, 1 override" in shown
    assert shown.index("MEASURED") < shown.index("ASSUMED") < shown.index("OVERRIDE") < shown.index("UNSOURCED")
    assert "  PubChem CID 49846579\n    drugs.venetoclax.molar_mass_g_per_mol = 868.44" in shown
    assert "trial.treatment_days = 21, instead of a number that is assumed: Urso et al." in shown


def test_json_holds_the_same(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sound), "--json", "--cite"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["valid"] is True
    assert shown["time"] == {"first_day": 0.0, "last_day": 60.0, "points": 21}
    assert shown["variables"]["count"] == {"dims": ["arm", "subject", "time", "population"], "units": "cells"}
    assert shown["endpoints"]["vehicle / etp_like"]["event_observed"] == 1.0
    assert shown["sources"]["drugs.venetoclax.molar_mass_g_per_mol"]["kind"] == "measured"


def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.h5").write_text("a,b\n1,2\n", encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("abm-inspect: ")


def _add(name: str, index: tuple[int, ...], amount: float) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        file[name][index] = file[name][index] + amount

    return damage


def _set(name: str, index: tuple[int, ...], value: float) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        file[name][index] = value

    return damage


def _drop_attribute(name: str, attribute: str) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        del file[name].attrs[attribute]

    return damage


def _change_unit(file: h5py.File) -> None:
    file["series/platelets"].attrs["units"] = "1/L"


def _detach(file: h5py.File) -> None:
    file["series/platelets"].dims[2].detach_scale(file["series/time"])


def _drop_group(file: h5py.File) -> None:
    del file["clones"]


def _narrow(file: h5py.File) -> None:
    group = file["series"]
    scales = [dim[0] for dim in group["count"].dims]
    values = group["count"][...].astype(np.int32)
    del group["count"]
    made = group.create_dataset("count", data=values)
    made.attrs.update({"units": "cells", "long_name": "Number of cells"})
    for position, scale in enumerate(scales):
        made.dims[position].attach_scale(scale)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _add("series/count", (1, 2, 5, 0), 1),
            "count: differs from count(0) + births - deaths + gained - lost (1 values; first at arm=venetoclax, subject=bmf_null-01, time=15.0",
        ),
        (_add("series/count", (1, 2, 5, 0), 1), "count: leukaemia differs from marrow + blood"),
        (_set("series/births", (0, 2, 5, 1), 10**15), "births: falls with time"),
        (_add("lead_in/births", (2, 0, 0), 1), "/lead_in/births: is not 0 at the first time"),
        (_set("series/count", (0, 2, 5, 1), -1), "count: negative"),
        (_set("series/platelets", (0, 2, 5), np.nan), "platelets: not finite"),
        (_set("series/human_cd45_fraction", (0, 2, 5), 1.2), "human_cd45_fraction: outside 0 to 1"),
        (_set("series/bmf", (3, 2, 5, 0), 1e6), "bmf: quantiles are not in order"),
        (_set("series/time", (5,), 0.5), "time: does not rise"),
        (_set("clones/parent", (1,), 7), "parent 7 of clone 1 does not exist"),
        (_set("clones/birth_time", (0,), 5.0), "clone 1 is older than its parent 0"),
        (_set("clones/id", (1,), 0), "an id stands twice"),
        (_set("cells/day-021/X", (0, 0), np.nan), "/cells/day-021: X holds values that are not finite"),
        (_drop_attribute("series/count", "units"), "/series/count: attribute 'units' is missing"),
        (_drop_attribute("events/kind", "long_name"), "/events/kind: attribute 'long_name' is missing"),
        (_drop_attribute("/", "model_version"), "root attribute 'model_version' is missing"),
        (_change_unit, "/series/platelets: units are '1/L', expected '1e9/L'"),
        (_detach, "/series/platelets: a dimension has no scale"),
        (_drop_group, "group '/clones' is missing"),
        (_narrow, "/series/count: type is int32, expected int64"),
    ],
)
def test_damage_is_found_and_named(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[h5py.File], None], message: str) -> None:
    broken = Path(shutil.copy(sound, tmp_path / "run.h5"))
    with h5py.File(broken, "r+") as file:
        damage(file)
    assert main([str(broken)]) == 2
    shown = capsys.readouterr().out
    assert "INVALID" in shown
    assert message in shown


def test_a_variable_that_the_layout_does_not_name_needs_a_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = make_result(subjects=1, interval=10.0)
    result.series["spleen_mass"] = result.series["platelets"] * 0.0
    assert main([str(write_run(result, tmp_path / "without"))]) == 2
    assert "/series/spleen_mass: attribute 'units' is missing" in capsys.readouterr().out
    result.series["spleen_mass"].attrs["units"] = "mg"
    assert main([str(write_run(result, tmp_path / "with"))]) == 0
