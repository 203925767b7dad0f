"""The chain of claims emerges from the packet engine in small trials.

Nothing in the code knows these claims; the thresholds are those that the model was
calibrated to (`abm/guides/model.md`).  Small cohorts: three mice per arm at 256 packets,
so a claim is tested on medians, far from its threshold or with the distance stated.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import xarray as xr

import abm

pytestmark = pytest.mark.usefixtures("optimised")

SMALL = ("cohort.subjects=3", "engine.packets=256", "trial.follow_up_days=22", "figures=false", "progress=false", "readout.cell_snapshot_days=[]")


@functools.cache
def run(*overrides: str) -> xr.Dataset:
    result = abm.simulate([*SMALL, *overrides])
    return result.series.assign(result.endpoints.data_vars)


def reduction(data: xr.Dataset, leukaemia: str) -> dict[str, float]:
    """Median log10 reduction at the end of treatment in each arm."""
    here = data["leukaemia"].values == leukaemia
    values = data["log10_reduction_at_end_of_treatment"].values[:, here]
    return dict(zip(data["arm"].values.tolist(), np.median(values, axis=1).tolist(), strict=True))


def extra_kill(data: xr.Dataset, leukaemia: str) -> float:
    """Log10 cells that the combination removes beyond everolimus."""
    r = reduction(data, leukaemia)
    return r["combination"] - r["everolimus"]


def test_combination_beats_each_drug_and_the_vehicle_in_competent_leukaemia() -> None:
    r = reduction(run(), "bmf_competent")
    assert r["combination"] > r["everolimus"] > r["vehicle"]
    assert r["combination"] > r["venetoclax"] > r["vehicle"] - 0.05


def test_combination_leaves_less_than_a_tenth_of_the_vehicles_human_cells_in_blood() -> None:
    data = run()
    here = data["leukaemia"].values == "bmf_competent"
    end = data["human_cd45_fraction"].sel(time=21.0, method="nearest").isel(subject=np.flatnonzero(here))
    ratio = end.sel(arm="combination") / end.sel(arm="vehicle")
    assert float(ratio.median()) < 0.10


def test_combination_exceeds_bliss_by_more_than_a_third_of_a_log() -> None:
    r = reduction(run(), "bmf_competent")
    kill = {arm: value - r["vehicle"] for arm, value in r.items()}
    assert kill["combination"] - (kill["venetoclax"] + kill["everolimus"]) > 0.3


def test_bmf_null_leukaemia_loses_four_fifths_of_the_extra_kill() -> None:
    data = run()
    assert extra_kill(data, "bmf_null") < 0.2 * extra_kill(data, "bmf_competent")


def test_without_the_stress_response_at_least_half_of_the_extra_kill_is_lost() -> None:
    without = run("cell.stress.gain=0", "cohort.leukaemias=[bmf_competent]", "~arms.vehicle", "~arms.venetoclax")
    assert extra_kill(without, "bmf_competent") < 0.5 * extra_kill(run(), "bmf_competent")


def test_etp_like_leukaemia_answers_to_venetoclax_alone_by_day_14() -> None:
    data = run()
    here = np.flatnonzero(data["leukaemia"].values == "etp_like")
    cells = data["count"].sel(population="leukaemia").sel(time=14.0, method="nearest")
    log_cells = np.log10(cells.isel(subject=here).astype(float))
    assert float((log_cells.sel(arm="vehicle") - log_cells.sel(arm="venetoclax")).median()) >= 1.0


def test_venetoclax_alone_hardly_prolongs_survival_in_typical_leukaemia() -> None:
    data = run()
    here = np.flatnonzero(data["leukaemia"].values == "bmf_competent")
    day = data["event_day"].isel(subject=here)
    assert bool(data["event_observed"].isel(subject=here).sel(arm=["vehicle", "venetoclax"]).all())
    assert float(day.sel(arm="venetoclax").median() / day.sel(arm="vehicle").median()) <= 1.3


def test_everolimus_alone_about_doubles_survival() -> None:
    data = run()
    here = np.flatnonzero(data["leukaemia"].values == "bmf_competent")
    day = data["event_day"].isel(subject=here)
    assert 1.5 <= float(day.sel(arm="everolimus").median() / day.sel(arm="vehicle").median()) <= 2.5


@functools.cache
def healthy() -> xr.Dataset:
    result = abm.simulate(["experiment=healthy_mice", "cohort.subjects=2", "engine.packets=256", "trial.follow_up_days=45", "figures=false", "progress=false"])
    return result.endpoints


@pytest.mark.parametrize("count", ["neutrophils", "platelets"])
def test_combination_is_mild_on_healthy_blood_and_blood_recovers(count: str) -> None:
    endpoints = healthy().sel(arm="combination")
    assert float(endpoints[f"{count}_nadir_percent"].min()) >= 60.0
    assert float(endpoints[f"{count}_recovery_day"].max()) <= 21.0 + 21.0


def test_navitoclax_drops_platelets_and_venetoclax_does_not() -> None:
    nadir = healthy()["platelets_nadir_percent"]
    assert float(nadir.sel(arm="navitoclax").max()) < 60.0 < 90.0 < float(nadir.sel(arm="venetoclax").min())
