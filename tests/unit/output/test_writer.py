"""What is written: names, units, types, dimensions, and nothing half-done."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from abm.output import layout, writer
from abm.output.reader import load
from abm.output.summary import build_summary, to_json
from abm.output.writer import write_run
from tests.unit.output.synthetic import make_result

GROUPS = ("series", "lead_in", "endpoints", "engine", "events", "clones")
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "run_format.txt"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(make_result(subjects=2, interval=1.0), tmp_path_factory.mktemp("run"), created="2026-01-01T00:00:00+00:00")


def listing(path: Path) -> str:
    """Every group and dataset of a file with dimensions, type, unit and name; no value and no size."""
    lines = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group):
            kind = item.attrs.get("encoding-type")
            lines.append(f"/{name}/" + (f"  [{kind} {item.attrs['encoding-version']}]" if kind else ""))
            return
        dims = ", ".join(scales[0].name.rsplit("/", 1)[-1] if len(scales) else "-" for scales in item.dims)
        kind = "text" if h5py.check_string_dtype(item.dtype) else str(item.attrs.get("dtype", item.dtype))
        lines.append(f"/{name} ({'scale' if item.is_scale else dims}) {kind} [{item.attrs.get('units', '')}] {item.attrs.get('long_name', '')}".rstrip())

    with h5py.File(path, "r") as file:
        attributes = ", ".join(sorted(file.attrs))
        file.visititems(visit)
    return "\n".join([f"attributes: {attributes}", *lines]) + "\n"


def test_the_format_is_the_one_on_record(written: Path) -> None:
    """A change of format shows here; it needs a new version and a line in the changelog."""
    assert listing(written) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("group", GROUPS)
def test_xarray_opens_every_group_with_names_and_units(written: Path, group: str) -> None:
    with xr.open_dataset(written, group=group, engine="h5netcdf") as opened:
        for name, variable in opened.variables.items():
            assert variable.attrs["long_name"], name
            assert variable.attrs["units"], name
            assert "_FillValue" not in variable.encoding or variable.encoding["_FillValue"] is None


def test_series_have_named_coordinates_and_whole_tallies(written: Path) -> None:
    with xr.open_dataset(written, group="series", engine="h5netcdf") as series:
        assert list(series["arm"].values) == ["vehicle", "venetoclax", "everolimus", "combination"]
        assert "leukaemia" in series.coords
        assert series["time"].dtype == np.float64
        assert series["time"].values[0] == 0.0
        for name in ("count", "births", "deaths", "gained", "lost"):
            assert series[name].dtype == np.int64
            assert series[name].dims == layout.COUNTS
            assert series[name].attrs["units"] == "cells"


def test_h5py_alone_sees_dimensions_on_every_dataset(written: Path) -> None:
    with h5py.File(written, "r") as file:
        for group in GROUPS:
            for name, dataset in file[group].items():
                assert dataset.is_scale or all(len(scales) == 1 for scales in dataset.dims), f"{group}/{name}"
        assert file.attrs["format"] == "abm-run"
        assert yaml.safe_load(file.attrs["config"])["experiment_name"] == "pdx_trial"
        assert json.loads(file.attrs["provenance"])["software"]["name"] == "abm"


def test_what_is_read_is_what_was_written(written: Path) -> None:
    result, run = make_result(subjects=2, interval=1.0), load(written)
    assert result.lead_in is not None
    assert run.lead_in is not None
    for before, after in ((result.series, run.series), (result.lead_in, run.lead_in), (result.engine, run.engine)):
        xr.testing.assert_equal(before, after)
    assert run.endpoints.loc[("vehicle", "bmf_null-01"), "event_day"] == result.endpoints["event_day"].sel(arm="vehicle", subject="bmf_null-01")
    assert run.endpoints["event_observed"].dtype == bool
    pd.testing.assert_frame_equal(run.clones, result.clones.rename(columns={"birth_time_days": "birth_time"}))
    pd.testing.assert_frame_equal(run.events, result.events.rename(columns={"time_days": "time"}))


def test_equal_results_are_equal_files(written: Path, tmp_path: Path) -> None:
    again = write_run(make_result(subjects=2, interval=1.0), tmp_path, created="2026-01-01T00:00:00+00:00")
    with h5py.File(written, "r") as one, h5py.File(again, "r") as two:
        assert one.attrs["created"] == two.attrs["created"]
    assert again.read_bytes() == written.read_bytes()


def test_a_large_count_keeps_its_last_cell(tmp_path: Path) -> None:
    result = make_result(subjects=1, interval=10.0)
    result.series["count"].values[0, 0, 0, 0] = 2**60 + 1
    with h5py.File(write_run(result, tmp_path), "r") as file:
        assert file["series/count"][0, 0, 0, 0] == 2**60 + 1


def test_a_fault_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = make_result(subjects=1, interval=10.0)
    path = write_run(result, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(writer, "write_snapshot", lambda *_: os.fsync(10**6))
    with pytest.raises(OSError, match="descriptor"):
        write_run(result, tmp_path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.yaml", "run.h5", "summary.json"]


def test_configuration_and_summary_lie_beside_the_file(written: Path) -> None:
    assert (written.parent / "config.yaml").read_text(encoding="utf-8") == make_result(subjects=2, interval=1.0).config_yaml
    text = (written.parent / "summary.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    summary = json.loads(text)
    assert set(summary) == {"format", "seed", "wall_seconds", "device", "arms", "warnings"}
    assert set(summary["arms"]) == {"vehicle", "venetoclax", "everolimus", "combination"}
    assert summary["arms"]["vehicle"]["bmf_null"]["cleared_day"] == {"mean": None, "median": None, "q05": None, "q95": None, "n": 0}
    statistics = summary["arms"]["combination"]["bmf_competent"]["log10_reduction_at_end_of_treatment"]
    assert set(statistics) == {"mean", "median", "q05", "q95", "n"}
    assert statistics["n"] == 2
    assert summary["wall_seconds"] == pytest.approx(39.5)


def test_a_subject_that_was_never_randomised_does_not_count() -> None:
    arms = build_summary(make_result(subjects=3, interval=3.0, never=1))["arms"]
    for endpoint in ("event_day", "event_observed", "neutrophils_ctcae_grade"):
        assert arms["vehicle"]["bmf_competent"][endpoint]["n"] == 2, endpoint
        assert arms["vehicle"]["bmf_null"][endpoint]["n"] == 3, endpoint
    assert arms["vehicle"]["bmf_competent"]["event_observed"]["mean"] == 1.0


def test_entries_of_the_study_replace_derived_ones() -> None:
    result = dataclasses.replace(make_result(subjects=1, interval=10.0), summary={"warnings": ["narrow"]})
    assert build_summary(result)["warnings"] == ["narrow"]


def test_json_never_holds_nan() -> None:
    assert to_json({"b": float("inf"), "a": [np.float64("nan"), np.int64(3), np.bool_(True), np.arange(2)]}) == '{"a": [null, 3, true, [0, 1]], "b": null}'


def test_a_result_without_leukaemias_or_events_is_written(tmp_path: Path) -> None:
    series = xr.Dataset(
        {"count": (layout.COUNTS, np.ones((1, 2, 3, 1), np.int32))},
        {"arm": ["theory"], "subject": ["1", "2"], "time": [0.0, 1.0, 2.0], "population": ["cells"]},
    )
    endpoints = xr.Dataset({"detection_day": (layout.ROW, np.ones((1, 2)))}, {"arm": ["theory"], "subject": ["1", "2"]})
    result = make_result(subjects=1, interval=10.0)
    events = pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"])
    result = dataclasses.replace(result, series=series, lead_in=None, endpoints=endpoints, events=events, clones=pd.DataFrame(), cells={})
    run = load(write_run(result, tmp_path))
    assert run.series["count"].dtype == np.int64
    assert run.lead_in is None
    assert run.events.empty
    assert list(run.events.columns) == ["arm", "subject", "kind", "time", "value"]
    assert list(build_summary(result)["arms"]["theory"]) == ["all"]


def test_an_integer_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    result = make_result(subjects=1, interval=10.0)
    broken = result.series.assign(count=result.series["count"] + 0.5)
    with pytest.raises(ValueError, match="series/count: values must be whole numbers"):
        write_run(dataclasses.replace(result, series=broken), tmp_path)


def test_a_table_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    result = make_result(subjects=1, interval=10.0)
    with pytest.raises(ValueError, match=r"'clones' lacks the columns \['parent'\]"):
        write_run(dataclasses.replace(result, clones=result.clones.drop(columns="parent")), tmp_path)
