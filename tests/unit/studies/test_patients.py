"""Patients: who takes part, the start at a burden, mutants that are there by then, coarse steps where no drug acts."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import xarray as xr

from abm.biology.proliferation import balanced_growth, net_rate
from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.errors import InputError
from abm.models.individuals import factor_of, individual, varied_names
from abm.models.xenograft_setup import clone_layout, clone_means, factors_of
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.records import enable_pytrees
from abm.streams import subject_key
from abm.studies.checkpointing import Keeper
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from abm.studies.grids import lead_in_grid, off_drug_hours, trial_grid
from abm.studies.lead_in import LeadIn, run_lead_in, start_burdens
from abm.studies.trial import subjects_of
from tests import false_alarm

SHARES = {"bmf_competent": 0.6, "bmf_null": 0.3, "etp_like": 0.1}
MIX = [f"+cohort.mix.{name}={share}" for name, share in SHARES.items()]
# A leukaemia of a patient in a body that has one lineage of blood, and room for a billion cells.
GROWING = [
    "~lineages.mouse_platelet",
    "~lineages.mouse_erythrocyte",
    "cohort.leukaemias=[patient_typical_bmf_null]",
    "host.injected_cells=0",
    "host.carrying_capacity=1e9",
    "trial.start_rule=burden",
    "trial.lead_in_max_days=3650",
    "engine.off_drug_dt_hours=12",
    "engine.packets=32",
    "engine.strata=4",
]


def experiment(*overrides: str) -> Experiment:
    return build(compose(list(overrides)))


def grown(*overrides: str) -> tuple[Experiment, LeadIn]:
    """Lead-in of all subjects."""
    enable_pytrees()
    e = experiment(*GROWING, *overrides)
    return e, run_lead_in(e, subjects_of(e), clone_layout(e), Context(), Keeper(Context(), 60.0))


# Who takes part.


def test_a_mix_gives_its_shares_and_a_larger_cohort_begins_with_the_smaller_one() -> None:
    small, large = subjects_of(experiment(*MIX, "cohort.subjects=50")), subjects_of(experiment(*MIX, "cohort.subjects=2000"))
    assert large.leukaemias[:50] == small.leukaemias
    assert large.labels[:50] == small.labels
    np.testing.assert_array_equal(large.keys[:50], small.keys)
    assert len({tuple(key) for key in large.keys.tolist()}) == 2000
    for name, share in SHARES.items():
        false_alarm.proportion(large.leukaemias.count(name), 2000, share, what=f"share of {name}")


def test_arms_of_a_parallel_design_are_stratified_by_leukaemia_and_their_subjects_are_their_own() -> None:
    e = experiment(*MIX, "cohort.subjects=40", "cohort.design=parallel")
    table, arms = subjects_of(e), len(e.arms)
    assert table.leukaemias == table.leukaemias[:40] * arms
    assert len({tuple(key) for key in table.keys.tolist()}) == 40 * arms


def test_the_leukaemias_of_a_cohort_are_those_of_its_mix() -> None:
    e = experiment("+cohort.mix.etp_like=1.0", "cohort.subjects=3")
    assert list(e.cohort.leukaemias) == list(e.leukaemias) == ["etp_like"]
    assert e.cohort.size == 3
    assert experiment("cohort.subjects=3").cohort.size == 9


def test_factors_have_mean_one_their_cv_and_keys_of_their_own() -> None:
    keys = [subject_key(1, "someone", i) for i in range(2000)]
    draws = {name: np.array([factor_of(key, f"variability/{name}", 0.3) for key in keys]) for name in varied_names()}
    for name, factors in draws.items():
        false_alarm.student(factors, 1.0, what=f"mean factor of {name}")
        logs = np.log(factors)
        false_alarm.spread(logs, np.log1p(0.3**2), what=f"variance of the log factor of {name}")
    names = list(draws)
    correlation = np.corrcoef(np.log([draws[name] for name in names]))[np.triu_indices(len(names), 1)]
    false_alarm.within(correlation, 0.0, 1.0 / np.sqrt(len(keys)), what="correlation of factors of two names")


def test_a_further_quantity_that_varies_changes_no_other() -> None:
    one, both = experiment("cohort.variability.bim=0.2"), experiment("cohort.variability.bim=0.2", "cohort.variability.growth=0.5")
    for key in subjects_of(one).keys:
        a, b = individual(one, key, "bmf_competent"), individual(both, key, "bmf_competent")
        assert a.factors["bim"] == b.factors["bim"] != 1.0
        assert a.factors["growth"] == 1.0 != b.factors["growth"]
        assert a.leukaemia.traits == b.leukaemia.traits
        pace = b.factors["growth"]
        assert balanced_growth(b.leukaemia.growth) == pytest.approx([pace * x for x in balanced_growth(a.leukaemia.growth)])


def test_the_chemosensitivity_of_a_cohort_multiplies_that_of_every_subject_and_no_trait() -> None:
    one, half = experiment("cohort.variability.chemosensitivity=0.5"), experiment("cohort.variability.chemosensitivity=0.5", "cohort.chemosensitivity=0.5")
    for key in subjects_of(one).keys:
        a, b = individual(one, key, "bmf_competent"), individual(half, key, "bmf_competent")
        assert b.chemosensitivity == 0.5 * a.chemosensitivity
        assert b.leukaemia == a.leukaemia
        assert {**b.factors, "chemosensitivity": 0.0} == {**a.factors, "chemosensitivity": 0.0}


def test_leukaemias_of_a_cohort_feel_its_share_of_the_induction_of_bim() -> None:
    """The cells carry it where it is not 1, beside what mechanisms change, and each founder has that of its leukaemia times the cohort's."""
    e = experiment("cohort.bim_response=0.5", "+leukaemias.bmf_null.bim_response=0.4", "cohort.variability.bim=0.2")
    assert factors_of(experiment()) == ()
    assert factors_of(e) == ("bim_response",)
    key = subjects_of(e).keys[0]
    for name, share in {"bmf_competent": 0.5, "bmf_null": 0.2}.items():
        assert individual(e, key, name).leukaemia.bim_response == pytest.approx(share)
        assert clone_means(individual(e, key, name).leukaemia, 1.0, 1).bim_response == pytest.approx(share)
    lost = dataclasses.replace(e, cohort=dataclasses.replace(e.cohort, bim_response=1.0))
    assert individual(lost, key, "bmf_competent").leukaemia.bim_response == 1.0


