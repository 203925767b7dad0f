"""Friberg's model: the equations to 1e-6, and the cells that obey them with their own noise.

The independent solution (levels, not logarithms; concentrations in closed form) and the noise of cells
are in `abm.verification.exact_friberg`.  Level of each check as in `tests.false_alarm`.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from abm.errors import InputError
from abm.models.theory.myelosuppression import STAGES, chances_of_passing
from abm.output.reader import load
from abm.output.validate import check_tallies, validate
from abm.parameters.theory import Myelosuppression
from abm.run import simulate
from abm.verification.cases.myelosuppression import DOCETAXEL, PACLITAXEL
from abm.verification.exact_friberg import Blood, levels, relative_variance
from tests.false_alarm import spread, within
from tests.theory_runs import default, run

HOURS = [24.0, 96.0, 223.9, 388.3, 539.8, 960.0]


def simulated(blood: Blood, hours: list[float], *, dt_hours: float = 1.0, seed: int = 1, **keys: Any) -> xr.Dataset:
    own = {"circ0": blood.circ0, "mtt_h": blood.mtt_h, "gamma": blood.gamma, "slope": blood.slope, "doses": list(blood.doses), "times_h": hours}
    return run("myelosuppression", {**blood.drug._asdict(), **own, "replicates": 1, **keys}, dt_hours=dt_hours, seed=seed)


def blood_count(series: xr.Dataset) -> np.ndarray:
    values: np.ndarray = series["count"].sel(arm="theory", population="circulating").values
    return values


@functools.cache
def noisy(at_rest: float) -> xr.Dataset:
    """200 subjects with `at_rest` cells in the blood; runs of one shape are compiled once."""
    return simulated(PACLITAXEL, HOURS, mode="cells", scale=at_rest / PACLITAXEL.circ0, replicates=200, seed=3)


@pytest.mark.parametrize(
    ("blood", "hour", "lowest", "highest_hour", "highest"),
    [(PACLITAXEL, 223.9, 2.6515, 539.7, 9.991), (DOCETAXEL, 206.5, 0.18261, 500.6, 6.851)],
)
def test_equations_meet_the_table_and_the_independent_solution(blood: Blood, hour: float, lowest: float, highest_hour: float, highest: float) -> None:
    hours = [3.0, hour, highest_hour, 700.0, 1200.0]
    seen = blood_count(simulated(blood, hours))[0]
    exact = levels(blood, np.array([0.0, *hours]))[:, -1]
    assert seen == pytest.approx(exact, rel=1e-6)
    assert seen[0] == blood.circ0
    assert seen[2] == pytest.approx(lowest, rel=4e-5)
    assert seen[3] == pytest.approx(highest, rel=1e-4)


def test_constant_effect_and_deep_nadir() -> None:
    held = {"cl": 0.0, "v1": 1.0, "q": 0.0, "v2": None, "ka": None, "f": 1.0, "lag": 0.0}
    keys = {"circ0": 7.21, "mtt_h": 124.0, "gamma": 0.2, "slope": 0.3, "doses": [(0.0, 1.0, 0.0)], "times_h": [20_000.0], "replicates": 2}
    series = run("myelosuppression", {**held, **keys})
    assert blood_count(series)[:, -1] == pytest.approx(7.21 * 0.7**5, rel=1e-6)
    # E = 30 held for ever: the blood vanishes, every level stays positive and none turns into NaN.
    gone = run("myelosuppression", {**held, **keys, "slope": 30.0})["count"].values
    assert np.all(np.isfinite(gone) & (gone >= 0.0))
    assert 0.0 < gone[..., -1, -1].max() < 1e-200


def test_the_equations_have_no_tallies_and_every_subject_is_the_same() -> None:
    series = simulated(PACLITAXEL, [0.0, 24.0], replicates=3)
    assert series["time"].values.tolist() == [0.0, 1.0]
    assert not {"births", "cells"} & set(series)
    assert series["count"].attrs["units"] == "unit of circ0"
    assert np.ptp(series["count"].values, axis=1).max() == 0.0
    assert series["concentration"].isel(time=-1, subject=0).item() == pytest.approx(0.0061514, rel=1e-4)


@pytest.mark.parametrize(("blood", "dt_hours", "largest"), [(PACLITAXEL, 1.0, 3e-4), (PACLITAXEL, 24.0, 2e-3), (DOCETAXEL, 1.0, 3e-4)])
def test_cells_without_chance_follow_the_equations(blood: Blood, dt_hours: float, largest: float) -> None:
    # 1e11 cells: the error of the step is seen without noise.
    series = simulated(blood, HOURS, dt_hours=dt_hours, mode="cells", scale=1e11 / blood.circ0, replicates=3)
    exact = levels(blood, np.array([0.0, *HOURS]))[:, -1]
    assert blood_count(series).mean(axis=0) == pytest.approx(exact, rel=largest)


@pytest.mark.parametrize("at_rest", [1e3, 1e5])
def test_mean_and_noise_of_cells(at_rest: float) -> None:
    # n = 200 subjects; the mean to 1 % of the equations at 1e5 cells and to 3 % at 1e3, beyond chance.
    n = 200
    x = blood_count(noisy(at_rest))[:, 1:]
    assert len(x) == n
    hours = np.array([0.0, *HOURS])
    exact = levels(PACLITAXEL, hours)[1:, -1]
    variance = PACLITAXEL.circ0**2 * relative_variance(PACLITAXEL, hours, at_rest)[1:]
    allowed = (0.001 + 20.0 / at_rest) * exact
    within(x.mean(axis=0), exact, np.sqrt(variance / n), allowed=allowed, what="mean blood count")
    spread(x, variance, what="variance of the blood count")


def test_cells_are_conserved_and_count_is_in_the_unit_of_circ0() -> None:
    series = noisy(1e3)
    assert series["cells"].dtype == np.int64
    assert series["count"].values == pytest.approx(series["cells"].values * (7.21 / 1e3))
    assert check_tallies("series", series) == []
    wrong = series.assign(cells=series["cells"] + (series["time"] > 5.0))
    assert "differs from cells(0)" in check_tallies("series", wrong)[0]
    # What leaves a stage enters the next one; only the last one dies for good, only the first one divides.
    lost, gained = series["lost"].values, series["gained"].values
    assert np.array_equal(lost[..., :-1], gained[..., 1:])
    assert np.all(gained[..., 0] == 0)
    assert np.all(series["births"].values[..., 1:] == 0)
    assert np.all(series["deaths"].values[..., 1:-1] == 0)


@pytest.mark.parametrize("mode", ["ode", "cells"])
def test_the_file_is_valid_and_holds_real_counts(mode: str, tmp_path: Path) -> None:
    overrides = ["experiment=theory/myelosuppression", f"theory.mode={mode}", "theory.replicates=3", "theory.scale=100", "engine.devices=1", "progress=false"]
    simulate([*overrides, f"theory.times_h={HOURS}".replace(" ", "")], folder=tmp_path)
    assert validate(load(tmp_path)) == []
    with h5py.File(tmp_path / "run.h5") as file:
        count = file["series/count"]
        assert count.dtype == np.float64
        assert count.attrs["units"] == "unit of circ0"
        names = [name.decode() for name in file["series/population"][...]]
        assert count[0, 0, 0, names.index("circulating")] == pytest.approx(7.21)
        assert ("cells" in file["series"]) == (mode == "cells")
        assert 30.0 < file["endpoints/circulating_nadir_percent"][0, 0] < 45.0


def test_a_few_cells_may_die_out_and_come_back_from_progenitors() -> None:
    series = simulated(PACLITAXEL._replace(circ0=1.0), HOURS, mode="cells", scale=3.0, replicates=200)
    assert np.all(np.isfinite(series["count"].values))
    assert series["cells"].values.min() == 0


def test_subjects_do_not_depend_on_their_number() -> None:
    few = simulated(PACLITAXEL, HOURS, mode="cells", scale=1e3 / PACLITAXEL.circ0, replicates=3, seed=3)
    assert np.array_equal(few["cells"].values, noisy(1e3)["cells"].values[:, :3])


def test_chances_of_passing_are_poisson() -> None:
    exposure = np.array([1e-6, 0.07, 2.0, 0.0])
    passing, log_staying = chances_of_passing(exposure)
    for i, x in enumerate(exposure[:3]):
        assert np.cumprod(passing[i].astype(float)) == pytest.approx(stats.poisson.sf(np.arange(STAGES), x), rel=1e-5)
    assert np.exp(log_staying.astype(float)) == pytest.approx(1.0 - passing.astype(float), abs=1e-6)
    assert np.all(passing[3] == 0.0)


def test_keys_that_make_no_sense_are_refused() -> None:
    keys = {k: v for k, v in (default("myelosuppression").theory or {}).items() if k != "name"}
    with pytest.raises(InputError, match=r"theory\.scale = 1e-05: circ0 scale"):
        Myelosuppression(**{**keys, "scale": 1e-5})
    with pytest.raises(InputError, match=r"theory\.doses\[0\]"):
        Myelosuppression(**{**keys, "doses": [(0.0, -1.0, 0.0)]})
    with pytest.raises(InputError, match=r"theory\.v2"):
        Myelosuppression(**{**keys, "v2": None})
