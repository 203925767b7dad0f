"""Linear birth and death: the exact law at every step and at any number of packets."""

from __future__ import annotations

from typing import Any

from abm.verification.exact_branching import BranchingLaw, Phases, branching_law
from abm.verification.findings import Finding, LawPanel, Outcome, Panel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_law, check_mean, check_proportion, check_variance

SOURCE = "Kendall 1948, doi:10.1214/aoms/1177730285; phases by composition of generating functions"
READING = (
    "Right: the steps of the sample follow the dark line inside the band, and every dot lies between the two lines at -1 and 1. "
    "Wrong: a shifted or flattened staircase; a step that treats birth and death one after the other is tens of per cent off."
)
# What the law must not depend on; the quick run leaves out the second.
SETTINGS: dict[str, dict[str, Any]] = {
    "dt 1 h": {"dt_hours": 1, "packets": 16},
    "dt 4 h": {"dt_hours": 4, "packets": 64},
    "dt 24 h, 8 packets": {"dt_hours": 24, "packets": 8},
}


def against_law(label: str, sample: Any, law: BranchingLaw) -> list[Finding]:
    """Mean, variance, extinction and the whole distribution."""
    found = [
        check_mean(f"mean, {label}", sample, law.mean, law.variance, law.log_moment),
        check_variance(f"variance, {label}", sample, law.probabilities, law.lost),
    ]
    if law.extinct > 1e-3:
        found.append(check_proportion(f"P(extinct), {label}", int((sample == 0).sum()), sample.size, law.extinct))
    return [*found, check_law(f"distance of the whole law, {label}", sample, law.probabilities)]


def _case(runner: Runner, n0: int, phases: Phases, quick: int, full: int) -> Outcome:
    law = branching_law(phases, n0)
    findings: list[Finding] = []
    panels: list[Panel] = []
    for label, engine in SETTINGS.items():
        if runner.quick and label == "dt 4 h":
            continue
        series = runner.run("birth_death", engine, n0=n0, phases=[list(p) for p in phases], replicates=runner.size(quick, full))
        sample = series["count"].sel(arm="theory", population="cells").isel(time=-1).values
        findings += against_law(label, sample, law)
        panels.append(LawPanel(label, sample, law.probabilities, "cells at the end"))
    return Outcome(findings, panels)


@case(
    "birth_death_growth",
    shows="200 cells that divide at 0.14 and die at 0.13 a day, on day 60",
    source=SOURCE,
    reading=READING,
    needs=("birth_death",),
)
def growth(runner: Runner) -> Outcome:
    """BD-P1: mean 364.42, variance 8089.2."""
    return _case(runner, 200, [(60.0, 0.14, 0.13)], 1000, 20_000)


@case(
    "birth_death_decline",
    shows="500 cells that divide at 0.14 and die at 0.17 a day: extinct or not on day 150",
    source=SOURCE,
    reading=READING,
    needs=("birth_death",),
)
def decline(runner: Runner) -> Outcome:
    """BD-P2: P(extinct) 0.37149."""
    return _case(runner, 500, [(150.0, 0.14, 0.17)], 1500, 20_000)


@case(
    "birth_death_pulsed",
    shows="20 cells under a treatment of one week on, one week off, twice: the schedule that tells step rules apart",
    source=SOURCE,
    reading=READING + " Here P(extinct) is 0.868; death before division at a step of 6 h would give 0.966.",
    needs=("birth_death",),
)
def pulsed(runner: Runner) -> Outcome:
    """BD-P3: P(extinct) 0.86779, mean 0.29991."""
    return _case(runner, 20, [(7.0, 0.5, 0.2), (14.0, 0.5, 1.1), (21.0, 0.5, 0.2), (28.0, 0.5, 1.1)], 4000, 40_000)
