"""Concentrations of a typical adult under daily doses, by the exact solution that every run uses; no chance."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.models.mean_field_xenograft import dosed_course
from abm.parameters.drug import Drug
from abm.parameters.experiment import Experiment
from abm.pharmacology.action import free_factor
from abm.pharmacology.covariates import host_pharmacokinetics
from abm.pharmacology.regimen import Dose
from abm.targets.findings import Simulated
from abm.targets.library import library
from abm.targets.registry import computes
from abm.targets.trials import Trials

STEP_H = 0.05
DAYS = 30  # of doses before the day that is read
VOLUNTEER_CL_L_PER_H = 449.0 / 24.0  # Dave 2019
HOW = "mean concentration over each of 480 intervals of the day after 30 daily doses"


class Day(NamedTuple):
    """A day between two doses at steady state."""

    auc: float  # h times the unit of the concentration
    peak: float
    peak_h: float  # after the dose
    trough: float  # mean of the last interval before the next dose


def _means(experiment: Experiment, name: str, doses: tuple[Dose, ...], grid_h: NDArray[np.float64], clearance: float | None = None) -> NDArray[np.float64]:
    """Mean total concentration over each interval of the grid, mg/L, in a typical subject of the host."""
    drug: Drug = experiment.drugs[name]
    pk = host_pharmacokinetics(drug, experiment.host)
    pk = pk if clearance is None else dataclasses.replace(pk, clearance_l_per_h=clearance)
    free = np.asarray(dosed_course([{name: pk}], {name: drug.molar_mass_g_per_mol}, [doses], np.zeros(1, np.int32), grid_h / 24.0), float)[:, 0, 0]
    return free / free_factor(pk) * drug.molar_mass_g_per_mol * 1e-6


def steady_day(experiment: Experiment, name: str, amount_mg: float, clearance: float | None = None) -> Day:
    """The day after DAYS daily doses."""
    start = 24.0 * DAYS
    within = np.arange(0.0, 24.0 + 0.5 * STEP_H, STEP_H)
    grid = np.concatenate([np.arange(0.0, start, 24.0), start + within])
    doses = tuple(Dose(float(day), name, amount_mg, 0.0) for day in range(DAYS + 1))
    day = _means(experiment, name, doses, grid, clearance)[-(within.size - 1) :]
    at = int(np.argmax(day))
    return Day(float(day.sum() * STEP_H), float(day[at]), float(within[at] + 0.5 * STEP_H), float(day[-1]))


def half_life_h(experiment: Experiment, name: str, clearance: float | None = None) -> float:
    """Terminal half-life: between the means over days 9 and 10 after one dose, whose ratio is that of the concentrations."""
    grid = np.array([0.0, 192.0, 216.0, 240.0])
    tail = _means(experiment, name, (Dose(0.0, name, 400.0, 0.0),), grid, clearance)[1:]
    return float(24.0 * np.log(2.0) / np.log(tail[0] / tail[1]))


def adult(*overrides: str) -> Experiment:
    """The library with an adult as host."""
    return library("host=patient_adult", *overrides)


@computes("venetoclax_auc", "venetoclax_peak", "venetoclax_half_life", "venetoclax_time_of_peak", how=HOW)
def venetoclax_of_patients(trials: Trials) -> dict[str, Simulated]:
    """Exposure of the label."""
    experiment = adult()
    day = steady_day(experiment, "venetoclax", 400.0)
    values = {"auc": day.auc, "peak": day.peak, "half_life": half_life_h(experiment, "venetoclax"), "time_of_peak": day.peak_h}
    return {f"venetoclax_{name}": Simulated(value) for name, value in values.items()}


@computes("volunteer_auc", "volunteer_peak", "volunteer_half_life", how=HOW)
def venetoclax_of_volunteers(trials: Trials) -> dict[str, Simulated]:
    """The same with the clearance of volunteers."""
    experiment = adult()
    day = steady_day(experiment, "venetoclax", 400.0, VOLUNTEER_CL_L_PER_H)
    values = {"auc": day.auc, "peak": day.peak, "half_life": half_life_h(experiment, "venetoclax", VOLUNTEER_CL_L_PER_H)}
    return {f"volunteer_{name}": Simulated(value) for name, value in values.items()}


@computes("food_fasting", "food_high_fat", how=HOW)
def meals(trials: Trials) -> dict[str, Simulated]:
    """Ratios of the areas."""
    areas = {food: steady_day(adult(f"host.food={food}"), "venetoclax", 400.0).auc for food in ("fasting", "low_fat", "high_fat")}
    return {f"food_{food}": Simulated(areas[food] / areas["low_fat"]) for food in ("fasting", "high_fat")}


@computes("everolimus_auc", "everolimus_peak", "everolimus_trough", "everolimus_accumulation", how=HOW)
def everolimus(trials: Trials) -> dict[str, Simulated]:
    """Exposure in blood, and how soon it is reached."""
    experiment = adult()
    day = steady_day(experiment, "everolimus", 10.0)
    doses = tuple(Dose(float(d), "everolimus", 10.0, 0.0) for d in range(DAYS))
    means = _means(experiment, "everolimus", doses, 24.0 * np.arange(DAYS + 1.0, dtype=np.float64))
    values = {"auc": 1000.0 * day.auc, "peak": 1000.0 * day.peak, "trough": 1000.0 * day.trough, "accumulation": means[7] / means[-1]}
    return {f"everolimus_{name}": Simulated(float(value)) for name, value in values.items()}
