"""Targets of the calibration in mice and in the dish, computed with the mean-field twin.

`Setting` says with which rules.  PROTOTYPE holds the rules of the deterministic study
in which the default numbers were chosen; SHIPPED those of the model as it is.  They
differ in

* BMF without stress: the study subtracted the induction at basal stress (0.13 nmol/L of 5),
* BMF competence: the study redrew it at division with the other traits; here it is heritable,
* constants: the study used half-times (e.g. ln 2 / 0.3 h), `conf/` their rounded rates,
* healthy progenitors: the study spread survivors over all traits at once (no selection).

The study's stress-only death was h Phi, here h s; both are 0 by default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.mean_field import trait_points
from abm.models.mean_field_healthy import build_healthy_twin, simulate_healthy
from abm.models.mean_field_xenograft import TwinRow, TwinSeries, build_twin, constant_course, dosed_course, simulate_twin
from abm.parameters.cell import Cell
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Growth, Leukaemia
from abm.parameters.lineage import Lineage
from abm.pharmacology.action import Values
from abm.pharmacology.covariates import host_pharmacokinetics
from abm.pharmacology.regimen import Dose

LN2 = float(np.log(2.0))
ORDER = ["everolimus", "navitoclax", "venetoclax"]
MOUSE = {"vehicle": (0.0, 0.0), "venetoclax": (100.0, 0.0), "everolimus": (0.0, 4.0), "combination": (100.0, 4.0)}
DOSES_NM = np.logspace(0.0, 4.7, 16)
SERUM = 0.1
EVEROLIMUS_FREE_IN_DISH = 0.8


@dataclasses.dataclass(frozen=True)
class Setting:
    """Rules of a computation."""

    as_prototype: bool
    points: int
    levels: int  # of BMF competence; 0: redrawn with the other traits
    healthy_points: int = 64
    dt_hours: float = 1.0


PROTOTYPE = Setting(as_prototype=True, points=256, levels=0)
SHIPPED = Setting(as_prototype=False, points=32, levels=8)


def shipped() -> Experiment:
    """The default experiment with navitoclax among its drugs."""
    return build(compose(["+arms.navitoclax={regimen: navitoclax}"]))


def twin_targets(setting: Setting) -> dict[str, float]:
    """Value of every target by name; configure JAX and enable pytrees first."""
    experiment = shipped()
    if setting.as_prototype:
        cell, leukaemias, drugs = _as_prototype(experiment)
        experiment = dataclasses.replace(experiment, cell=cell, leukaemias=leukaemias, drugs=drugs)
    values: dict[str, float] = {}
    for compute in (_dish, _survival, _mouse, _healthy, _patients, _untreated):
        values |= compute(experiment, setting)
    return values


def twin_values(experiment: Experiment, keys: Collection[str], setting: Setting) -> dict[str, float]:
    """Values of some targets in mice and in the dish for an experiment that holds the leukaemias, lineages and drugs of `shipped`.

    Raises:
        KeyError: A key is none of `MOUSE_KEYS`.
    """
    values: dict[str, float] = {}
    for compute, given in MOUSE_KEYS.items():
        if not set(given).isdisjoint(keys):
            values |= compute(experiment, setting)
    return {key: values[key] for key in keys}


def _as_prototype(experiment: Experiment) -> tuple[Cell, dict[str, Leukaemia], dict[str, Any]]:
    cell = experiment.cell
    basal = cell.stress.basal**cell.bmf.stress_hill
    offset = cell.bmf.induced_nm * basal / (basal + cell.bmf.stress_half_point**cell.bmf.stress_hill)
    cell = dataclasses.replace(
        cell,
        mtorc1=dataclasses.replace(cell.mtorc1, relaxation_per_hour=LN2 / 0.3),
        bmf=dataclasses.replace(cell.bmf, basal_nm=cell.bmf.basal_nm - offset, rate_per_hour=LN2 / 3.0),
    )
    growth = {n: dataclasses.replace(x.growth, net_per_day=LN2 / 2.5) for n, x in experiment.leukaemias.items()}
    everolimus = experiment.drugs["everolimus"]
    assert everolimus.targets.mtorc1 is not None, "everolimus inhibits mTORC1"
    binding = dataclasses.replace(everolimus.targets.mtorc1, koff_per_h=LN2 / 36.0)
    drugs = {**experiment.drugs, "everolimus": dataclasses.replace(everolimus, targets=dataclasses.replace(everolimus.targets, mtorc1=binding))}
    return cell, {n: dataclasses.replace(x, growth=growth[n]) for n, x in experiment.leukaemias.items()}, drugs


def _points(setting: Setting) -> np.ndarray:
    if setting.as_prototype:
        return _prototype_points(setting.points, seed=1)
    return trait_points(setting.points, 1, setting.levels)


def _prototype_points(n: int, seed: int) -> np.ndarray:
    z = ndtri(np.clip(qmc.Sobol(6, seed=seed).random(n), 1e-6, 1.0 - 1e-6)).T
    return np.stack([*z[:4], np.zeros(n), z[5], z[4]])


def run_rows(rows: list[TwinRow], course: Values, setting: Setting, dt_hours: float, ki_factor: np.ndarray | None = None) -> TwinSeries:
    """Run rows of the twin; `ki_factor` multiplies the Ki of mimetics on BCL-2 of every row."""
    groups = max(setting.levels, 1)
    params = build_twin(rows, ORDER, _points(setting), groups)
    if ki_factor is not None:
        params = params._replace(traits=params.traits._replace(bcl2_ki_factor=params.traits.bcl2_ki_factor * ki_factor[:, None]))
    clones = 1 + max(len(row.leukaemia.subclones) for row in rows)
    return simulate_twin(params, course, dt_hours / 24.0, clones * groups)


def mouse_course(experiment: Experiment, amounts: list[tuple[float, float, float]], days: float, end: float, dt_hours: float) -> Values:
    """Course for arms of (venetoclax, everolimus, navitoclax) mg/kg, one row each."""
    kg = experiment.host.weight_kg
    doses = []
    for amount in amounts:
        given = [Dose(float(d), "venetoclax", amount[0] * kg, 0.0) for d in range(int(days))]
        given += [Dose(float(d), "everolimus", amount[1] * kg, 0.0) for d in range(0, int(days), 2)]
        given += [Dose(float(d), "navitoclax", amount[2] * kg, 0.0) for d in range(int(days))]
        doses.append(tuple(sorted(dose for dose in given if dose.amount_mg > 0.0)))
    kinetics = {d: host_pharmacokinetics(experiment.drugs[d], experiment.host) for d in ORDER}
    masses = {d: experiment.drugs[d].molar_mass_g_per_mol for d in ORDER}
    grid = np.arange(round(end * 24.0 / dt_hours) + 1) * (dt_hours / 24.0)
    n = len(amounts)
    return dosed_course([kinetics] * n, masses, doses, np.arange(n), grid)


def human_cd45(experiment: Experiment, burden: Any) -> Any:
    """hCD45 in blood as a fraction, from the burden."""
    odds = (burden / experiment.host.burden_at_half_cd45) ** (1.0 + experiment.host.egress_exponent)
    return odds / (1.0 + odds)


def burden_at(experiment: Experiment, percent: float) -> float:
    """Burden at an hCD45 %."""
    odds = percent / (100.0 - percent)
    return float(experiment.host.burden_at_half_cd45 * odds ** (1.0 / (1.0 + experiment.host.egress_exponent)))


def event_day(experiment: Experiment, burden: np.ndarray, dt_hours: float, percent: float = 25.0) -> float:
    """First day at which hCD45 % is reached, interpolated; inf if never."""
    level = np.log(burden) - np.log(burden_at(experiment, percent))
    after = np.flatnonzero(level >= 0.0)
    if not len(after):
        return float("inf")
    k = int(after[0])
    return (k - level[k] / (level[k] - level[k - 1])) * dt_hours / 24.0


def _dish(experiment: Experiment, setting: Setting) -> dict[str, float]:
    """72 h in 10 % serum: everolimus alone, and IC50s of venetoclax."""
    growth = Growth(net_per_day=LN2 / 1.2, death_per_day=0.03, quiescent_fraction=0.1, quiescent_to_cycling_per_day=0.1)
    unbound = experiment.drugs["venetoclax"].pharmacokinetics["mouse"].fraction_unbound
    in_medium = unbound / (unbound + SERUM * (1.0 - unbound))
    kinds = [("bmf_competent", 1.0), ("bmf_null", 1.0), ("etp_like", 1.0), ("etp_like", 180.0)]
    everolimus = [0.0, 20.0, 2000.0]
    free, rows, ki = [], [], []
    plan = [("bmf_competent", 1.0, e, 0.0) for e in everolimus] + [(k, f, 0.0, v) for k, f in kinds for v in (0.0, *DOSES_NM)]
    for kind, factor, e, v in plan:
        leukaemia = dataclasses.replace(experiment.leukaemias[kind], growth=growth, subclones={})
        rows.append(TwinRow(experiment.cell, leukaemia, experiment.drugs, 1e5, float("inf")))
        free.append([e * EVEROLIMUS_FREE_IN_DISH, 0.0, v * in_medium])
        ki.append(factor)
    dt = setting.dt_hours
    out = run_rows(rows, constant_course(np.array(free), round(72.0 / dt)), setting, dt, np.array(ki))
    dead = out.killed[-1, :3] / out.burden[-1, :3]
    viable = out.burden[-1, 3:].reshape(len(kinds), -1)
    ic50 = [_ic50(v[1:] / v[0]) for v in viable]
    return {
        "everolimus_cycling": out.division[-1, 1] / out.division[-1, 0] - 1.0,
        "everolimus_dead_20": (dead[1] - dead[0]) / (1.0 + dead[1]),
        "everolimus_dead_2000": (dead[2] - dead[0]) / (1.0 + dead[2]),
        "ic50_typical": ic50[0],
        "ic50_null": ic50[1],
        "ic50_etp": ic50[2],
        "g101v_ic50_fold": ic50[3] / ic50[2],
    }


def _ic50(viability: np.ndarray) -> float:
    below = np.flatnonzero(viability < 0.5)
    if not len(below):
        return float("inf")
    i = int(below[0])
    return float(DOSES_NM[0]) if i == 0 else float(np.exp(np.interp(0.5, [viability[i], viability[i - 1]], np.log([DOSES_NM[i], DOSES_NM[i - 1]]))))


def _rows(experiment: Experiment, kind: str, arms: list[str], percent: float, cell: Cell | None = None) -> list[TwinRow]:
    row = TwinRow(cell or experiment.cell, experiment.leukaemias[kind], experiment.drugs, burden_at(experiment, percent), experiment.host.carrying_capacity)
    return [row] * len(arms)


def _survival(experiment: Experiment, setting: Setting) -> dict[str, float]:
    """Everolimus without end from 0.5 %: time to 25 % over the vehicle's."""
    arms = ["vehicle", "everolimus"]
    dt = 2.0 * setting.dt_hours
    course = mouse_course(experiment, [(*MOUSE[a], 0.0) for a in arms], 60.0, 60.0, dt)
    out = run_rows(_rows(experiment, "bmf_competent", arms, 0.5), course, setting, dt)
    days = [event_day(experiment, out.burden[:, i], dt) for i in range(2)]
    return {"everolimus_survival": days[1] / days[0]}


