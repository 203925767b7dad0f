"""Two drugs together: no interaction where none is built in, the built-in one otherwise, and the statistics of it."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from abm.endpoints.synergy import DoseResponse, bliss, hsa, loewe, log_interaction, zip_reference
from abm.verification.findings import CurvePanel, Finding, Outcome
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_error, check_normal, check_proportion

HAZARDS = {"none": 0.05, "a": 0.15, "b": 0.20, "ab": 0.30}


def _interaction(runner: Runner, gamma: float) -> Outcome:
    replicates, n0 = runner.size(16, 128), 40_000
    n = replicates * n0
    keys: dict[str, Any] = {"k0": 0.05, "ka": 0.10, "kb": 0.15, "gamma": gamma, "n0": n0, "t_end": 10.0, "replicates": replicates}
    series = runner.run("combination", {"packets": 32, "packing_hours": 1e6}, save_hours=24.0, **keys)
    days = series["time"].values[1:]
    alive = series["count"].sum(["subject", "population"])
    findings: list[Finding] = []
    for arm, hazard in HAZARDS.items():
        p = float(np.exp(-10.0 * (hazard + (gamma if arm == "ab" else 0.0))))
        findings.append(check_proportion(f"alive on day 10, arm {arm}", int(alive.sel(arm=arm).isel(time=-1)), n, p))
    seen, spread = [], []
    for day in days:
        share = {arm: float(alive.sel(arm=arm, time=day)) / n for arm in HAZARDS}
        exact = [float(np.exp(-day * (hazard + (gamma if arm == "ab" else 0.0)))) for arm, hazard in HAZARDS.items()]
        seen.append(log_interaction(share["none"], share["a"], share["b"], share["ab"]))
        # Arms share their draws: whatever the correlation, the sum of the errors bounds the error of the sum.
        spread.append(sum(float(np.sqrt((1.0 - q) / (n * q))) for q in exact))
    for i in (4, len(days) - 1):
        findings.append(check_normal(f"log interaction on day {days[i]:g}", -gamma * float(days[i]), seen[i], spread[i], "normal law, largest possible error"))
    curve = CurvePanel(
        "log(S_ab S_0 / (S_a S_b))",
        days,
        {"exact": -gamma * days},
        {"program": np.array(seen)},
        "day",
        "log interaction",
        spread={"program": 6.0 * np.array(spread)},
    )
    return Outcome(findings, [curve])


@case(
    "combination_null",
    shows="two independent drugs: survivals multiply at every time",
    source="S_ab S_0 = S_a S_b for added hazards (Bliss 1939)",
    reading="Right: points on zero within their bars. Wrong: a drift below zero is synergy that was never put in.",
    needs=("combination",),
)
def null(runner: Runner) -> Outcome:
    """Log interaction 0."""
    return _interaction(runner, 0.0)


@case(
    "combination_interaction",
    shows="two drugs with an interaction of 0.05 a day: the log interaction is -0.05 t",
    source="S_ab S_0 = S_a S_b exp(-gamma t)",
    reading="Right: points on the falling line. Wrong: points on zero, the interaction was lost.",
    needs=("combination",),
)
def interaction(runner: Runner) -> Outcome:
    """Log interaction -gamma t."""
    return _interaction(runner, 0.05)


# Computed with the PyPI package `synergy` 1.0.0, whose Loewe solver is good to about 1e-6.
SYNERGY_PACKAGE = {"bliss": 0.37937, "hsa": 0.60156, "loewe": 0.44050}
SHAM_LOEWE, SHAM_BLISS = 0.371747, 0.493486


@case(
    "synergy_references",
    shows="Bliss, HSA, Loewe and ZIP of two Hill curves, and a drug mixed with itself",
    source="abm/endpoints/synergy.py against the PyPI package synergy 1.0.0; a sham mixture is the sum of its doses (Loewe & Muischnek 1926)",
    reading="Right: the Loewe line of the sham mixture lies on the drug's own curve at the summed dose; Bliss does not, an artefact and no interaction.",
)
def references(runner: Runner) -> Outcome:
    """BL-P1 and the sham test."""
    a, b = DoseResponse(1.0, 0.0, 1.0, 1.5), DoseResponse(1.0, 0.1, 2.0, 0.8)
    sa, sb = a.survival(0.7), b.survival(1.5)
    ours = {"bliss": bliss(sa, sb), "hsa": hsa(sa, sb), "loewe": loewe(0.7, 1.5, a, b)}
    findings = [check_error("survival under drug a", 0.63065, sa, absolute=6e-6), check_error("survival under drug b", 0.60156, sb, absolute=6e-6)]
    findings += [check_error(f"{name}, reference numbers", value, ours[name], absolute=6e-6) for name, value in SYNERGY_PACKAGE.items()]
    findings.append(check_error("ZIP of the curves is Bliss of them", ours["bliss"], zip_reference(0.7, 1.5, a, b), absolute=1e-15))
    sham = DoseResponse(1.0, 0.0, 1.0, 2.0)
    findings.append(check_error("sham mixture 0.6 + 0.7: Loewe, reference number", SHAM_LOEWE, loewe(0.6, 0.7, sham, sham), absolute=6e-7))
    findings.append(check_error("sham mixture 0.6 + 0.7: Bliss, reference number", SHAM_BLISS, bliss(sham.survival(0.6), sham.survival(0.7)), absolute=6e-7))
    findings += _sham(sham)
    remark = "The package synergy is not installed; its numbers are those of the table."
    compared = _package(a, b, 0.7, 1.5)
    if compared:
        findings += [check_error(f"{name}, package synergy", value, ours[name], absolute=2e-6) for name, value in compared.items()]
        remark = "Compared with the installed package synergy as well."
    doses = np.linspace(0.05, 4.0, 60)
    exact = {
        "the drug itself": np.array([sham.survival(2.0 * d) for d in doses]),
        "Bliss (not a null for a sham)": np.array([sham.survival(d) ** 2 for d in doses]),
    }
    seen = {"Loewe": np.array([loewe(d, d, sham, sham) for d in doses])}
    return Outcome(findings, [CurvePanel("sham mixture", 2.0 * doses, exact, seen, "summed dose", "survival")], remark)


def _sham(drug: DoseResponse) -> list[Finding]:
    found = []
    for x, y in ((0.6, 0.7), (0.01, 3.0), (1e-6, 1e-6)):
        found.append(check_error(f"sham mixture {x:g} + {y:g}: Loewe is the curve at the sum", drug.survival(x + y), loewe(x, y, drug, drug), absolute=1e-10))
    return found


def _package(a: DoseResponse, b: DoseResponse, dose_a: float, dose_b: float) -> dict[str, float]:
    """The same by the PyPI package `synergy`, where it is installed."""
    try:
        combination, single = importlib.import_module("synergy.combination"), importlib.import_module("synergy.single")
    except ImportError:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curves = [single.Hill(E0=x.e0, Emax=x.e_max, C=x.c, h=x.h) for x in (a, b)]
        doses = np.array([dose_a]), np.array([dose_b])
        models = {"bliss": combination.Bliss, "hsa": combination.HSA, "loewe": combination.Loewe}
        return {name: float(np.ravel(model(drug1_model=curves[0], drug2_model=curves[1]).E_reference(*doses))[0]) for name, model in models.items()}
