"""The dose matrix from end to end: invariances to the bit, wash-out, the twin, the file, the figures."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.errors import InputError, Stopped
from abm.output.result import RunResult
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment

# Sums of wells and plates are alike, so that runs share what they can of a compiled program: 4 wells x 3 plates, 6 x 2.
SMALL = ["experiment=dose_matrix", "cohort.leukaemias=[bmf_competent]", "dose_matrix.hours=24", "engine.packets=128", "engine.devices=1"]
FOUR = ["dose_matrix.doses_a_nm=[100]", "dose_matrix.doses_b_nm=[3]", "cohort.subjects=3"]
SIX = ["dose_matrix.doses_a_nm=[0,30,100]", "dose_matrix.doses_b_nm=[3]", "cohort.subjects=2"]
UNTREATED, A, B, BOTH = "untreated", "venetoclax 100 nM", "everolimus 3 nM", "venetoclax 100 nM + everolimus 3 nM"


@functools.cache
def run(*overrides: str) -> RunResult:
    cfg = compose([*SMALL, *overrides])
    experiment = build(cfg)
    return run_experiment(experiment, Context(config_yaml=stored_yaml(cfg, experiment)))


def base() -> RunResult:
    return run(*FOUR)


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=str(name))


def test_further_doses_and_plates_change_no_other_well() -> None:
    """Three plates of four wells, two plates of six: the wells that both have are equal to the bit, their readings too."""
    few, many = base(), run(*SIX)
    wells = {"arm": [UNTREATED, A, B, BOTH], "subject": ["bmf_competent-001", "bmf_competent-002"]}
    assert_same(few.series.sel(wells), many.series.sel(wells))
    assert_same(few.endpoints.sel(wells), many.endpoints.sel(wells))
    assert few.dose_matrix is not None
    assert many.dose_matrix is not None
    doses = {"dose_a": [0.0, 100.0], "replicate": [1, 2]}
    np.testing.assert_array_equal(few.dose_matrix["viability"].sel(replicate=[1, 2]).values, many.dose_matrix["viability"].sel(doses).values)


def test_a_well_without_drug_knows_nothing_of_the_drugs_of_the_others() -> None:
    """Another second drug: untreated wells and those of the first drug are the same to the bit."""
    other = run(*FOUR, "dose_matrix.drug_b=navitoclax").series
    for arm in (UNTREATED, A):
        np.testing.assert_array_equal(base().series["count"].sel(arm=arm).values, other["count"].sel(arm=arm).values)


def test_wells_of_a_plate_are_twins_and_plates_differ() -> None:
    count = base().series["count"].sel(population="leukaemia")
    assert len(np.unique(count.isel(time=0))) == 1  # the cells that were plated
    assert len(np.unique(count.sel(arm=UNTREATED).isel(time=-1))) == 3
    # A drug that does nothing leaves each plate as it is without, to the bit.
    idle = run(*FOUR, "drugs.everolimus.targets.mtorc1.max_inhibition=0").series["count"]
    np.testing.assert_array_equal(idle.sel(arm=B).values, idle.sel(arm=UNTREATED).values)
    np.testing.assert_array_equal(idle.sel(arm=BOTH).values, idle.sel(arm=A).values)


def test_wells_of_a_parallel_design_have_cells_of_their_own() -> None:
    idle = run(*FOUR, "cohort.design=parallel", "drugs.everolimus.targets.mtorc1.max_inhibition=0").series["count"].sel(population="leukaemia").isel(time=-1)
    assert not np.array_equal(idle.sel(arm=B).values, idle.sel(arm=UNTREATED).values)


def test_concentrations_stay_until_they_are_washed_out() -> None:
    held, washed = base(), run(*FOUR, "dose_matrix.washout_h=12", "readout.interval_hours=12")
    concentration = held.series["concentration"].sel(arm=BOTH).values
    np.testing.assert_allclose(concentration, np.broadcast_to([3.0, 100.0], concentration.shape), rtol=1e-12)
    assert washed.series["time"].values.tolist() == [0.0, 0.5, 1.0]
    assert not washed.series["concentration"].isel(time=slice(1, None)).values.any()
    np.testing.assert_array_equal(held.endpoints["viable_cells"].sel(arm=UNTREATED).values, washed.endpoints["viable_cells"].sel(arm=UNTREATED).values)
    for arm in (A, BOTH):
        assert (washed.endpoints["viability"].sel(arm=arm) > held.endpoints["viability"].sel(arm=arm)).all()
    # Everolimus is bound tightly (half-time 36 h): half a day after the wash-out mTORC1 is still blocked.
    assert (washed.endpoints["mtorc1_mean"].sel(arm=B) < 0.6 * washed.endpoints["mtorc1_mean"].sel(arm=UNTREATED)).all()


def test_packets_agree_with_the_twin() -> None:
    """Viability and division of three plates of 128 packets within what few packets scatter."""
    from tests.theory.dish_twin import culture, dish

    wells = [("bmf_competent", a, b) for a in (0.0, 100.0) for b in (0.0, 3.0)]
    out = culture(dish(*SMALL[1:], *FOUR), wells)
    found = base().endpoints.sel(arm=[UNTREATED, B, A, BOTH])
    np.testing.assert_allclose(found["viable_cells"].mean("subject"), out.viable, rtol=0.05)
    np.testing.assert_allclose(found["division_per_day"].mean("subject"), out.division, rtol=0.03)


def test_what_a_well_shows() -> None:
    result = base()
    found, series = result.endpoints, result.series
    last = series.isel(time=-1)
    np.testing.assert_array_equal(found["viable_cells"].values, last["count"].sel(population="leukaemia").values)
    np.testing.assert_allclose(
        found["cycling_share"].values, (last["count"].sel(population="leukaemia_cycling") / last["count"].sel(population="leukaemia")).values
    )
    assert (found["viability"].sel(arm=UNTREATED) == 1.0).all()
    deaths = last["deaths"].sel(population="leukaemia").values
    np.testing.assert_allclose(found["dead_share"].values, deaths / (deaths + found["viable_cells"].values))
    # The means lie among the quantiles over cells.
    for name, mean in (("mtorc1", "mtorc1_mean"), ("isr", "isr_mean"), ("bmf", "bmf_mean")):
        assert (found[mean].values >= last[name].sel(quantile=0.05).values).all()
        assert (found[mean].values <= last[name].sel(quantile=0.95).values).all()
    assert (found["bmf_mean"].sel(arm=B) > 5.0 * found["bmf_mean"].sel(arm=UNTREATED)).all()


def test_the_result_is_valid_is_read_again_and_opens_with_xarray(tmp_path: Path) -> None:
    from abm.output.reader import load
    from abm.output.validate import validate
    from abm.output.writer import write_run

    result = run(*SIX)
    path = write_run(result, tmp_path)
    loaded = load(path)
    assert validate(loaded) == []
    assert result.dose_matrix is not None
    xr.testing.assert_equal(loaded.dose_matrix, result.dose_matrix)
    with xr.open_dataset(path, group="dose_matrix", engine="h5netcdf") as opened:
        assert opened["viability"].dims == ("leukaemia", "dose_a", "dose_b", "replicate")
        assert opened["dose_a"].attrs["units"] == "nmol/L"
        assert opened["dose_a"].values.tolist() == [0.0, 30.0, 100.0]
        assert all("units" in v.attrs for v in opened.data_vars.values())
    bliss = loaded.summary["dose_matrix"]["bmf_competent"]["excess"]["bliss"]
    assert bliss["low"] <= bliss["largest"] <= bliss["high"]
    assert set(bliss["at_nm"]) == {"venetoclax", "everolimus"}
    from abm.output.inspect import describe

    assert "everolimus (nmol/L) across" in "\n".join(describe(loaded))
    # Two concentrations make no curve: what needs one is null.
    assert loaded.summary["dose_matrix"]["bmf_competent"]["excess"]["loewe"]["largest"] is None


def test_a_forecast_counts_wells_packets_and_memory() -> None:
    from abm.launch.forecast_text import forecast_lines
    from abm.studies.forecast import forecast_experiment

    forecast = forecast_experiment(build(compose([*SMALL, *SIX])))
    assert forecast.size == "3 x 2 wells x 1 leukaemias x 2 plates (twin) = 12 rows"
    assert forecast.packets is not None
    assert forecast.packets.rows == run(*SIX).endpoints["viability"].size
    assert forecast.memory is not None
    assert forecast.memory.state > 12 * 128 * 8
    assert not forecast.refused
    assert "ok: nothing stands against this run" in forecast_lines(forecast)


def test_draws_too_far_apart_for_cells_that_grow_as_in_the_dish_are_refused() -> None:
    with pytest.raises(InputError, match=r"engine.window_hours = 24: too long for leukaemia 'bmf_competent'"):
        run(*FOUR, "engine.window_hours=24", "dose_matrix.growth.net_per_day=1.2")


def test_a_dose_matrix_can_be_stopped() -> None:
    cfg = compose([*SMALL, *FOUR])
    experiment = build(cfg)
    with pytest.raises(Stopped, match="a dose matrix begins again from 0 h"):
        run_experiment(experiment, Context(should_stop=lambda: True))
