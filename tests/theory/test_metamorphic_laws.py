"""Runs whose laws or curves are related: metamorphic checks M4, M8-M11 (table in `test_metamorphic.py`)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import xarray as xr

import abm
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from abm.verification.exact_branching import branching_law
from abm.verification.noise import residuals
from abm.verification.tests_of_chance import check_law, check_mean, check_variance
from tests import seeds
from tests.false_alarm import greater, holds, proportion, within
from tests.theory_runs import NEVER, default, run

PULSED = [(7.0, 0.5, 0.2), (14.0, 0.5, 1.1), (21.0, 0.5, 0.2), (28.0, 0.5, 1.1)]
DOSES = ["venetoclax", "everolimus"]
TRIAL = [
    "cohort.leukaemias=[bmf_competent]",
    "engine.packets=48",
    "engine.strata=4",
    "host.injected_cells=1e6",
    "host.seeding_fraction=1",
    "trial.start_human_cd45_percent=0",
    "trial.treatment_days=4",
    "trial.follow_up_days=4",
    "readout.interval_hours=96",
    "readout.cell_snapshot_days=[]",
    "figures=false",
    "progress=false",
]


def trial(*overrides: str) -> xr.Dataset:
    """24 subjects, in every test: rows of one number share a compiled program."""
    return abm.simulate([*TRIAL, *overrides, "cohort.subjects=24", f"seed={seeds.seed(1)}"]).series


@pytest.mark.usefixtures("optimised")
def test_m04_neighbouring_seeds_and_subjects_have_nothing_in_common() -> None:
    """Residuals of 200 subjects over 20 intervals, seeds s and s + 1: equal rows, and correlations of normal numbers."""
    b, d, interval, n0 = 0.5, 0.5, 0.25, 2000
    seed = seeds.seed(3)
    keys: dict[str, Any] = {"n0": n0, "phases": [(5.0, b, d)], "replicates": 200}
    base = default("birth_death")
    counts = []
    for s in (seed, seed + 1):
        experiment = dataclasses.replace(
            base,
            seed=s,
            theory={**(base.theory or {}), **keys},
            engine=dataclasses.replace(base.engine, devices=1, packets=32),
            readout=dataclasses.replace(base.readout, interval_hours=24.0 * interval),
        )
        counts.append(run_experiment(experiment, Context()).series["count"].sel(arm="theory", population="cells").values)
    both = np.concatenate(counts)
    assert len(np.unique(both[:, 1:], axis=0)) == len(both)
    one, other = (residuals(c.astype(float), b, d, interval) for c in counts)
    assert np.isfinite(one).all()
    pairs = {
        "seed and next seed": (one, other),
        "subject and next subject": (one[:-1], one[1:]),
        "interval and next interval": (one[:, :-1], one[:, 1:]),
        "subject and next subject of next seed": (one[:-1], other[1:]),
    }
    for what, (x, y) in pairs.items():
        # Residuals have mean 0 and variance 1, so that their product has standard deviation 1.
        within(np.mean(x * y), 0.0, 1.0 / np.sqrt(x.size), what=what)
    within(np.mean(one**2), 1.0, np.sqrt(2.0 / one.size), what="variance of the residuals")


def test_m08_twice_the_dose_kills_more_of_both_kinds() -> None:
    """Twins under a half, a whole and a double combination: leukaemia and neutrophils fall from arm to arm in the mean."""
    events = {"half": 0.5, "whole": 1.0, "double": 2.0}
    amounts = {"venetoclax": 100.0, "everolimus": 4.0}

    def regimen(factor: float) -> str:
        one = [
            f"{{drug: {drug}, day: 0, amount: {amounts[drug] * factor}, amount_unit: mg_per_kg, duration_h: 0, interval_days: 1, additional: 3, skip_days: []}}"
            for drug in DOSES
        ]
        return f"{{label: x, events: [{', '.join(one)}]}}"

    overrides = [f"+regimens.{name}={regimen(factor)}" for name, factor in events.items()]
    overrides += ["arms=none", *(f"+arms.{name}={{regimen: {name}}}" for name in events)]
    series = trial(*overrides)
    end = series.isel(time=-1)
    log_cells = np.log(end["count"].sel(population="leukaemia").astype(float))
    blood = end["neutrophils"]
    for less, more in (("half", "whole"), ("whole", "double")):
        greater(log_cells.sel(arm=less) - log_cells.sel(arm=more), what=f"leukaemia, {less} over {more}")
        greater(blood.sel(arm=less) - blood.sel(arm=more), what=f"neutrophils, {less} over {more}")


EVEROLIMUS: dict[str, Any] = {"cl": 17.4, "v1": 25.2, "q": 51.1, "v2": 400.0, "ka": 0.647, "f": 0.7, "lag": 0.3}
INFUSED: dict[str, Any] = {"cl": 285.0, "v1": 290.0, "q": 204.0, "v2": 1000.0, "ka": None, "f": 1.0, "lag": 0.0}
HOURS = [1.0, 3.0, 5.5, 12.0, 24.0, 25.2, 36.0, 50.0]


def curve(pk: dict[str, Any], doses: list[tuple[float, float, float]], hours: list[float], dt_hours: float = 1.0) -> np.ndarray:
    series = run("pharmacokinetics", {**pk, "doses": doses, "times_h": hours}, dt_hours=dt_hours)
    at = series["concentration"].sel(arm="theory", subject="0", drug="drug")
    values: np.ndarray = at.sel(time=np.array(hours) / 24.0, method="nearest", tolerance=1e-9).values
    assert values.max() > 0.0
    return values


@pytest.mark.parametrize("pk", [EVEROLIMUS, {**EVEROLIMUS, "ka": None, "lag": 0.0}], ids=["oral", "bolus"])
def test_m09_one_dose_is_two_halves_at_one_time(pk: dict[str, Any]) -> None:
    whole = curve(pk, [(0.0, 10.0, 0.0), (24.0, 4.0, 0.0)], HOURS)
    halves = curve(pk, [(0.0, 5.0, 0.0), (24.0, 1.0, 0.0), (0.0, 5.0, 0.0), (24.0, 3.0, 0.0)], HOURS)
    assert halves == pytest.approx(whole, rel=1e-6)


def test_m09_one_infusion_is_two_halves_one_after_the_other() -> None:
    whole = curve(INFUSED, [(0.5, 410.0, 5.0)], HOURS)
    assert curve(INFUSED, [(0.5, 205.0, 2.5), (3.0, 205.0, 2.5)], HOURS) == pytest.approx(whole, rel=1e-6)
    # Two half as strong at once, too.
    assert curve(INFUSED, [(0.5, 205.0, 5.0), (0.5, 205.0, 5.0)], HOURS) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("shift", [7.0, 0.37])
def test_m09_a_shifted_schedule_shifts_the_curve(shift: float) -> None:
    """By whole steps, and by a part of one."""
    doses = [(0.0, 10.0, 0.0), (3.2, 10.0, 2.0), (24.0, 4.0, 0.0)]
    pk = {**EVEROLIMUS, "ka": None}
    shifted = [(t + shift, amount, duration) for t, amount, duration in doses]
    assert curve(pk, shifted, [t + shift for t in HOURS]) == pytest.approx(curve(pk, doses, HOURS), rel=1e-6)


def test_m10_units_of_time_change_no_law() -> None:
    """The same process with 24 days for each hour: n = 4000 subjects against the law in the other unit."""
    hours = [(24.0 * end, b / 24.0, d / 24.0) for end, b, d in PULSED]
    x = run("birth_death", {"n0": 20, "phases": hours, "replicates": 4000}, seed=11, dt_hours=576.0, packets=8, packing_hours=NEVER)
    counts = x["count"].sel(arm="theory", population="cells").isel(time=-1).values
    law = branching_law(PULSED, 20)
    holds(check_mean("mean", counts, law.mean, law.variance, law.log_moment), check_law("distance of the law", counts, law.probabilities))
    proportion(int((counts == 0).sum()), counts.size, law.extinct, what="extinct")


def test_m10_units_of_amount_change_nothing() -> None:
    """Doses, volumes and clearances times 4 are the same concentrations, so that every cell is the same to the bit."""
    kinetics = ("clearance_l_per_h", "central_volume_l", "intercompartmental_l_per_h", "peripheral_volume_l")
    cfg = abm.compose(TRIAL)
    overrides = [f"drugs.{drug}.pharmacokinetics.mouse.{key}={4.0 * cfg.drugs[drug].pharmacokinetics.mouse[key]!r}" for drug in DOSES for key in kinetics]
    overrides += [f"regimens.combination.events.{i}.amount={4.0 * cfg.regimens.combination.events[i].amount!r}" for i in range(2)]
    arms = ["arms=none", "+arms.vehicle={regimen: vehicle}", "+arms.combination={regimen: combination}"]
    one, four = trial(*arms), trial(*arms, *overrides)
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, four[name].values, err_msg=str(name))
    end = one["count"].isel(time=-1).sel(population="leukaemia")
    assert (end.sel(arm="combination") < 0.8 * end.sel(arm="vehicle")).all()


def resistant_at(n_detect: int, u: float, seed: int) -> np.ndarray:
    base = default("detection")
    theory = {**(base.theory or {}), "replicates": 1000, "n_detect": n_detect, "u": u}
    experiment = dataclasses.replace(base, seed=seeds.seed(seed), theory=theory, engine=dataclasses.replace(base.engine, devices=1, dt_hours=24.0))
    values: np.ndarray = run_experiment(experiment, Context()).series["count"].sel(population="resistant", arm="theory").isel(time=-1).values
    return values


@pytest.mark.usefixtures("optimised")
def test_m11_resistance_depends_on_cells_times_rate() -> None:
    """A tenth of the cells at ten times the rate: P(any resistant cell) is that of 1e4 cells in `test_detection.py`, and again at a hundredth.

    1000 subjects each.  The formula is that of many cells (Iwasa, Nowak and Michor 2006): a thousand leave 0.01, a hundred 0.03.
    """
    for n_detect, allowed, seed in ((1_000, 0.01, 22), (100, 0.03, 23)):
        happened = resistant_at(n_detect, 0.42 / n_detect, seed) > 0
        proportion(int(happened.sum()), happened.size, 0.52612, allowed=allowed)


@pytest.mark.parametrize("packets", [1, 4, 20])
def test_m11_the_weight_of_a_packet_changes_neither_mean_nor_variance(packets: int) -> None:
    """20 cells in 1, 4 and 20 packets: weights of 20, 5 and 1 have one law.  n = 4000."""
    x = run("birth_death", {"n0": 20, "phases": PULSED[:2], "replicates": 4000}, seed=30 + packets, dt_hours=24.0, packets=packets, packing_hours=24.0)
    counts = x["count"].sel(arm="theory", population="cells").isel(time=-1).values
    law = branching_law(PULSED[:2], 20)
    holds(
        check_mean("mean", counts, law.mean, law.variance, law.log_moment),
        check_variance("variance", counts, law.probabilities),
        check_law("distance of the law", counts, law.probabilities),
    )
