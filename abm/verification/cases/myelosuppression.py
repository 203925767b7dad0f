"""Friberg's model of blood: the equations, and the cells that obey them."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.verification.exact_friberg import Blood, growth_of_oscillation, levels, nadir, relative_variance, stable_below
from abm.verification.exact_pharmacokinetics import Drug
from abm.verification.findings import CurvePanel, Finding, Outcome, Panel, SlopePanel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_error, check_normal, check_spread, largest_error

PACLITAXEL = Blood(7.21, 124.0, 0.239, 28.9, Drug(285.0, 290.0, 204.0, 1000.0), [(0.0, 410.0, 3.0)])
DOCETAXEL = Blood(5.21965, 84.1791, 0.144543, 15.5711 / 808.0 * 1000.0, Drug(36.0, 8.0, 12.0, 170.0), [(504.0 * i, 180.0, 1.0) for i in range(3)])
SOURCE = "Friberg et al. 2002, doi:10.1200/JCO.2002.02.140; solved independently in abm/verification/exact_friberg.py"
# Error of the symmetric split at the default step; the nadir of the public case has 0.01 %.
BIAS = 0.001


def _blood(runner: Runner, blood: Blood, hours: np.ndarray, engine: dict[str, Any] | None = None, **keys: Any) -> np.ndarray:
    """Blood counts (subject, time) of the program at `hours`."""
    drug = {**blood.drug._asdict(), "v2": blood.drug.v2 or None}
    own = {"circ0": blood.circ0, "mtt_h": blood.mtt_h, "gamma": blood.gamma, "slope": blood.slope, "doses": [list(d) for d in blood.doses]}
    series = runner.run("myelosuppression", engine, **{**drug, **own, "times_h": hours.tolist(), **keys})
    curve = series["count"].sel(arm="theory", population="circulating")
    values: np.ndarray = curve.sel(time=hours / 24.0, method="nearest", tolerance=1e-8).values
    return values


@case(
    "friberg_equations",
    shows="leukocytes after paclitaxel and neutrophils under docetaxel every three weeks",
    source=f"{SOURCE}; DDMODEL00000186, DDMODEL00000224",
    reading="Right: points on the line through nadir, recovery and overshoot. Wrong: another depth or day of the nadir.",
    needs=("myelosuppression",),
)
def equations(runner: Runner) -> Outcome:
    """FR-P1 and FR-P2: nadir and its day, overshoot, the curve to 1e-6."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    tables = {
        "paclitaxel": (PACLITAXEL, (180.0, 280.0), (2.6515, 9.33), (9.991, 22.49), 960.0),
        "docetaxel": (DOCETAXEL, (150.0, 260.0), (0.18261, 8.60), (6.851, 20.86), 1680.0),
    }
    for name, (blood, bracket, (lowest, lowest_day), (highest, highest_day), end) in tables.items():
        near = np.arange(bracket[0], bracket[1], 0.1)
        over = np.arange(24.0 * highest_day - 20.0, min(24.0 * highest_day + 20.0, 504.0) if name == "docetaxel" else 24.0 * highest_day + 20.0, 0.1)
        shown = np.linspace(0.0, end, 141)
        hours = np.unique(np.round(np.concatenate([shown, near, over]), 6))
        seen = _blood(runner, blood, hours, mode="ode", replicates=1)[0]
        exact = levels(blood, hours)[:, -1]
        low, high = int(np.argmin(np.where(hours < bracket[1], seen, np.inf))), int(np.argmax(np.where(np.isin(hours, np.round(over, 6)), seen, -np.inf)))
        findings += [
            check_error(f"{name}: nadir (table)", lowest, float(seen[low]), absolute=6e-5 if name == "paclitaxel" else 6e-6),
            check_error(f"{name}: day of the nadir (table)", lowest_day, hours[low] / 24.0, absolute=0.01),
            check_error(f"{name}: overshoot (table)", highest, float(seen[high]), absolute=6e-4),
            check_error(f"{name}: day of the overshoot (table)", highest_day, hours[high] / 24.0, absolute=0.02),
            check_error(f"{name}: nadir by the independent solution", nadir(blood, *bracket)[1], float(seen[low]), relative=1e-6),
            largest_error(f"{name}: largest error of the curve", exact, seen, 1e-6),
        ]
        drawn = np.isin(hours, np.round(shown, 6))
        panels.append(CurvePanel(name, hours[drawn] / 24.0, {"exact": exact[drawn]}, {"program": seen[drawn]}, "day", "1e9/L"))
    return Outcome(findings, panels)


