"""Reading a run back, and refusing what is none."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from abm.errors import FormatError, InputError
from abm.output import layout
from abm.output.reader import load
from abm.output.result import CellSnapshot
from abm.output.writer import write_run
from tests.unit.output.synthetic import make_result

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(make_result(subjects=2, interval=2.0, never=1), tmp_path_factory.mktemp("run")).parent


def test_a_folder_and_its_file_are_the_same_run(folder: Path) -> None:
    assert load(folder).path == load(str(folder / "run.h5")).path


def test_parts_have_the_types_of_the_contract(folder: Path) -> None:
    run = load(folder)
    assert run.series.sizes["subject"] == 6
    assert list(run.endpoints.index.names) == ["arm", "subject"]
    assert run.endpoints.columns[0] == "leukaemia"
    assert run.endpoints.attrs["units"]["event_day"] == "d"
    assert set(run.events.columns) == {"arm", "subject", "kind", "time", "value"}
    assert set(run.clones.columns) >= {"id", "parent", "mechanism", "birth_time", "origins", "pooled"}
    assert run.config["trial"]["treatment_days"] == 21.0
    assert run.provenance["seed"] == 1
    assert run.summary["seed"] == 1
    assert run.snapshots == {"day-000": 0.0, "day-021": 21.0}
    assert "6 subject" in repr(run)


def test_cells_are_anndata_where_that_is_installed(folder: Path) -> None:
    cells = load(folder).cells("combination", "etp_like-02", time=21)
    assert type(cells).__name__ == "AnnData"
    assert cells.shape == (5, 5)
    assert list(cells.var["units"]) == ["1", "1", "nmol/L", "nmol/L", "nmol/L"]
    assert set(cells.obs["arm"]) == {"combination"}
    assert cells.uns["time_days"] == 21.0


def test_cells_are_a_snapshot_without_anndata(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    cells = load(folder).cells("vehicle", None, 0)
    assert isinstance(cells, CellSnapshot)
    assert len(cells.obs) == 25
    assert cells.X.dtype == np.float32


def test_anndata_reads_the_group_itself(folder: Path) -> None:
    from anndata.io import read_elem

    with h5py.File(folder / "run.h5", "r") as file:
        cells = read_elem(file["cells/day-021"])
    assert cells.shape == (100, 5)
    assert cells.obs["arm"].dtype == "category"


def test_cells_that_were_not_stored_are_refused_with_what_there_is(folder: Path) -> None:
    run = load(folder)
    with pytest.raises(InputError, match=r"no snapshot at day 20\. Stored days: 0, 21"):
        run.cells("vehicle", "etp_like-01", 20)
    with pytest.raises(InputError, match=r"unknown arm 'vehicel'\. Did you mean 'vehicle'"):
        run.cells("vehicel", "etp_like-01", 21)
    with pytest.raises(InputError, match="unknown subject"):
        run.cells("vehicle", "nobody", 21)


@pytest.mark.parametrize(
    ("format_name", "version", "error", "message"),
    [
        ("", "1.0", layout.NotARun, "not a result of abm"),
        ("abm-run", "one", layout.NotARun, "is not a version"),
        ("abm-run", "0.9", layout.TooOld, "oldest format read here is 1.0"),
        ("abm-run", "2.0", layout.TooNew, "Update abm"),
    ],
)
def test_each_foreign_file_has_its_own_error(tmp_path: Path, format_name: str, version: str, error: type[FormatError], message: str) -> None:
    with h5py.File(tmp_path / "run.h5", "w") as file:
        if format_name:
            file.attrs["format"] = format_name
        file.attrs["format_version"] = version
    with pytest.raises(error, match=message) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2


def test_a_later_minor_version_is_read(tmp_path: Path) -> None:
    path = write_run(make_result(subjects=1, interval=10.0), tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = "1.7"
        file.create_group("novelty").attrs["what"] = "unknown here"
    assert load(path).series.sizes["arm"] == 4


def test_a_missing_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(layout.NotARun, match="no such file"):
        load(tmp_path)
    (tmp_path / "run.h5").write_bytes(b"half a file")
    with pytest.raises(layout.NotARun, match="damaged"):
        load(tmp_path)


def test_reading_imports_neither_jax_nor_matplotlib(folder: Path) -> None:
    program = "import sys; from abm.output.reader import load; load(sys.argv[1]).series; print(sorted({'jax', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_figures_are_found_by_name(folder: Path) -> None:
    run = load(folder)
    assert {"human_cd45", "waterfall", "event_free_survival", "blood_counts", "cell_state", "counts"} <= set(dir(run.plot))
    assert type(run.plot.waterfall()).__name__ == "Figure"
    with pytest.raises(AttributeError, match="no figure 'heatmap'; there are"):
        _ = run.plot.heatmap
