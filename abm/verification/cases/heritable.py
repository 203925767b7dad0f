"""Heritable change: resistance under phases of a drug, mutants in a culture, resistance when a tumour is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from abm.verification import exact_two_types as two
from abm.verification.exact_mutants import lea_coulson, luria_delbruck, resistance_at_detection
from abm.verification.findings import Finding, LawPanel, Outcome, Panel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_law, check_normal, check_proportion

SOURCE = "two-type branching, backward equations (abm/verification/exact_two_types.py)"
READING = (
    "Right: the staircase of resistant cells follows the dark line. "
    "Wrong: another share without resistance, e.g. twice as many mutants, or none from lines that died."
)
# Mutants are drawn per window from the integrated hazard: half of the shift that the program allows itself.
SHIFT, TAIL_SHIFT = 0.01, 0.002

TT_P1 = two.TwoTypes(20, 0, 4.2e-4, "one", [(60.0, 0.25, 0.181, 0.25, 0.181), (100.0, 0.25, 0.35, 0.25, 0.181)])
TT_P2 = two.TwoTypes(200, 0, 1e-3, "one", [(100.0, 0.14, 0.13, 0.14, 0.13), (200.0, 0.14, 0.17, 0.14, 0.13)])
TT_P3 = TT_P1._replace(phases=[(60.0, 0.25, 0.181, 0.25, 0.181), (120.0, 0.25, 0.35, 0.25, 0.181)])


def _final(series: xr.Dataset, population: str) -> np.ndarray:
    values: np.ndarray = series["count"].sel(arm="theory", population=population).isel(time=-1).values
    return values


def _two_types(runner: Runner, law: two.TwoTypes, threshold: int, label: str, engine: dict[str, Any] | None = None) -> tuple[list[Finding], Panel]:
    keys: dict[str, Any] = {"s0": law.s0, "r0": law.r0, "u": law.u, "mutation": law.mutation, "phases": [list(phase) for phase in law.phases]}
    series = runner.run("resistance", engine, replicates=runner.size(2000, 10_000), **keys)
    s, r = _final(series, "sensitive"), _final(series, "resistant")
    n = s.size
    law_of_r = np.maximum(two.resistant_law(law, 1024), 0.0)
    mean, covariance = two.moments(law)
    findings = [
        check_proportion(f"P(no resistant cell), {label}", int((r == 0).sum()), n, two.no_resistant(law), SHIFT),
        check_proportion(f"P(no sensitive cell), {label}", int((s == 0).sum()), n, two.no_sensitive(law), SHIFT),
        check_proportion(f"P(cure), {label}", int(((s == 0) & (r == 0)).sum()), n, two.cured(law), SHIFT),
        check_proportion(f"P(R >= {threshold}), {label}", int((r >= threshold).sum()), n, two.at_least(law, threshold), SHIFT),
        check_law(f"distance of the law of R, {label}", r, law_of_r, SHIFT),
        check_normal(f"mean S, {label}", float(mean[0]), float(s.mean()), float(np.sqrt(covariance[0, 0] / n)), "normal law"),
    ]
    return findings, LawPanel(f"resistant cells, {label}", r, law_of_r, "resistant cells at the end")


@case("resistance_phases", shows="20 cells grow, then meet a drug: who is resistant, who is cured", source=SOURCE, reading=READING, needs=("resistance",))
def phases(runner: Runner) -> Outcome:
    """TT-P1 (one and each daughter mutant) and TT-P3."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    for label, law in (("day 100", TT_P1), ("day 120", TT_P3), ("day 100, each daughter", TT_P1._replace(mutation="each"))):
        found, panel = _two_types(runner, law, 200, label)
        findings += found
        panels.append(panel)
    return Outcome(findings, panels)


@case(
    "resistance_melanoma",
    shows="200 cells that hardly grow, then decline: rates of melanoma",
    source=f"{SOURCE}; Bozic 2013, doi:10.7554/eLife.00747",
    reading=READING,
    needs=("resistance",),
)
def melanoma(runner: Runner) -> Outcome:
    """TT-P2: P(no resistant) 0.45720."""
    found, panel = _two_types(runner, TT_P2, 50, "day 200")
    coarse, _ = _two_types(runner, TT_P2, 50, "dt 24 h", {"dt_hours": 24})
    return Outcome([*found, *coarse], [panel])


@case(
    "luria_delbruck",
    shows="mutants in cultures grown from 100 cells",
    source="two-type branching with everything by chance; the law of Lea and Coulson (growth without chance) is shown to differ",
    reading=READING + " Growth without chance (Lea and Coulson) would have a heavier tail.",
    needs=("luria_delbruck",),
)
def mutants(runner: Runner) -> Outcome:
    """LD-P2: P(0) 0.02018, median 10, 90 % quantile 43."""
    law = np.maximum(luria_delbruck(100, 1.0, 0.0, 1.0, 2.7e-4, 5.0, 2048), 0.0)
    keys: dict[str, Any] = {"n0": 100, "b": 1.0, "d": 0.0, "b_mutant": 1.0, "u": 2.7e-4, "t_end": 5.0}
    sample = _final(runner.run("luria_delbruck", replicates=runner.size(2000, 10_000), **keys), "resistant")
    cumulative = np.cumsum(law)
    findings = [
        check_proportion("P(no mutant)", int((sample == 0).sum()), sample.size, float(law[0]), SHIFT),
        check_law("distance of the law", sample, law, SHIFT),
    ]
    findings += [check_proportion(f"P(at most {k} mutants)", int((sample <= k).sum()), sample.size, float(cumulative[k]), SHIFT) for k in (1, 10, 43)]
    # The tail tells chance in the growth of the others from growth without chance, 0.9725 from 0.953.
    findings.append(check_proportion("P(at most 99 mutants)", int((sample <= 99).sum()), sample.size, float(cumulative[99]), TAIL_SHIFT))
    m = 2.7e-4 * 100.0 * np.expm1(5.0)
    remark = f"Lea and Coulson would give P(0) = {lea_coulson(m, 2)[0]:.4f}."
    return Outcome(findings, [LawPanel("mutants", sample, law, "mutants")], remark)


@case(
    "resistance_at_detection",
    shows="is there a resistant cell when a tumour reaches the size at which it is found?",
    source="Iwasa, Nowak & Michor 2006, doi:10.1534/genetics.105.049791",
    reading="Right: dots between -1 and 1. Wrong: a stop at the size of all cells, or no condition on reaching it.",
    needs=("detection",),
)
def detection(runner: Runner) -> Outcome:
    """IW-P1 and IW-P2; the formula is the limit of small u, whose error of order u is allowed with the shift."""
    findings = []
    cases: dict[str, dict[str, Any]] = {
        "neutral": {"n_detect": 10_000, "u": 4.2e-5, "b": 0.25, "d": 0.181, "b_mutant": 0.25, "d_mutant": 0.181},
        "mutants grow at 0.8 of the speed": {"n_detect": 1000, "u": 3e-4, "b": 1.0, "d": 0.5, "b_mutant": 0.9, "d_mutant": 0.5},
    }
    for label, keys in cases.items():
        sample = _final(runner.run("detection", replicates=runner.size(1500, 6000), **keys), "resistant")
        findings.append(check_proportion(f"P(resistance), {label}", int((sample > 0).sum()), sample.size, resistance_at_detection(**keys), SHIFT))
    return Outcome(findings)