@case(
    "friberg_rest",
    shows="the steady state under a constant effect, and the feedback at which rest becomes unstable",
    source="Circ = circ0 (1 - E)^(1/gamma); lambda (lambda + k)^4 + gamma k^5 = 0, border gamma = tan(pi/8) (1 + tan^2(pi/8))^2 = 0.56854",
    reading="Right: the peaks of gamma 0.55 fall and those of 0.59 rise, parallel to the dark lines. Wrong: another border of stability.",
    needs=("myelosuppression",),
)
def rest(runner: Runner) -> Outcome:
    """Steady state to 1e-6; growth rates of the oscillation to 3 %."""
    steady = Blood(7.21, 124.0, 0.2, 0.3, Drug(0.0, 1.0), [(0.0, 1.0, 0.0)])
    level = float(_blood(runner, steady, np.array([0.0, 20_000.0]), mode="ode", replicates=1)[0, -1])
    findings = [check_error("steady state under E = 0.3, gamma = 0.2", 7.21 * 0.7**5, level, relative=1e-6)]
    hours = np.arange(0.0, 20_001.0, 10.0)
    exact: dict[str, np.ndarray] = {}
    seen: dict[str, np.ndarray] = {}
    x = np.array([])
    for gamma in (0.55, stable_below(), 0.59):
        # A dose so small that the oscillation stays linear.
        blood = PACLITAXEL._replace(gamma=gamma, doses=[(0.0, 0.5, 0.0)])
        log = np.abs(np.log(_blood(runner, blood, hours, mode="ode", replicates=1)[0] / blood.circ0))
        peaks = np.array([i for i in range(1, len(log) - 1) if log[i] >= log[i - 1] and log[i] > log[i + 1]])[6:]
        rate = float(np.polyfit(hours[peaks], np.log(log[peaks]), 1)[0]) * blood.mtt_h / 4.0
        want, _ = growth_of_oscillation(gamma)
        findings.append(check_error(f"growth of the oscillation at gamma {gamma:.5f}, 1/ktr", want, rate, relative=0.03, absolute=3e-5))
        x = hours[peaks[:20]] / 24.0
        # A label that starts with _ is left out of the legend.
        exact[f"_{gamma}" if exact else "exact"] = log[peaks[0]] * np.exp(want * (hours[peaks[:20]] - hours[peaks[0]]) * 4.0 / blood.mtt_h)
        seen[f"gamma {gamma:.4g}"] = log[peaks[:20]]
        if gamma != stable_below():
            findings.append(check_error(f"gamma {gamma:.2f}: 1 = grows, 0 = decays", float(gamma > stable_below()), float(rate > 0.0)))
    return Outcome(findings, [CurvePanel("peaks of |log(Circ / circ0)|", x, exact, seen, "day", "height of a peak", log=True)])


@case(
    "friberg_cells",
    shows="the same blood as 100,000 cells that divide, mature and are killed: mean and fluctuation over subjects",
    source=f"mean: {SOURCE}; variance: linear noise approximation (van Kampen)",
    reading="Right: points on the line within their bars. Wrong: a shallower nadir (feedback late by a step), or a variance that is not that of cells.",
    needs=("myelosuppression",),
)
def cells(runner: Runner) -> Outcome:
    """Mean against the equations, bias at most 0.1 %; variance against the noise of cells."""
    hours = np.array([0.0, 24.0, 96.0, 168.0, 223.9, 300.0, 388.3, 480.0, 539.8, 720.0, 960.0])
    exact = levels(PACLITAXEL, hours)[:, -1]
    findings, seen, spread = [], {}, {}
    for cells_at_rest, dt in ((1e5, 1), (1e5, 4), (1e3, 1)):
        if runner.quick and dt == 4:
            continue
        replicates = runner.size(128, 512)
        sample = _blood(runner, PACLITAXEL, hours, {"dt_hours": dt}, mode="cells", scale=cells_at_rest / PACLITAXEL.circ0, replicates=replicates)
        variance = PACLITAXEL.circ0**2 * relative_variance(PACLITAXEL, hours, cells_at_rest)
        label = f"{cells_at_rest:.0e} cells, dt {dt} h"
        # Beyond the leading order the mean of N cells is off by about 1/N relative to chance's 1/sqrt(N).
        bias = (BIAS + 20.0 / cells_at_rest) * exact
        for i in (2, 4, 6, 8):
            mean = float(sample[:, i].mean())
            beyond = mean - float(np.clip(mean, exact[i] - bias[i], exact[i] + bias[i]))
            error = float(np.sqrt(variance[i] / replicates))
            found = check_normal(f"mean at {hours[i]:g} h, {label}", 0.0, beyond, error, f"normal law, beyond a bias of {bias[i]:.2g}")
            findings.append(type(found)(found.quantity, float(exact[i]), mean, found.p, None, found.half_width, found.basis))
            findings.append(check_spread(f"variance over that of the law at {hours[i]:g} h, {label}", sample[:, i], float(variance[i])))
        if dt == 1 and cells_at_rest == 1e5:
            seen[label], spread[label] = sample.mean(axis=0), 6.0 * np.sqrt(variance / replicates)
    return Outcome(findings, [CurvePanel("mean over subjects", hours / 24.0, {"equations": exact}, seen, "day", "1e9/L", spread=spread)])


@case(
    "friberg_order",
    shows="the error at the nadir against the step, with so many cells that chance is negligible",
    source="symmetric split (Strang 1968, doi:10.1137/0705041): second order",
    reading="Right: points along the line of slope 2, below 1e-3 at the default step of 1 h. Wrong: slope 1, feedback taken at the start of the step.",
    needs=("myelosuppression",),
)
def order(runner: Runner) -> Outcome:
    """Second order: slope 2 +- 0.3."""
    hours = np.array([0.0, 223.9])
    exact = float(levels(PACLITAXEL, hours)[-1, -1])
    steps = np.array([1.0, 2.0, 4.0])
    errors = []
    for dt in steps:
        sample = _blood(runner, PACLITAXEL, hours, {"dt_hours": float(dt)}, mode="cells", scale=1e11, replicates=4)
        errors.append(abs(float(sample[:, -1].mean()) / exact - 1.0))
    slope = float(np.polyfit(np.log(steps), np.log(errors), 1)[0])
    findings = [
        check_error("order of the error in the step", 2.0, slope, absolute=0.3),
        check_error("relative error at a step of 1 h", 0.0, errors[0], absolute=BIAS),
    ]
    return Outcome(findings, [SlopePanel("error of the nadir", steps, np.array(errors), 2.0, "step, h", "relative error")])