def _untreated(experiment: Experiment, setting: Setting) -> dict[str, float]:
    """Days from injection to 1 % and to 25 % without drug."""
    dt, host = 2.0 * setting.dt_hours, experiment.host
    row = TwinRow(
        experiment.cell, experiment.leukaemias["bmf_competent"], experiment.drugs, host.injected_cells * host.seeding_fraction, host.carrying_capacity
    )
    out = run_rows([row], mouse_course(experiment, [(0.0, 0.0, 0.0)], 0.0, 60.0, dt), setting, dt)
    return {f"pdx_day_{percent}_percent": event_day(experiment, out.burden[:, 0], dt, float(percent)) for percent in (1, 25)}


def _mouse(experiment: Experiment, setting: Setting) -> dict[str, float]:
    """Three weeks of treatment from 5 %."""
    no_isr = dataclasses.replace(experiment.cell, stress=dataclasses.replace(experiment.cell.stress, gain=0.0))
    two, etp = ["everolimus", "combination"], ["vehicle", "venetoclax"]
    blocks = {
        "typical": _rows(experiment, "bmf_competent", list(MOUSE), 5.0),
        "null": _rows(experiment, "bmf_null", two, 5.0),
        "isr": _rows(experiment, "bmf_competent", two, 5.0, no_isr),
        "etp": _rows(experiment, "etp_like", etp, 5.0),
        "g101v": _rows(experiment, "etp_like", etp, 5.0),
    }
    arms = [*MOUSE, *two, *two, *etp, *etp]
    rows = [row for block in blocks.values() for row in block]
    dt = setting.dt_hours
    course = mouse_course(experiment, [(*MOUSE[a], 0.0) for a in arms], 21.0, 21.0, dt)
    ki = np.array([1.0] * (len(rows) - 2) + [180.0] * 2)
    out = run_rows(rows, course, setting, dt, ki)
    names = [(block, arm) for (block, count), arm in zip([(b, i) for b, r in blocks.items() for i in range(len(r))], arms, strict=True)]
    log = {name: np.log10(out.burden[:, i]) for i, name in enumerate(names)}
    day14 = round(14.0 * 24.0 / dt)
    end = {name: float(series[-1]) for name, series in log.items()}
    typical = {arm: end["typical", arm] for arm in MOUSE}
    extra = {b: end[b, "everolimus"] - end[b, "combination"] for b in ("typical", "null", "isr")}
    start = np.log10(burden_at(experiment, 5.0))
    days = [event_day(experiment, 10.0 ** log["typical", a], dt) for a in ("vehicle", "venetoclax")]
    return {
        "venetoclax_survival": days[1] / days[0],
        "etp_log14": float(log["etp", "vehicle"][day14] - log["etp", "venetoclax"][day14]),
        "etp_from_start": float(log["etp", "venetoclax"][day14] - start),
        "cd45_ratio": float(human_cd45(experiment, 10.0 ** typical["combination"]) / human_cd45(experiment, 10.0 ** typical["vehicle"])),
        "combination_from_start": typical["combination"] - start,
        "beyond_bliss": typical["everolimus"] + typical["venetoclax"] - typical["vehicle"] - typical["combination"],
        "lost_null": 1.0 - extra["null"] / extra["typical"],
        "lost_isr": 1.0 - extra["isr"] / extra["typical"],
        "extra_kill": extra["typical"],
        "g101v_log14": float(log["g101v", "vehicle"][day14] - log["g101v", "venetoclax"][day14]),
    }


