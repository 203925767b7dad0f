"""Cells that die of an induced stress: heterogeneity must be carried cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.verification.exact_stress import Stress, mean_cell, survival
from abm.verification.findings import CurvePanel, Finding, Outcome, SlopePanel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_normal, check_proportion

MIXED = Stress(1.0, 0.5, 0.01, 0.3, 1.0, 0.8, 0.6, [(4.0, 1.0), (6.0, 0.0), (10.0, 1.0)])
ALIKE = Stress(1.0, 0.5, 0.0, 0.5, 1.0, 0.8, 0.0, [(4.0, 1.0), (6.0, 0.0), (10.0, 1.0)])
SOURCE = "S = E exp(-int hazard) by quadrature over time and over cells (abm/verification/exact_stress.py)"
NEVER_PACK = {"packing_hours": 1e6}


def _keys(stress: Stress) -> dict[str, Any]:
    return {**stress._asdict(), "inhibition": [list(phase) for phase in stress.inhibition]}


def _survival(runner: Runner, stress: Stress, packets: int | None) -> Outcome:
    n = runner.size(100_000, 1_000_000)
    findings: list[Finding] = []
    curves: dict[str, np.ndarray] = {}
    days = np.arange(1.0, 11.0)
    for dt in (1, 24):
        engine = {"dt_hours": dt, "packets": packets or n // 4, **NEVER_PACK}
        series = runner.run("stress_survival", engine, save_hours=24.0, **_keys(stress), n0=n // 4, replicates=4)
        counts = series["count"].sel(arm="theory").sum("subject")
        for day in (2.0, 5.0, 10.0):
            for name, exact in zip(("bmf_positive", "bmf_negative"), survival(stress, day), strict=True):
                findings.append(check_proportion(f"{name} alive on day {day:g}, dt {dt} h", int(counts.sel(time=day, population=name)), n, exact))
        curves[f"dt {dt} h"] = counts.sum("population").sel(time=days).values / n
    exact_curve = np.array([sum(survival(stress, day)) for day in days])
    wrong = np.array([mean_cell(stress, day) for day in days])
    panel = CurvePanel("survival", days, {"exact": exact_curve, "mean cell (wrong)": wrong}, curves, "day", "share alive")
    return Outcome(findings, [panel], remark=f"Cells are independent, so counts are binomial. The mean cell would give {wrong[-1]:.4f} on day 10.")


@case(
    "stress_mixed",
    shows="cells of different sensitivity under an inhibitor that comes and goes, one packet per cell",
    source=SOURCE,
    reading="Right: points on the dark line. Wrong: points on the pale line, where every cell is the mean cell.",
    needs=("stress_survival",),
)
def mixed(runner: Runner) -> Outcome:
    """MF-P1: 0.79998, 0.55704, 0.37329 on days 2, 5, 10."""
    return _survival(runner, MIXED, None)


@case(
    "stress_alike",
    shows="identical cells of which a fifth lacks BMF, in 16 packets: a plateau at a fifth",
    source=SOURCE,
    reading="Right: points on the dark line, which levels off at 0.2. Wrong: a fall to zero, or a plateau elsewhere.",
    needs=("stress_survival",),
)
def alike(runner: Runner) -> Outcome:
    """MF-P2: 0.45147, 0.24083, 0.20169 on days 2, 5, 10."""
    return _survival(runner, ALIKE, 16)


@case(
    "stress_many_cells",
    shows="the error of survival against the number of cells: chance falls as one over the square root",
    source=SOURCE,
    reading=("Right: points along the dark line of slope -1/2. Wrong: a plateau (a bias that more cells do not remove) or a steeper fall (chance left out)."),
    needs=("stress_survival",),
)
def many_cells(runner: Runner) -> Outcome:
    """Slope of log RMSE on log N -0.5; each squared error is chi-square, which gives the slope's standard error."""
    sizes, replicates = np.array([100, 1000, 10_000]), 256
    exact = sum(survival(MIXED, 10.0))
    rmse = []
    for n in sizes:
        engine = {"dt_hours": 24, "packets": int(n), **NEVER_PACK}
        series = runner.run("stress_survival", engine, **_keys(MIXED), n0=int(n), replicates=replicates)
        alive = series["count"].sel(arm="theory").isel(time=-1).sum("population").values / n
        rmse.append(float(np.sqrt(np.mean((alive - exact) ** 2))))
    x, y = np.log(sizes.astype(float)), np.log(np.array(rmse))
    slope = float(np.polyfit(x, y, 1)[0])
    error = float(np.sqrt(0.5 / replicates) / np.sqrt(np.sum((x - x.mean()) ** 2)))
    expected = np.sqrt(exact * (1.0 - exact) / sizes)
    findings = [check_normal("slope of log RMSE on log N", -0.5, slope, error, "normal law of the logarithm of a mean of 256 squares")]
    findings += [
        check_normal(f"RMSE at {n} cells over binomial", 1.0, r / e, float(np.sqrt(0.5 / replicates)), "normal law of a mean of 256 squares")
        for n, r, e in zip(sizes, rmse, expected, strict=True)
    ]
    return Outcome(findings, [SlopePanel("error of survival on day 10", sizes.astype(float), np.array(rmse), -0.5, "cells", "RMSE")])