def test_net_growth_follows_the_division_hazard_of_a_subject() -> None:
    e = experiment("host.growth_cv=0.1")
    for key in subjects_of(e).keys:
        who = individual(e, key, "bmf_competent")
        growth = who.leukaemia.growth
        assert who.leukaemia is e.leukaemias["bmf_competent"]
        assert who.division_per_day == balanced_growth(growth)[0] * who.factors["division"]
        assert (who.net_growth_per_day > growth.net_per_day) == (who.factors["division"] > 1.0)


def test_without_variability_a_subject_has_the_leukaemia_of_the_library() -> None:
    e = experiment()
    assert individual(e, subjects_of(e).keys[0], "bmf_null").leukaemia is e.leukaemias["bmf_null"]


REFUSED = [
    (["+cohort.mix.bmf_null=0.5"], "cohort.mix: the shares add up to 0.5"),
    (["+cohort.mix.bmf_nul=1.0"], "unknown leukaemia 'bmf_nul'"),
    (["trial.start_rule=burden"], "trial.start_burden_cells = null"),
    (["trial.start_rule=burden", "trial.start_burden_cells=1.9e9"], "levels off at"),
    (["host.founder_cells=2.5"], "host.founder_cells = 2.5: a whole number"),
    (["engine.off_drug_dt_hours=5"], "must be a multiple of half of engine.window_hours, 6"),
    (["engine.off_drug_dt_hours=18"], "readout.interval_hours = 24: must be a multiple of engine.off_drug_dt_hours = 18"),
]


