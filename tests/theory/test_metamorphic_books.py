"""Books, order in the step, nulls of the full mechanism: metamorphic checks M12-M15 (table in `test_metamorphic.py`)."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import abm
from abm.output.result import RunResult
from abm.verification.step_study import Courses, Numerics, order_of, run_study, study_experiment
from tests import seeds
from tests.false_alarm import student
from tests.theory.test_metamorphic import TINY
from tests.theory_runs import NEVER, run


@functools.cache
def mutated() -> RunResult:
    return abm.simulate([*TINY, f"seed={seeds.seed(7)}"])


def test_m12_books_balance_at_every_saved_time() -> None:
    series = mutated().series
    counted = ("count", "births", "deaths", "gained", "lost")
    for name in counted:
        values = series[name]
        assert values.dtype == np.int64
        assert int(values.min()) >= 0
        if name != "count":
            assert bool((values.diff("time") >= 0).all()), name
            assert int(values.isel(time=0).max()) == 0
    change = series["births"] - series["deaths"] + series["gained"] - series["lost"]
    assert bool((series["count"] - series["count"].isel(time=0) == change).all())
    whole = series["count"].sel(population="leukaemia")
    places = series["count"].sel(population=["leukaemia_marrow", "leukaemia_blood"]).sum("population")
    assert bool((whole == places).all())
    for name in series.data_vars:
        if np.issubdtype(series[name].dtype, np.floating) and name not in ("mtorc1", "isr", "bmf"):
            assert np.isfinite(series[name].values).all(), name


def test_m12_every_mutant_has_a_mother_and_the_genealogy_adds_up() -> None:
    result = mutated()
    series, table = result.series, result.clones
    last = series.isel(time=-1)
    origins = 0
    for (arm, subject), clones in table.groupby(["arm", "subject"]):
        known = clones.set_index("id")
        assert known.index.is_unique
        here = last.sel(arm=arm, subject=subject)
        assert int(clones["count"].sum()) == int(here["count"].sel(population="leukaemia"))
        born = clones[clones["parent"] >= 0]
        mutants = born[born["birth_time_days"] > 0.0]
        for row in born.itertuples():
            mother = known.loc[row.parent]
            # A pooled row bears the day of its first origin.
            assert mother["birth_time_days"] <= row.birth_time_days
            assert row.origins >= 1
        assert (known["parent"] == -1).sum() == 1
        for name in ("bmf_loss", "bcl2_g101v"):
            populations = [p for p in series["population"].values.tolist() if p.endswith(name)]
            assert len(populations) == 1
            of_mechanism = clones[clones["mechanism"] == name]
            assert int(of_mechanism["count"].sum()) == int(here["count"].sel(population=populations[0]))
            # Rows of extinct single mutants are used again, so that the table may know of fewer origins than there were.
            assert int(of_mechanism["origins"].sum()) <= int(here["gained"].sel(population=populations[0]))
        origins += int(mutants["origins"].sum())
    assert origins > 20


@functools.cache
def course(dt: float) -> Courses:
    """Three treatments of 1e12 cells in 16 packets over a day, without packing: counts are free of noise to 1e-6."""
    numerics = Numerics(dt=dt, packets=16)
    return run_study(study_experiment(numerics, arms=("vehicle", "combination", "held"), leukaemias=("bmf_competent",)), numerics, (1.0,))


def test_m13_half_the_step_has_a_quarter_of_the_bias_or_less() -> None:
    """Second order inside cells, under doses by mouth and after a jump; at an hour the promise of 1 %, where terms of opposite sign still meet."""
    names = ("leukaemia", "deaths", "births")
    default, coarse, middle, fine = (course(dt) for dt in (1.0, 0.5, 0.25, 0.125))
    for name in names:
        for arm in (1, 2):
            a, b, c = (x.cells[name][arm, 0, 0] for x in (coarse, middle, fine))
            # Below a thousandth the order says nothing.
            order = float(order_of(np.asarray(a), np.asarray(b), np.asarray(c)))
            assert abs(a / c - 1.0) < 1e-3 or order > 1.5, (name, arm, order, a / c - 1.0)
            # Richardson: what is left at a step of an hour, by the difference of the two finest.
            assert abs(default.cells[name][arm, 0, 0] / (c + (c - b) / 3.0) - 1.0) < 0.01, (name, arm)
        # Nothing but crowding and traffic: the law of births and deaths is exact in the step.
        assert default.cells[name][0, 0, 0] == pytest.approx(fine.cells[name][0, 0, 0], rel=5e-5)


def test_m13_the_law_of_births_and_deaths_does_not_see_the_step() -> None:
    """1e11 cells under a schedule, steps of an hour and of a day: 1e-5 of the mean, where order one would leave 2 %."""
    keys = {"n0": 10**11, "phases": [(3.0, 0.9, 0.2), (4.5, 0.4, 1.6)], "replicates": 1}
    ends = [int(run("birth_death", keys, seed=9, dt_hours=dt, packets=8, packing_hours=NEVER)["count"].isel(time=-1).sum()) for dt in (1.0, 24.0)]
    exact = 1e11 * np.exp(0.7 * 3.0 - 1.2 * 1.5)
    assert ends == pytest.approx([exact, exact], rel=3e-5)


NULL = [
    "cohort.leukaemias=[bmf_null]",
    "cohort.subjects=2",
    "cell.mcl1.loss_fraction=0",
    "cell.amounts.cv=0",
    "leukaemias.bmf_null.traits.bmf_competence_cv=0",
    "leukaemias.bmf_null.traits.set_point_cv=0",
    "leukaemias.bmf_null.growth.quiescent_fraction=0",
    "host.egress_at_half_cd45_per_day=0",
    "host.carrying_capacity=1e30",
    "host.injected_cells=1e11",
    "host.seeding_fraction=1",
    "trial.start_human_cd45_percent=0",
    "trial.treatment_days=6",
    "trial.follow_up_days=6",
    "engine.packets=48",
    "engine.strata=4",
    "readout.cell_snapshot_days=[]",
    "figures=false",
    "progress=false",
]


def log_interaction(*overrides: str) -> np.ndarray:
    """log(N_ab N_0 / (N_a N_b)) of every subject and saved day, the program's own drugs at the doses of the default trial."""
    n = abm.simulate([*NULL, *overrides, f"seed={seeds.seed(13)}"]).series["count"].sel(population="leukaemia").astype(float)
    logs = np.log(n)
    ab, a, b, none = (logs.sel(arm=arm) for arm in ("combination", "venetoclax", "everolimus", "vehicle"))
    # Both drugs work, or the null would be empty.
    assert float((none - a).isel(time=-1).min()) > 0.01
    assert float((none - b).isel(time=-1).min()) > 0.1
    values: np.ndarray = (ab + none - a - b).isel(time=slice(1, None)).values
    return values


