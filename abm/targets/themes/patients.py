"""Newly diagnosed children and adults under chemotherapy: residual disease, events, relapse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abm.biology.proliferation import net_rate
from abm.config.build import build
from abm.config.compose import compose
from abm.models.individuals import individuals
from abm.studies.trial import subjects_of
from abm.targets.cohorts import MONTH_DAYS, YEAR_DAYS, Cohort, read_cohort
from abm.targets.findings import Simulated, absent, resampled, share
from abm.targets.registry import computes
from abm.targets.trials import Trials

CHILDREN, ADULTS = "paediatric_chemo", "adult_chemo"
NOT_RUN = "Cohorts of patients are not run for years with --quick: they take from minutes to an hour."
FIRST, SECOND = 33.0, 78.0  # d, protocol days of residual disease
INDUCED_DAY = 90  # d, after which nothing is read
LOOKS = (f"readout.mrd_days=[{FIRST:g},{SECOND:g}]",)
NEGATIVE, HIGH = 1e-4, 1e-3
GROUP = 23  # children of the published series
STRATA = ("standard", "intermediate", "high")


@computes(
    "child_growth",
    "child_growth_low",
    "child_growth_high",
    how="rates of balanced growth at diagnosis of 460 virtual children, 20 series of 23; no cells are run",
)
def growth_of_children(trials: Trials) -> dict[str, Simulated]:
    """Per cent a day before treatment."""
    experiment = build(compose([f"experiment={CHILDREN}", f"cohort.subjects={20 * GROUP}"]))
    host, rows = experiment.host, subjects_of(experiment)
    assert host.diagnosis_burden is not None, "a patient has a burden at diagnosis"
    rates = []
    for who in individuals(experiment, rows.keys, rows.leukaemias):
        burden = host.diagnosis_burden * who.start_burden
        rates.append(100.0 * np.expm1(net_rate(who.leukaemia.growth, max(0.0, 1.0 - burden / host.carrying_capacity))))
    series = np.array(rates).reshape(20, GROUP)
    return {
        "child_growth": resampled(series.ravel(), lambda sample: float(np.mean(sample))),
        "child_growth_low": resampled(series.min(axis=1), lambda sample: float(np.median(sample))),
        "child_growth_high": resampled(series.max(axis=1), lambda sample: float(np.median(sample))),
    }


def strata(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.str_]:
    """Risk group by residual disease on both days: standard = negative twice, high = at least HIGH on the second."""
    standard = (first < NEGATIVE) & (second < NEGATIVE)
    return np.where(second >= HIGH, "high", np.where(standard, "standard", "intermediate"))


def induced(trials: Trials) -> Cohort | str:
    """Children until after the second look at residual disease, or why there are none: cheap enough for --quick."""
    if not trials.has(CHILDREN):
        return f"This version has no experiment {CHILDREN}."
    days = [f"trial.treatment_days={INDUCED_DAY}", f"trial.follow_up_days={INDUCED_DAY}", *LOOKS]
    return read_cohort(trials.cohort(CHILDREN, *days))


def _cohort(trials: Trials, experiment: str) -> Cohort | str:
    if trials.quick:
        return NOT_RUN
    if not trials.has(experiment):
        return f"This version has no experiment {experiment}."
    return read_cohort(trials.cohort(experiment, *LOOKS))


def none_of(keys: Sequence[str], why: str) -> dict[str, Simulated]:
    """No value for any of these, and why."""
    return {key: absent(why) for key in keys}


MRD = ("mrd_standard", "mrd_intermediate", "mrd_high", "mrd_day29_negative", "mrd_day29_high")
SURVIVAL = ("efs_standard", "efs_intermediate", "efs_high", "relapse_before_18_months", "relapse_median", "child_resistant")
ADULT = ("adult_remission", "adult_survival", "adult_relapse", "adult_resistant")


@computes(*MRD, how="cohort paediatric_chemo until day 90; flow cytometry with a limit of 1e-4 on protocol days 33 and 78")
def residual_disease(trials: Trials) -> dict[str, Simulated]:
    """Risk groups, and the end of induction against 265 real patients."""
    cohort = induced(trials)
    if isinstance(cohort, str):
        return none_of(MRD, cohort)
    first, second = cohort.mrd[FIRST], cohort.mrd[SECOND]
    groups = strata(first, second)
    found = {f"mrd_{name}": share(int((groups == name).sum()), groups.size) for name in STRATA}
    return {
        **found,
        "mrd_day29_negative": share(int((first <= NEGATIVE).sum()), first.size, "Simulated on day 33."),
        "mrd_day29_high": share(int((first >= 0.01).sum()), first.size, "Simulated on day 33."),
    }


@computes(*SURVIVAL, how="cohort paediatric_chemo, seven years; nobody is lost to follow-up, so a share is a survival")
def events_of_children(trials: Trials) -> dict[str, Simulated]:
    """Event-free survival by risk group, time of relapse, resistance."""
    cohort = _cohort(trials, CHILDREN)
    if isinstance(cohort, str):
        return none_of(SURVIVAL, cohort)
    groups = strata(cohort.mrd[FIRST], cohort.mrd[SECOND])
    free = cohort.event_free(7.0 * YEAR_DAYS)
    found = {f"efs_{name}": share(int(free[groups == name].sum()), int((groups == name).sum())) for name in STRATA}
    months = cohort.relapse_days / MONTH_DAYS
    return {
        **found,
        "relapse_before_18_months": share(int((months < 18.0).sum()), months.size),
        "relapse_median": resampled(months, lambda sample: float(np.median(sample))),
        "child_resistant": share(int((~free).sum()), free.size),
    }


@computes(*ADULT, how="cohort adult_chemo, seven years of which five count; survival after the event is drawn from published curves (conf/clinic)")
def events_of_adults(trials: Trials) -> dict[str, Simulated]:
    """Remission, survival, relapse and resistance."""
    cohort = _cohort(trials, ADULTS)
    if isinstance(cohort, str):
        return none_of(ADULT, cohort)
    # One who dies of low counts before remission has not reached it, whatever the kind of the event.
    reached = np.isfinite(cohort.remission_days) & (cohort.event_kind != "no_remission")
    relapsed, free = cohort.event_kind == "relapse", cohort.event_free(5.0 * YEAR_DAYS)
    alive = cohort.death_days > 5.0 * YEAR_DAYS
    return {
        "adult_remission": share(int(reached.sum()), reached.size),
        "adult_survival": share(int(alive.sum()), alive.size),
        "adult_relapse": share(int((relapsed & ~free).sum()), int(reached.sum())),
        "adult_resistant": share(int((~free).sum()), free.size),
    }
