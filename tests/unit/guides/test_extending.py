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
from abm.endpoints import registry
from abm.output.reader import load
from abm.output.result import RunResult
from abm.output.validate import validate
from abm.run import simulate

GUIDE = Path(__file__).resolve().parents[3] / "abm" / "guides" / "extending.md"
BLOCK = re.compile(r"`([a-z_]+(?:/[a-z_]+)?\.(?:yaml|py))`:\n\n```(?:yaml|python)\n(.*?)```", re.DOTALL)


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
        exec(compile((Path(folder) / "monocyte_nadir.py").read_text(encoding="utf-8"), "monocyte_nadir.py", "exec"), {"__name__": "monocyte_nadir"})
        result = simulate(compose(["experiment=first_look", "progress=false"], config_dirs=[folder]), folder=Path(folder) / "run")
        assert validate(load(Path(folder) / "run")) == []
        return result


@pytest.fixture(autouse=True)
def no_endpoint_stays() -> Iterator[None]:
    yield
    registry._ENDPOINTS.entries.pop("monocyte_nadir.monocyte_nadir", None)


def test_the_guide_shows_one_file_of_each() -> None:
    assert list(files()) == [
        "drug/tubulysin.yaml",
        "resistance/drug_pump.yaml",
        "lineage/mouse_monocyte.yaml",
        "experiment/first_look.yaml",
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


def test_a_new_endpoint_stands_beside_the_others() -> None:
    nadir = found().endpoints["monocyte_nadir_day"].sel(arm="tubulysin").values
    assert nadir.shape == (1,)
    assert np.isin(nadir, found().series["time"].values).all()
    assert nadir[0] > 0.0
