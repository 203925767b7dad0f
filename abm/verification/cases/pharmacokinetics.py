"""Concentrations against sums of exponentials and published tables."""

from __future__ import annotations

import numpy as np

from abm.verification.exact_pharmacokinetics import Doses, Drug, concentration
from abm.verification.findings import CurvePanel, Finding, Outcome
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_error, largest_error

SOURCE = "Gibaldi & Perrier 1982: sums of exponentials and superposition"
READING = "Right: points on the line at every time, also just after a dose. Wrong: a shifted, scaled or faster decaying curve."


def _curve(runner: Runner, drug: Drug, doses: Doses, hours: np.ndarray, dt: float) -> np.ndarray:
    keys = {**drug._asdict(), "v2": drug.v2 or None, "doses": [list(dose) for dose in doses], "times_h": hours.tolist()}
    series = runner.run("pharmacokinetics", {"dt_hours": dt}, **keys)
    curve = series["concentration"].sel(arm="theory", subject="0", drug="drug")
    values: np.ndarray = curve.sel(time=hours / 24.0, method="nearest", tolerance=1e-8).values
    return values


def _compared(runner: Runner, name: str, drug: Drug, doses: Doses, table: dict[float, float], end: float, unit: str) -> Outcome:
    """The whole curve to 1e-8 of its largest value, and the numbers of a table to their digits."""
    rng = np.random.default_rng(1)
    shown = np.linspace(0.0, min(end, 48.0), 97)
    hours = np.unique(np.concatenate([np.array(list(table)), shown, rng.uniform(0.0, end, 150)]))
    exact = concentration(drug, doses, hours)
    findings, curves = [], {}
    for dt in (1.0, 24.0):
        seen = _curve(runner, drug, doses, hours, dt)
        curves[f"dt {dt:g} h"] = seen
        findings.append(largest_error(f"{name}: largest error of the curve, dt {dt:g} h", exact, seen, 1e-8))
    for hour, value in table.items():
        seen_value = float(curves["dt 1 h"][int(np.argmin(np.abs(hours - hour)))])
        findings.append(check_error(f"{name}: {unit} at {hour:g} h (table)", value, seen_value, relative=1e-3))
    drawn = np.isin(hours, shown)
    panel = CurvePanel(f"{name}, first days", hours[drawn], {"exact": exact[drawn]}, {label: curve[drawn] for label, curve in curves.items()}, "h", unit)
    return Outcome(findings, [panel])


def _area(runner: Runner, drug: Drug, doses: Doses, start: float, width: float) -> float:
    """Area under the curve between two doses, from the program's concentrations at 40 Gauss-Legendre nodes."""
    x, weight = np.polynomial.legendre.leggauss(40)
    # Nodes crowd at the start, where absorption bends the curve.
    u = 0.5 * (x + 1.0)
    hours = start + width * u**3
    values = _curve(runner, drug, doses, hours, 1.0)
    return float(np.sum(0.5 * weight * 3.0 * u**2 * width * values))


@case(
    "pk_everolimus",
    shows="everolimus 10 mg once a day for 30 days, two compartments with absorption",
    source=f"{SOURCE}; de Wit 2016, doi:10.1007/s00280-016-3050-6",
    reading=READING,
    needs=("pharmacokinetics",),
)
def everolimus(runner: Runner) -> Outcome:
    """61.76 ug/L at 0.736 h, 6.809 at 24 h; steady state 74.35 and 12.880; AUC F D / CL."""
    drug = Drug(17.4, 25.2, 51.1, 400.0, 0.647)
    doses = [(24.0 * day, 10_000.0, 0.0) for day in range(30)]
    outcome = _compared(runner, "everolimus", drug, doses, {0.736: 61.76, 24.0: 6.809, 696.706: 74.35, 720.0: 12.880}, 720.0, "ug/L")
    area = _area(runner, drug, doses, 696.0, 24.0)
    return Outcome([*outcome.findings, check_error("everolimus: AUC of the 30th day = D / CL", 10_000.0 / 17.4, area, relative=1e-4)], outcome.panels)


@case(
    "pk_paclitaxel", shows="paclitaxel 410 umol over 3 h, two compartments", source=f"{SOURCE}; DDMODEL00000186", reading=READING, needs=("pharmacokinetics",)
)
def paclitaxel(runner: Runner) -> Outcome:
    """0.31512, 0.048057, 0.0061514, 4.105e-4 umol/L at 3, 6, 24, 48 h."""
    table = {3.0: 0.31512, 6.0: 0.048057, 24.0: 0.0061514, 48.0: 4.105e-4}
    return _compared(runner, "paclitaxel", Drug(285.0, 290.0, 204.0, 1000.0), [(0.0, 410.0, 3.0)], table, 48.0, "umol/L")


@case(
    "pk_areas",
    shows="areas under the curve of vincristine, dexamethasone and a test case of venetoclax: dose over clearance, whatever the other numbers",
    source="AUC = F D / CL; Groninger 2002, doi:10.1203/00006450-200207000-00021; Kawedia 2012, Blood 119:1658; doi:10.2147/DDDT.S458927",
    reading=READING,
    needs=("pharmacokinetics",),
)
def areas(runner: Runner) -> Outcome:
    """109.6, 755, 452 ug h/L and 21.5 mg h/L."""
    findings: list[Finding] = []
    vincristine = Drug(0.228 * 60.0, 0.228 * 60.0 * 1001.0 / 60.0 / np.log(2.0))
    first = _area(runner, vincristine, [(0.0, 1500.0, 0.0)], 0.0, 1000.0)
    findings.append(check_error("vincristine 1.5 mg/m2: AUC, ug h/L per m2", 109.649, first, relative=1e-3))
    daily = [(24.0 * day, 8000.0, 0.0) for day in range(10)]
    for label, clearance, exact in (("no antibodies", 10.6, 754.7), ("antibodies", 17.7, 451.98)):
        drug = Drug(clearance, 0.25 * clearance / 0.06, ka=1.5)
        findings.append(check_error(f"dexamethasone 8 mg/m2, {label}: AUC of a day, ug h/L", exact, _area(runner, drug, daily, 216.0, 24.0), relative=1e-3))
    venetoclax = Drug(446.0 / 24.0, 446.0 / 24.0 * 26.0 / np.log(2.0), ka=0.3)
    doses = [(24.0 * day, 400.0, 0.0) for day in range(30)]
    findings.append(
        check_error("venetoclax 400 mg (test case): AUC of a day, mg h/L", 400.0 / (446.0 / 24.0), _area(runner, venetoclax, doses, 696.0, 24.0), relative=1e-3)
    )
    hours = np.linspace(0.0, 720.0, 241)
    exact_curve = concentration(venetoclax, doses, hours)
    seen = _curve(runner, venetoclax, doses, hours, 1.0)
    findings.append(largest_error("venetoclax (test case): largest error of the curve", exact_curve, seen, 1e-8))
    panel = CurvePanel("venetoclax, test case", hours, {"exact": exact_curve}, {"dt 1 h": seen}, "h", "mg/L")
    return Outcome(findings, [panel])