def test_m14_without_a_mechanism_of_interaction_there_is_none() -> None:
    """BMF-null, alike, MCL-1 held, no crowding: 1e11 cells, whose noise is below 2e-5 in a log; with MCL-1 that follows mTORC1 it is seen."""
    assert np.abs(log_interaction()).max() < 1e-4
    assert log_interaction("cell.mcl1.loss_fraction=0.3")[:, -1].max() < -1e-2


def test_m15_the_share_of_a_neutral_clone_does_not_drift() -> None:
    """Equal rates, no mutation: the expected share stays 0.3 in growth and in decline.  n = 4000."""
    phases = [(6.0, 0.5, 0.3, 0.5, 0.3), (9.0, 0.3, 0.6, 0.3, 0.6)]
    series = run("resistance", {"s0": 350, "r0": 150, "u": 0.0, "mutation": "one", "phases": phases, "replicates": 4000}, seed=15, packets=8)
    assert int(series["gained"].max()) == 0
    counts = series["count"].sel(arm="theory").astype(float)
    total = counts.sum("population")
    assert int(total.min()) > 0
    share = counts.sel(population="resistant") / total
    for day in (6.0, 9.0):
        x = share.sel(time=day, method="nearest").values
        student(x, 0.3, what=f"share on day {day:g}")
        assert 0.02 < x.std() < 0.1


@pytest.mark.usefixtures("optimised")
def test_m15_a_neutral_subclone_keeps_its_share_under_treatment() -> None:
    """In the full mechanism: the subclone of 30 % differs in nothing but its name.  200 twins; 0.5 % for shares of few packets."""
    neutral = [f"leukaemias.bmf_competent.subclones.bmf_null.{key}" for key in ("fraction=0.3", "bmf_competence_factor=1")]
    overrides = ["cohort.subjects=200", "host.injected_cells=2000", "host.seeding_fraction=1", "trial.start_human_cd45_percent=0", *neutral]
    overrides += ["cohort.leukaemias=[bmf_competent]", "trial.treatment_days=4", "trial.follow_up_days=4", "readout.interval_hours=96", "engine.packets=64"]
    overrides += ["engine.strata=4", "readout.cell_snapshot_days=[]", "figures=false", "progress=false", "arms=none"]
    overrides += ["+arms.vehicle={regimen: vehicle}", "+arms.combination={regimen: combination}"]
    counts = abm.simulate([*overrides, f"seed={seeds.seed(16)}"]).series["count"].astype(float)
    clone = next(p for p in counts["population"].values.tolist() if p.endswith("bmf_null"))
    share = counts.sel(population=clone) / counts.sel(population="leukaemia")
    for arm in ("vehicle", "combination"):
        x = share.sel(arm=arm)
        student((x.isel(time=-1) - x.isel(time=0)).values, 0.0, allowed=0.005, what=arm)
        student(x.isel(time=-1).values, 0.3, allowed=0.005, what=arm)
    assert float((counts.sel(arm="combination") / counts.sel(arm="vehicle")).sel(population="leukaemia").isel(time=-1).median()) < 0.6
