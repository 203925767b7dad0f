"""Published facts on human blood, at rest and under drugs, computed with the deterministic twin of the lineages.

Fitted are the priming of B lymphocytes (to the single doses of Dave 2019) and that of the
progenitors of neutrophils (to the grade 3-4 neutropenia of Davids 2018).
Patients differ in clearance (CV 0.4), in the priming of their progenitors (SD of the log
0.15, an assumption) and in the counts at which they start (CV 0.35, 0.35 and 0.12).
Those of the published trial had chronic lymphocytic leukaemia, whose marrow is not
modelled: mean starting counts of 4.0, 180 x 1e9/L and 125 g/L are assumptions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from abm.engine.mean_field import trait_points
from abm.models.mean_field_healthy import build_healthy_twin, simulate_healthy
from abm.models.mean_field_xenograft import dosed_course
from abm.parameters.drug import Cytotoxic, Drug, Targets
from abm.parameters.experiment import Experiment
from abm.parameters.lineage import Lineage
from abm.pharmacology.action import Values
from abm.pharmacology.regimen import Dose
from abm.targets.library import library

BLOOD_L = 5.0
DT_HOURS = 4.0
LINEAGES = ("human_neutrophil", "human_monocyte", "human_platelet", "human_erythrocyte", "human_b_lymphocyte", "human_t_lymphocyte")
PATIENTS = 128
SLOW = ("human_erythrocyte", "human_b_lymphocyte", "human_t_lymphocyte")


def turnover(lineages: dict[str, Lineage]) -> dict[str, float]:
    """Cells that enter the blood of a healthy adult in a day, by lineage."""
    return {n: x.baseline * x.cells_per_unit * BLOOD_L / x.circulating_fraction / x.blood_life_days for n, x in lineages.items()}


def _steps(days: float) -> int:
    return round(days * 24.0 / DT_HOURS)


def daily(drug: str, amounts_mg: Sequence[float]) -> tuple[Dose, ...]:
    """One dose a day."""
    return tuple(Dose(float(day), drug, mg, 0.0) for day, mg in enumerate(amounts_mg) if mg > 0.0)


def course(experiment: Experiment, drug: str, arms: Sequence[tuple[Dose, ...]], days: float, clearance: Sequence[float]) -> Values:
    """Free drug of one row per clearance (L/h); rows repeat the last arm."""
    pk = experiment.drugs[drug].pharmacokinetics["human"]
    kinetics = [{drug: dataclasses.replace(pk, clearance_l_per_h=float(cl))} for cl in clearance]
    arm_of_row = np.minimum(np.arange(len(kinetics)), len(arms) - 1).astype(np.int32)
    masses = {drug: experiment.drugs[drug].molar_mass_g_per_mol}
    grid = np.arange(_steps(days) + 1) * (DT_HOURS / 24.0)
    return dosed_course(kinetics, masses, list(arms), arm_of_row, grid)


def counts(experiment: Experiment, lineages: list[list[Lineage]], drugs: dict[str, Drug], drug: str, given: Values, points: int = 64) -> list[np.ndarray]:
    """Counts over rest, (steps + 1, rows) for every lineage."""
    rows = len(lineages)
    twin = build_healthy_twin(lineages, [experiment.cell] * rows, [drugs] * rows, [drug], trait_points(points, 1, 0, seed=7))
    return simulate_healthy(twin, given, DT_HOURS / 24.0)


def pulse(experiment: Experiment, lineages: dict[str, Lineage], days: float = 730.0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(undisturbed, after a pulse): counts over two years; the pulse is a cytotoxic hazard of 2 1/d on two days."""
    kill = Targets(bh3=None, mtorc1=None, stress=None, bim=None, cytotoxic=Cytotoxic(max_per_day=4.0, ec50_nm=1.0, hill=1.0, quiescent_factor=1.0))
    drug = Drug(label="pulse", matrix="plasma", molar_mass_g_per_mol=1.0, pharmacokinetics={}, targets=kill)
    given = np.zeros((_steps(days), 2, 1))
    given[: _steps(2.0), 1] = 1.0
    found = counts(experiment, [list(lineages.values())] * 2, {"pulse": drug}, "pulse", given, points=8)
    by_name = dict(zip(lineages, found, strict=True))
    return {n: x[:, 0] for n, x in by_name.items()}, {n: x[:, 1] for n, x in by_name.items()}


