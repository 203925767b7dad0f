"""The trial as a whole: reproducible, resumable, counted to the cell, independent of company."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.endpoints.crossing import first_crossing
from abm.errors import InputError, Stopped
from abm.output.reader import load
from abm.output.result import RunResult
from abm.output.validate import validate
from abm.output.writer import write_run
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment

TINY = [
    "cohort.subjects=1",
    "cohort.leukaemias=[bmf_competent]",
    "engine.packets=48",
    "engine.strata=4",
    "trial.start_human_cd45_percent=0.05",
    "trial.treatment_days=3",
    "trial.follow_up_days=4",
    "readout.cell_snapshot_days=[0,3]",
    "progress=false",
]


def run_with(overrides: list[str], folder: Path | None = None, *, stop: Callable[[], bool] = lambda: False, resume: bool = False) -> RunResult:
    cfg = compose([*TINY, *overrides])
    experiment = build(cfg)
    context = Context(folder=folder, should_stop=stop, config_yaml=stored_yaml(cfg, experiment), resume=resume)
    return run_experiment(experiment, context)


@functools.cache
def base() -> RunResult:
    return run_with([])


def assert_same_series(a: xr.Dataset, b: xr.Dataset) -> None:
    for name in a.data_vars:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


class StopAfter:
    """Says stop at the n-th question."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("phase", ["lead-in", "trial"])
def test_a_stopped_run_continues_to_the_same_bits(tmp_path: Path, phase: str) -> None:
    whole = base()
    with pytest.raises(Stopped, match=phase):
        run_with([], tmp_path, stop=StopAfter(5 if phase == "lead-in" else lead_in_questions() + 1))
    assert (tmp_path / "checkpoint.npz").exists()
    continued = run_with([], tmp_path, resume=True)
    assert_same_series(whole.series, continued.series)
    assert whole.lead_in is not None
    assert continued.lead_in is not None
    assert_same_series(whole.lead_in, continued.lead_in)


def test_visits_are_looked_at_and_change_nothing(tmp_path: Path) -> None:
    visited = run_with(["readout.mrd_days=[1.5]"])
    assert 1.5 in visited.series["time"].values
    assert_same_series(base().series, visited.series.sel(time=base().series["time"].values))
    assert validate(load(write_run(visited, tmp_path))) == []
    assert not [name for name in visited.endpoints if str(name).startswith("mrd")]  # no assay of marrow in mice


def test_pauses_between_rare_looks_change_nothing(tmp_path: Path) -> None:
    """Looks every second day, pauses every day: the same cells, and a run that is stopped between two looks continues."""
    rare = ["readout.interval_hours=48"]
    with pytest.raises(Stopped, match=r"day 3\.0 of the trial"):
        run_with(rare, tmp_path, stop=StopAfter(lead_in_questions() + 2))
    continued = run_with(rare, tmp_path, resume=True)
    days = continued.series["time"].values
    assert days.tolist() == [0.0, 2.0, 4.0]
    assert_same_series(base().series.sel(time=days), continued.series)


def lead_in_questions() -> int:
    """How often the lead-in asks whether to stop: at the end of every window of half a day."""
    randomised = base().events.query("kind == 'randomised'")["value"]
    return round(2.0 * float(randomised.max()))


def test_same_command_twice_gives_identical_data() -> None:
    again = run_with([])
    assert_same_series(base().series, again.series)
    assert_same_series(base().endpoints.drop_vars("relapse_clone"), again.endpoints.drop_vars("relapse_clone"))


def test_more_subjects_leave_the_first_ones_unchanged() -> None:
    """So many that the trial runs in a batch for each arm, with the program of the lead-in."""
    more = run_with(["cohort.subjects=8"]).series
    assert_same_series(base().series, more.isel(subject=slice(0, 1)))
    assert not np.array_equal(more["count"].values[:, 0], more["count"].values[:, 1])


def test_an_added_renamed_or_removed_arm_leaves_the_others_unchanged() -> None:
    other = run_with(["+arms.a_third={regimen: venetoclax}", "~arms.everolimus"]).series
    shared = ["vehicle", "venetoclax", "combination"]
    assert_same_series(base().series.sel(arm=shared), other.sel(arm=shared))
    np.testing.assert_array_equal(other["count"].sel(arm="a_third").values, other["count"].sel(arm="venetoclax").values)


def test_zero_dose_is_the_vehicle_to_the_bit() -> None:
    zero = run_with(["regimens.venetoclax.events.0.amount=0"]).series
    np.testing.assert_array_equal(zero["count"].sel(arm="venetoclax").values, zero["count"].sel(arm="vehicle").values)


def test_parallel_design_gives_every_arm_its_own_subjects() -> None:
    series = run_with(["cohort.design=parallel"]).series
    start = series["count"].sel(population="leukaemia").isel(time=0).values
    assert len(np.unique(start)) == start.size


def test_every_cell_is_accounted_for() -> None:
    series = base().series
    change = series["births"] - series["deaths"] + series["gained"] - series["lost"]
    np.testing.assert_array_equal((series["count"] - series["count"].isel(time=0)).values, change.values)
    by_place = series["count"].sel(population=["leukaemia_marrow", "leukaemia_blood"]).sum("population")
    np.testing.assert_array_equal(by_place.values, series["count"].sel(population="leukaemia").values)
    assert int(series["births"].sel(population="leukaemia").isel(time=-1).min()) > 0


def test_a_subject_that_never_qualifies_is_an_event_and_not_an_error(tmp_path: Path) -> None:
    result = run_with(["trial.start_human_cd45_percent=20", "trial.lead_in_max_days=2"])
    assert set(result.events["kind"]) == {"not_randomised"}
    assert np.isnan(result.series["human_cd45_fraction"].values).all()
    assert not result.series["count"].values.any()
    from abm.output.reader import load
    from abm.output.validate import validate

    assert validate(load(write_run(result, tmp_path))) == []


def test_result_is_valid_and_opens_with_xarray(tmp_path: Path) -> None:
    from abm.output.reader import load
    from abm.output.validate import validate

    path = write_run(base(), tmp_path)
    assert validate(load(path)) == []
    with xr.open_dataset(path, group="series", engine="h5netcdf") as opened:
        assert opened["count"].dims == ("arm", "subject", "time", "population")
        assert all("units" in v.attrs for v in opened.data_vars.values())


def test_a_window_too_long_for_the_sampler_is_refused_with_the_longest_that_fits() -> None:
    with pytest.raises(InputError, match=r"engine.window_hours = 12: too long for leukaemia 'bmf_competent'.* at most 9\."):
        run_with(["leukaemias.bmf_competent.growth.net_per_day=1.5"])


def test_first_crossing_is_log_linear_between_looks() -> None:
    days, curve = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 100.0])
    assert first_crossing(days, curve, 10.0, rising=True) == pytest.approx(1.5)
    assert np.isnan(first_crossing(days, curve, 1000.0, rising=True))
    assert first_crossing(days, curve, 1.0, rising=True) == 0.0
    assert first_crossing(days, np.array([100.0, 1.0, 0.0]), 0.0, rising=False) == pytest.approx(2.0)
