"""Statistics of a trial on data that every textbook has."""

from __future__ import annotations

import numpy as np

from abm.endpoints.survival import kaplan_meier, log_rank
from abm.figures.event_free_survival import kaplan_meier as drawn_curve
from abm.verification.findings import CurvePanel, Finding, Outcome
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_error

# Weeks of remission of 42 children with acute leukaemia (Freireich et al. 1963, Blood 21:699); False: still in remission.
PLACEBO = [(t, True) for t in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)]
TREATED = [(t, True) for t in (6, 6, 6, 7, 10, 13, 16, 22, 23)] + [(t, False) for t in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
SURVIVAL = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
GREENWOOD = {6: 0.0764, 7: 0.0869, 10: 0.0963, 13: 0.1068, 16: 0.1141, 22: 0.1282, 23: 0.1346}


@case(
    "trial_statistics",
    shows="Kaplan-Meier curve, Greenwood's error, log-rank test and hazards on the 6-mercaptopurine trial of 1963",
    source="Freireich et al. 1963, Blood 21:699; numbers as the package lifelines gives them",
    reading="Right: the staircase of the program on the published points. Wrong: another step where someone was censored on the day of an event.",
)
def freireich(runner: Runner) -> Outcome:
    """Log-rank O 9, E 19.2505, V 6.25696, chi-square 16.7929, p 4.169e-5."""
    times = np.array([t for t, _ in PLACEBO + TREATED], float)
    observed = np.array([e for _, e in PLACEBO + TREATED])
    treated = np.arange(42) >= 21
    curve, control = kaplan_meier(times[treated], observed[treated]), kaplan_meier(times[~treated], observed[~treated])
    findings: list[Finding] = []
    for i, week in enumerate(curve.time):
        findings.append(check_error(f"S({week:g} weeks), 6-MP", SURVIVAL[int(week)], float(curve.survival[i]), absolute=6e-5))
        findings.append(check_error(f"Greenwood's error at {week:g} weeks", GREENWOOD[int(week)], float(curve.standard_error[i]), absolute=6e-5))
    test = log_rank(times, observed, treated)
    findings += [
        check_error("median, placebo, weeks", 8.0, control.median),
        check_error("median, 6-MP, weeks", 23.0, curve.median),
        check_error("log-rank: observed on 6-MP", 9.0, test.observed),
        check_error("log-rank: expected on 6-MP", 19.2505, test.expected, absolute=6e-5),
        check_error("log-rank: variance", 6.25696, test.variance, absolute=6e-6),
        check_error("log-rank: chi-square", 16.7929, test.chi_square, absolute=6e-5),
        check_error("log-rank: p", 4.169e-5, test.p, relative=2e-4),
        check_error("hazard ratio by Peto, exp((O - E) / V)", float(np.exp((9.0 - 19.2505) / 6.25696)), test.hazard_ratio, relative=1e-5),
        check_error("events per week, placebo", 0.11538, float(observed[~treated].sum() / times[~treated].sum()), absolute=6e-6),
        check_error("events per week, 6-MP", 0.02507, float(observed[treated].sum() / times[treated].sum()), absolute=6e-6),
    ]
    at, drawn = drawn_curve(times[treated], observed[treated])
    on_figure = drawn[np.searchsorted(at, curve.time, side="right") - 1]
    findings.append(check_error("figures draw the same curve: largest difference", 0.0, float(np.abs(on_figure - curve.survival).max()), absolute=1e-12))
    weeks = np.array(list(SURVIVAL), float)
    panel = CurvePanel("6-mercaptopurine, 21 children", weeks, {"published": np.array(list(SURVIVAL.values()))}, {"program": on_figure}, "week", "in remission")
    return Outcome(findings, [panel])