def _healthy_points(setting: Setting) -> np.ndarray:
    return _prototype_points(setting.healthy_points, seed=7) if setting.as_prototype else trait_points(setting.healthy_points, 1, 0, seed=7)


def _healthy(experiment: Experiment, setting: Setting) -> dict[str, float]:
    """Mice without leukaemia: combination for three weeks, and navitoclax."""
    dt = setting.dt_hours
    course = mouse_course(experiment, [(100.0, 4.0, 0.0), (0.0, 0.0, 100.0)], 21.0, 49.0, dt)
    lineages = [experiment.lineages["mouse_neutrophil"], experiment.lineages["mouse_platelet"]]
    twin = build_healthy_twin([lineages] * 2, [experiment.cell] * 2, [experiment.drugs] * 2, ORDER, _healthy_points(setting))
    neutrophils, platelets = simulate_healthy(twin, course, dt / 24.0, mixed=setting.as_prototype)
    recovery = round(42.0 * 24.0 / dt)
    return {
        "neutrophil_nadir": float(neutrophils[:, 0].min()),
        "platelet_nadir": float(platelets[:, 0].min()),
        "neutrophil_recovery": float(neutrophils[recovery, 0]),
        "platelet_recovery": float(platelets[recovery, 0]),
        "navitoclax_platelets": float(platelets[: round(28.0 * 24.0 / dt), 1].min()),
    }