def patients(experiment: Experiment, lineages: dict[str, Lineage], bim_factor: float = 1.0, weeks: int = 12) -> dict[str, float]:
    """Shares of patients on venetoclax, ramped weekly to 400 mg/d, that reach grade 3 or 4."""
    assert experiment.toxicity is not None
    z = ndtri(qmc.Sobol(5, seed=3).random(PATIENTS)).T
    sigma = np.sqrt(np.log1p(0.4**2))
    clearance = experiment.drugs["venetoclax"].pharmacokinetics["human"].clearance_l_per_h * np.exp(sigma * z[0])
    amounts = [mg for mg in (20.0, 50.0, 100.0, 200.0) for _ in range(7)] + [400.0] * 7 * (weeks - 4)
    given = course(experiment, "venetoclax", [daily("venetoclax", amounts)], 7.0 * weeks, list(clearance))
    names = ("human_neutrophil", "human_platelet", "human_erythrocyte")
    rows = [[_primed(lineages[name], bim_factor * factor) for name in names] for factor in np.exp(0.15 * z[1]).tolist()]
    found = counts(experiment, rows, experiment.drugs, "venetoclax", given, points=32)
    shares = {}
    for name, mean, cv, x, normals in zip(names, (4.0, 180.0, 125.0), (0.35, 0.35, 0.12), found, z[2:], strict=True):
        spread = np.sqrt(np.log1p(cv**2))
        start = mean * np.exp(spread * normals - 0.5 * spread**2)
        criterion = experiment.toxicity.counts[lineages[name].readout]
        shares[lineages[name].readout] = float(np.mean(start * x.min(axis=0) < criterion.grade_3))
    return shares


def _primed(lineage: Lineage, factor: float) -> Lineage:
    return dataclasses.replace(lineage, progenitors=dataclasses.replace(lineage.progenitors, bim=lineage.progenitors.bim * factor))


def human_blood() -> dict[str, float]:
    """Value of every line by name; configure JAX and enable pytrees first."""
    experiment = library()
    lineages = {name: experiment.lineages[name] for name in LINEAGES}
    cells = turnover(lineages)
    nucleated = sum(x for name, x in cells.items() if name != "human_platelet")
    rest, after = pulse(experiment, lineages)
    fast = [after[name] for name in LINEAGES if name not in SLOW]
    shares = patients(experiment, lineages)
    return {
        "neutrophil_turnover": cells["human_neutrophil"],
        "erythrocyte_turnover": cells["human_erythrocyte"],
        "monocyte_turnover": cells["human_monocyte"],
        "b_turnover": cells["human_b_lymphocyte"],
        "t_turnover": cells["human_t_lymphocyte"],
        "total_turnover": nucleated,
        "drift": max(float(np.abs(x - 1.0).max()) for x in rest.values()),
        "pulse_neutrophils": float(after["human_neutrophil"].min()),
        "pulse_overshoot": float(after["human_neutrophil"].max()),
        "pulse_back_fast": max(float(abs(x[_steps(120.0)] - 1.0)) for x in fast),
        "pulse_back_slow": max(float(abs(after[name][-1] - 1.0)) for name in SLOW),
        **_drugs(experiment, lineages),
        "neutropenia": shares["neutrophils"],
        "thrombocytopenia": shares["platelets"],
        "anaemia": shares["haemoglobin"],
    }


def _drugs(experiment: Experiment, lineages: dict[str, Lineage]) -> dict[str, float]:
    """Single and continuous doses in a typical adult; B cells in healthy volunteers, who clear 449 L/d (Dave 2019)."""
    b = [[lineages["human_b_lymphocyte"]]] * 2
    single = course(experiment, "venetoclax", [daily("venetoclax", [mg]) for mg in (200.0, 400.0)], 28.0, [449.0 / 24.0] * 2)
    (b_cells,) = counts(experiment, b, experiment.drugs, "venetoclax", single)
    lowest: dict[str, dict[str, float]] = {}
    day: dict[str, float] = {}
    for drug, mg in (("venetoclax", 400.0), ("everolimus", 10.0), ("navitoclax", 250.0)):
        clearance = experiment.drugs[drug].pharmacokinetics["human"].clearance_l_per_h
        given = course(experiment, drug, [daily(drug, [mg] * 28)], 28.0, [clearance])
        found = dict(zip(lineages, counts(experiment, [list(lineages.values())], experiment.drugs, drug, given), strict=True))
        lowest[drug] = {name: float(x.min()) for name, x in found.items()}
        low = np.flatnonzero(found["human_platelet"][:, 0] < 0.75)
        day[drug] = float(low[0]) * DT_HOURS / 24.0 if len(low) else float("inf")
    return {
        "b_200": 1.0 - float(b_cells[:, 0].min()),
        "b_400": 1.0 - float(b_cells[:, 1].min()),
        "venetoclax_neutrophils": lowest["venetoclax"]["human_neutrophil"],
        "venetoclax_platelets": lowest["venetoclax"]["human_platelet"],
        "venetoclax_spares_platelets": lowest["venetoclax"]["human_platelet"] - lowest["venetoclax"]["human_neutrophil"],
        "everolimus_neutrophils": lowest["everolimus"]["human_neutrophil"],
        "everolimus_platelets": lowest["everolimus"]["human_platelet"],
        "everolimus_t_cells": lowest["everolimus"]["human_t_lymphocyte"],
        "navitoclax_platelets": lowest["navitoclax"]["human_platelet"],
        "navitoclax_day": day["navitoclax"],
    }