@pytest.mark.parametrize(("overrides", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_does_not_fit_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        experiment(*overrides)
    assert words in str(refused.value)


# Grids.


def test_steps_are_coarse_from_a_day_that_the_calendar_alone_decides() -> None:
    common = ["engine.off_drug_dt_hours=12", "engine.washout_days=2.5", "trial.treatment_days=3", "trial.follow_up_days=10", "readout.cell_snapshot_days=[]"]
    e = experiment(*common)
    grid, hours = trial_grid(e), 24.0 * np.diff(trial_grid(e).times)
    change = int(np.argmax(hours > 1.5))
    assert grid.times[change] == 6.0  # day 5.5, at the end of a packing interval
    np.testing.assert_allclose(hours, np.where(np.arange(grid.steps) < change, 1.0, 12.0))
    assert grid.times[-1] == 10.0
    assert (grid.window_days, grid.late_from, grid.late_window_days) == (0.5, change, 1.0)
    assert grid.moves is not None
    # Moves in the middle of windows, which fill the trial without a gap.
    middles = grid.times[grid.moves]
    np.testing.assert_allclose(middles, [*np.arange(0.25, 6.0, 0.5), *np.arange(6.5, 10.0, 1.0)])
    assert np.all(grid.drawn[change:])
    np.testing.assert_array_equal(grid.times, trial_grid(experiment(*common, "~arms.combination", "+arms.x={regimen: navitoclax}")).times)
    assert np.all(24.0 * np.diff(lead_in_grid(e).times) > 11.9)


def test_without_the_setting_the_grids_are_those_of_the_drugs() -> None:
    e = experiment()
    assert off_drug_hours(e.engine) is None
    assert trial_grid(e).late_from is lead_in_grid(e).late_from is None


# Growth to a burden.


def test_leukaemias_reach_their_burdens_when_growth_theory_says() -> None:
    """N = W N0 exp(r t) with E[W] = 1 far below capacity, r and the burden each subject's own; the day is found to a window of a day."""
    settings = ["cohort.subjects=48", "host.founder_cells=1000", "trial.start_burden_cells=1e5"]
    e, lead_in = grown(*settings, "cohort.variability.growth=0.3", "cohort.variability.start_burden=0.5")
    subjects = subjects_of(e)
    level = start_burdens(e, subjects)
    assert level is not None
    assert level.std() > 0.2 * level.mean()
    rate = np.array([individual(e, key, name).leukaemia.growth.net_per_day for key, name in zip(subjects.keys, subjects.leukaemias, strict=True)])
    assert rate.std() > 0.1 * rate.mean()
    cells = np.asarray(lead_in.carry.tally.cells).sum((1, 2))
    assert np.all(cells >= level)
    assert np.all(cells < level * np.exp(1.2 * rate) * 1.02)
    false_alarm.student(cells / (1000.0 * np.exp(rate * lead_in.randomised_day)), 1.0, allowed=0.01, what="cells over those of growth theory")


@pytest.mark.usefixtures("optimised")
def test_mutants_at_diagnosis_follow_luria_and_delbruck() -> None:
    """Mutants that arose on the way from one cell: the chance of none, and what the lead-in adds to their mean share.

    Of N cells grown from one, none is a mutant with probability exp(-u N (b/d) ln[b / (b - d)]) (Iwasa, Nowak &
    Michor 2006, doi:10.1534/genetics.105.049791), up to the chance of growth, below 2 % here. The first 200 cells
    are the past of the founders (`abm.models.past`). Neutral mutants at u per division of cells that divide at b
    gain the share u b in a day of those that are none.
    """
    u, founders, rows = 1.0e-4, 200.0, 300
    e, lead_in = grown(
        f"cohort.subjects={rows}",
        f"host.founder_cells={founders:g}",
        "trial.start_burden_cells=5000",
        "cohort.resistance=[bmf_loss]",
        f"mechanisms.bmf_loss.mutation_per_division={u}",
        "leukaemias.patient_typical_bmf_null.growth.quiescent_fraction=0",
        "engine.packets=24",
        "engine.clones=0",
    )
    growth = e.leukaemias["patient_typical_bmf_null"].growth
    b, d = growth.net_per_day + growth.death_per_day, growth.death_per_day
    cells = np.asarray(lead_in.carry.tally.cells).sum(2).astype(float)
    total, mutants = cells.sum(1), cells[:, clone_layout(e).founders :].sum(1)
    before = np.asarray(lead_in.looks[0].tally.cells).sum(2)[:, clone_layout(e).founders :].sum(1) / founders
    assert before.max() > 0.0
    gained = mutants / total - before - (1.0 - before) * -np.expm1(-u * b * lead_in.randomised_day)
    false_alarm.student(gained, 0.0, what="share of mutants, beyond its mean")
    none = np.exp(-u * total * (b / d) * np.log(b / (b - d)))
    assert 0.2 < none.mean() < 0.8
    false_alarm.proportion(int((mutants == 0).sum()), rows, float(none.mean()), allowed=0.02, what="no mutant at diagnosis")


# Coarse steps.


# So many days that the fine and the coarse run, of 480 and 280 steps, share programs.
FOLLOWED = [
    "cohort.leukaemias=[patient_typical_bmf_null]",
    "cohort.subjects=4",
    "host.injected_cells=0",
    "host.founder_cells=3e8",
    "host.carrying_capacity=4e9",
    "trial.start_rule=injection",
    "trial.treatment_days=2",
    "trial.follow_up_days=20",
    "readout.cell_snapshot_days=[]",
    "readout.interval_hours=96",
    "engine.packets=64",
    "~arms.venetoclax",
    "~arms.combination",
]


@functools.cache
def followed(*overrides: str) -> RunResult:
    cfg = compose([*FOLLOWED, *overrides])
    e = build(cfg)
    return run_experiment(e, Context(config_yaml=stored_yaml(cfg, e)))


def test_a_coarse_follow_up_is_the_fine_one_within_a_percent() -> None:
    """Growth from 0.08 to 0.3 of capacity, with the crowding of the marrow that it brings, after two doses of everolimus."""
    fine, coarse = followed().series, followed("engine.off_drug_dt_hours=6", "engine.washout_days=8").series
    np.testing.assert_array_equal(fine["time"].values, coarse["time"].values)

    def curve(series: xr.Dataset, name: str) -> np.ndarray:
        values = series["count"].sel(population="leukaemia") if name == "leukaemia" else series[name]
        return np.asarray(values.mean("subject").values, float)

    before = fine["time"].values <= 10.0
    for name in ("leukaemia", "neutrophils", "platelets", "haemoglobin"):
        a, b = curve(fine, name), curve(coarse, name)
        np.testing.assert_array_equal(a[:, before], b[:, before], err_msg=name)
        np.testing.assert_allclose(a, b, rtol=0.01, err_msg=name)
    grew = curve(fine, "leukaemia")
    assert np.all(grew[:, -1] > 2.0 * grew[:, 0])


def test_the_result_tells_who_took_part() -> None:
    table = followed().tables["subjects"]
    assert table["subject"].tolist() == followed().series["subject"].values.tolist()
    assert set(table["leukaemia"]) == {"patient_typical_bmf_null"}
    assert np.all(table[[f"factor_{name}" for name in varied_names()]] == 1.0)
    assert np.all(table["bmf_competence"] == 0.0)
    growth = build(compose(FOLLOWED)).leukaemias["patient_typical_bmf_null"].growth
    assert growth.net_per_day == 0.09
    assert np.ptp(table["factor_division"]) > 0.0
    np.testing.assert_allclose(table["net_growth_per_day"], [net_rate(growth, factor) for factor in table["factor_division"]])