def human_lineage(lineage: Lineage, transit: float, life: float, exponent: float, bim_factor: float) -> Lineage:
    """A human lineage from the mouse's traits (none is in `conf/`)."""
    progenitors = dataclasses.replace(lineage.progenitors, bim=lineage.progenitors.bim * bim_factor)
    return dataclasses.replace(lineage, progenitors=progenitors, transit_time_days=transit, blood_life_days=life, feedback_exponent=exponent)


def _patients(experiment: Experiment, setting: Setting, n: int = 128, weeks: int = 12) -> dict[str, float]:
    """Adults on venetoclax, ramped weekly to 400 mg/d: shares below 1.0 of 4.0 and 50 of 180 x 1e9/L."""
    z = ndtri(qmc.Sobol(2, seed=3).random(n))
    points = _prototype_points(32, seed=7) if setting.as_prototype else trait_points(32, 1, 0, seed=7)
    pk = experiment.drugs["venetoclax"].pharmacokinetics["human"]
    sigma, dt = np.sqrt(np.log1p(0.4**2)), 4.0
    kinetics = [{"venetoclax": dataclasses.replace(pk, clearance_l_per_h=float(pk.clearance_l_per_h * np.exp(sigma * x)))} for x in z[:, 0]]
    amounts = [20.0, 50.0, 100.0, 200.0] + [400.0] * (weeks - 4)
    doses = tuple(Dose(float(7 * week + day), "venetoclax", mg, 0.0) for week, mg in enumerate(amounts) for day in range(7))
    grid = np.arange(round(weeks * 7 * 24 / dt) + 1) * (dt / 24.0)
    masses = {"venetoclax": experiment.drugs["venetoclax"].molar_mass_g_per_mol}
    course = dosed_course(kinetics, masses, [doses], np.zeros(n, np.int32), grid)
    mouse = experiment.lineages
    lineages = [
        [human_lineage(mouse["mouse_neutrophil"], 4.5, 4.5 / 4.0, 0.17, b), human_lineage(mouse["mouse_platelet"], 5.9, 10.5, 0.25, b)]
        for b in np.exp(0.15 * z[:, 1]).tolist()
    ]
    twin = build_healthy_twin(lineages, [experiment.cell] * n, [experiment.drugs] * n, ["venetoclax"], points)
    neutrophils, platelets = simulate_healthy(twin, course, dt / 24.0, mixed=setting.as_prototype)
    return {
        "human_neutropenia": float(np.mean(4.0 * neutrophils.min(axis=0) < 1.0)),
        "human_thrombocytopenia": float(np.mean(180.0 * platelets.min(axis=0) < 50.0)),
    }


MOUSE_KEYS: dict[Callable[[Experiment, Setting], dict[str, float]], tuple[str, ...]] = {
    _dish: ("everolimus_cycling", "everolimus_dead_20", "everolimus_dead_2000", "ic50_typical", "ic50_null", "ic50_etp", "g101v_ic50_fold"),
    _survival: ("everolimus_survival",),
    _mouse: (
        "venetoclax_survival",
        "etp_log14",
        "etp_from_start",
        "cd45_ratio",
        "combination_from_start",
        "beyond_bliss",
        "lost_null",
        "lost_isr",
        "g101v_log14",
    ),
    _healthy: ("neutrophil_nadir", "platelet_nadir", "neutrophil_recovery", "platelet_recovery", "navitoclax_platelets"),
    _untreated: ("pdx_day_1_percent", "pdx_day_25_percent"),
}
