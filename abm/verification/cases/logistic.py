"""A carrying capacity, where chance feeds back on the rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.verification.exact_logistic import Crowding, deterministic, law_at_end
from abm.verification.findings import Finding, LawPanel, Outcome, Panel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_law, check_mean, check_proportion, check_variance, cumulants_of

# Hazards are held over a step, so a bias is allowed: half of what the program promises.
BIAS_OF_MEAN, BIAS_OF_PROBABILITY, BIAS_OF_VARIANCE = 0.005, 0.01, 0.02
SOURCE = "master equation by finite-state projection (Munsky & Khammash 2006, doi:10.1063/1.2145882)"
READING = (
    "Right: the staircase follows the dark line. Wrong: capacity applied to the mean, or to the wrong rate; "
    "the equation without chance is far off because cells are few."
)


def _case(runner: Runner, law_case: Crowding, steps: tuple[int, ...]) -> Outcome:
    law = law_at_end(law_case)
    n = np.arange(len(law))
    mean = float(law @ n)
    variance = float(law @ n**2) - mean**2
    log_moment = cumulants_of(law, n.astype(np.float64))
    findings: list[Finding] = []
    panels: list[Panel] = []
    for dt in steps:
        keys: dict[str, Any] = {
            "n0": law_case.n0,
            "b": law_case.b,
            "d": law_case.d,
            "capacity": law_case.capacity,
            "form": law_case.form,
            "t_end": law_case.t_end,
        }
        series = runner.run("logistic", {"dt_hours": dt}, replicates=runner.size(2000, 20_000), **keys)
        sample = series["count"].sel(arm="theory", population="cells").isel(time=-1).values
        findings += [
            check_mean(f"mean, dt {dt} h", sample, mean, variance, log_moment, BIAS_OF_MEAN * mean),
            check_variance(f"variance, dt {dt} h", sample, law, allowed=BIAS_OF_VARIANCE * variance),
            check_proportion(f"P(extinct), dt {dt} h", int((sample == 0).sum()), sample.size, float(law[0]), BIAS_OF_PROBABILITY),
            check_law(f"distance of the whole law, dt {dt} h", sample, law, BIAS_OF_PROBABILITY),
        ]
        panels.append(LawPanel(f"dt {dt} h", sample, law, "cells at the end"))
    return Outcome(findings, panels, remark=f"The equation without chance gives {deterministic(law_case):.2f} in place of the mean {mean:.2f}.")


@case("logistic_death", shows="3 cells under a capacity of 60 that raises deaths, on day 8", source=SOURCE, reading=READING, needs=("logistic",))
def death_form(runner: Runner) -> Outcome:
    """LOG-P1: mean 32.769, variance 422.4, P(extinct) 0.13988."""
    return _case(runner, Crowding("death", 3, 1.0, 0.5, 60.0, 8.0), (1, 24))


@case("logistic_birth", shows="10 cells under a capacity of 300 that lowers births, on day 60", source=SOURCE, reading=READING, needs=("logistic",))
def birth_form(runner: Runner) -> Outcome:
    """LOG-P2: mean 62.240, variance 640.3, P(extinct) 0.04906."""
    return _case(runner, Crowding("birth", 10, 0.25, 0.181, 300.0, 60.0), (24,) if runner.quick else (1, 24))
