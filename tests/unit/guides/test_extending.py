"""The files of the guide `extending` are run as they stand there: one new file is one new thing."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from abm.config.compose import compose
from abm.endpoints.registry import _ENDPOINTS
from abm.output.reader import load
from abm.output.result import RunResult
from abm.output.validate import validate
from abm.readouts.registry import _READOUTS
from abm.run import simulate

GUIDE = Path(__file__).resolve().parents[3] / "abm" / "guides" / "extending.md"
BLOCK = re.compile(r"`([a-z0-9_]+(?:/[a-z_]+)?\.(?:yaml|py))`:\n\n```(?:yaml|python)\n(.*?)```", re.DOTALL)


def files() -> dict[str, str]:
    return dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))


@functools.cache
def found() -> RunResult:
    """The experiment of the guide, from a user's folder with nothing but the files of the guide."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files().items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in sorted(Path(folder).glob("*.py")):
            exec(compile(path.read_text(encoding="utf-8"), path.name, "exec"), {"__name__": path.stem})
        result = simulate(compose(["experiment=first_look", "progress=false"], config_dirs=[folder]), folder=Path(folder) / "run")
        assert validate(load(Path(folder) / "run")) == []
        return result


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    _ENDPOINTS.entries.pop("monocyte_nadir.monocyte_nadir", None)
    _READOUTS.entries.pop("ki67_fraction.ki67_fraction", None)


def test_the_guide_shows_one_file_of_each() -> None:
    assert list(files()) == [
        "drug/tubulysin.yaml",
        "resistance/drug_pump.yaml",
        "lineage/mouse_monocyte.yaml",
        "experiment/first_look.yaml",
        "ki67_fraction.py",
        "monocyte_nadir.py",
    ]


def test_a_new_drug_is_given_and_kills() -> None:
    series = found().series.isel(subject=0, time=-1)
    assert series["concentration"].sel(arm="tubulysin", drug="tubulysin") > 0.0
    count = series["count"].sel(population="leukaemia")
    assert count.sel(arm="tubulysin") < 0.5 * count.sel(arm="vehicle")


def test_a_new_mechanism_arises_and_its_cells_survive_the_drug() -> None:
    clones = found().clones
    assert {"founder", "drug_pump"} <= set(clones["mechanism"])
    count = found().series["count"].isel(subject=0)
    pump, whole = (count.sel(population=name, arm="tubulysin") for name in ("leukaemia_drug_pump", "leukaemia"))
    assert pump.sel(time=5.0) > 2.0 * pump.sel(time=2.0) > 0.0
    assert (whole - pump).sel(time=5.0) < (whole - pump).sel(time=2.0)


def test_a_new_kind_of_cells_is_counted_and_feels_the_drug() -> None:
    series = found().series.isel(subject=0)
    assert {"monocytes", "monocytes_progenitors", "monocytes_maturing"} <= set(series["population"].values.tolist())
    assert series["monocytes"].sel(arm="vehicle", time=0.0).item() == pytest.approx(0.1, rel=0.1)
    assert series["monocytes"].isel(time=-1).sel(arm="tubulysin") < 0.9 * series["monocytes"].isel(time=-1).sel(arm="vehicle")


def test_a_new_readout_is_in_the_series_with_axes_and_unit() -> None:
    series = found().series
    share = series["ki67_fraction"]
    assert (share.dims, share.attrs["units"]) == (("arm", "subject", "time"), "1")
    assert list(series.data_vars)[-1] == "ki67_fraction"
    assert found().lead_in is not None
    assert "ki67_fraction" in found().lead_in
    cycling, quiescent = (series["count"].sel(population=f"leukaemia_{name}", drop=True) for name in ("cycling", "quiescent"))
    np.testing.assert_array_equal(share.values, (cycling / (cycling + quiescent)).values)
    # Made-up tubulysin spares quiescent cells.
    assert share.sel(arm="tubulysin").sel(time=5.0).item() < 0.9 * share.sel(arm="vehicle").sel(time=5.0).item()


def test_a_new_endpoint_stands_beside_the_others() -> None:
    nadir = found().endpoints["monocyte_nadir_day"].sel(arm="tubulysin").values
    assert nadir.shape == (1,)
    assert np.isin(nadir, found().series["time"].values).all()
    assert nadir[0] > 0.0
