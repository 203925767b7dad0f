"""Outcomes of every draw with the mean-field twin, and which claims they bear out."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd

from abm.engine.mean_field import trait_points
from abm.models.mean_field_healthy import build_healthy_twin, simulate_healthy
from abm.models.mean_field_xenograft import TwinRow, build_twin, constant_course, dosed_course, simulate_twin
from abm.models.xenograft_setup import arm_doses, drugs_given
from abm.parameters.experiment import Experiment
from abm.parameters.host import Host
from abm.parameters.robustness import Robustness
from abm.pharmacology.action import Values
from abm.pharmacology.covariates import host_pharmacokinetics

CORE = ("venetoclax_weak", "combination_deep", "beyond_bliss", "bmf_null_loses", "isr_off_loses")
SINGLE = ("venetoclax_weak", "everolimus_cytostatic", *CORE[1:], "etp_responds", "healthy_spared")
JOINT = {"core": CORE, "core_and_healthy": (*CORE, "healthy_spared"), "all": SINGLE}
ETP_DAY = 14.0


class Scene(NamedTuple):
    """One leukaemia under one arm, with or without the stress response."""

    leukaemia: str
    arm: str
    isr: bool = True


def odds_at(host: Host, burden: np.ndarray | float) -> np.ndarray:
    """Odds of a human among blood leukocytes at a burden."""
    return np.asarray((burden / host.burden_at_half_cd45) ** (1.0 + host.egress_exponent))


def burden_at(host: Host, percent: float) -> float:
    """Burden at which hCD45 in blood is `percent`."""
    return float(host.burden_at_half_cd45 * (percent / (100.0 - percent)) ** (1.0 / (1.0 + host.egress_exponent)))


def scenes(settings: Robustness) -> list[Scene]:
    """What is simulated in the mouse for each draw."""
    s = settings
    typical = [Scene(s.typical, arm) for arm in (s.vehicle, s.venetoclax, s.everolimus, s.combination)]
    controls = [Scene(s.bmf_null, s.everolimus), Scene(s.bmf_null, s.combination)]
    no_isr = [Scene(s.typical, s.everolimus, False), Scene(s.typical, s.combination, False)]
    return [*typical, *controls, *no_isr, Scene(s.etp_like, s.vehicle), Scene(s.etp_like, s.venetoclax)]


def without_isr(experiment: Experiment) -> Experiment:
    """The experiment with the stress response switched off."""
    cell = experiment.cell
    return dataclasses.replace(experiment, cell=dataclasses.replace(cell, stress=dataclasses.replace(cell.stress, gain=0.0)))


def arm_course(experiments: list[Experiment], arms: list[str], days: float, dt_hours: float) -> Values:
    """Course of free drug of each experiment under its arm, in typical subjects."""
    first = experiments[0]
    drugs = drugs_given(first)
    names = list(first.arms)
    return dosed_course(
        [{d: host_pharmacokinetics(e.drugs[d], e.host) for d in drugs} for e in experiments],
        {d: first.drugs[d].molar_mass_g_per_mol for d in drugs},
        [arm_doses(first, name) for name in names],
        np.array([names.index(arm) for arm in arms], np.int32),
        np.arange(round(days * 24.0 / dt_hours) + 1) * (dt_hours / 24.0),
    )


def simulate_scenes(experiments: list[Experiment], settings: Robustness, wanted: list[Scene]) -> dict[Scene, np.ndarray]:
    """Burden (steps + 1, draws) of every scene, all in one program."""
    first = experiments[0]
    pairs = [(scene, e if scene.isr else without_isr(e)) for scene in wanted for e in experiments]
    rows = [
        TwinRow(e.cell, e.leukaemias[s.leukaemia], e.drugs, burden_at(e.host, e.trial.start_human_cd45_percent), e.host.carrying_capacity) for s, e in pairs
    ]
    course = arm_course([e for _, e in pairs], [s.arm for s, _ in pairs], first.trial.treatment_days, settings.dt_hours)
    twin = build_twin(rows, drugs_given(first), trait_points(settings.cells, 1, settings.levels), settings.levels)
    groups = settings.levels * (1 + max(len(row.leukaemia.subclones) for row in rows))
    burden = simulate_twin(twin, course, settings.dt_hours / 24.0, groups).burden
    return dict(zip(wanted, np.split(burden, len(wanted), axis=1), strict=True))


def dish_outcomes(experiments: list[Experiment], settings: Robustness) -> dict[str, np.ndarray]:
    """Everolimus alone in a dish: excess fraction of dead cells, and share of division that is stopped."""
    drugs = drugs_given(experiments[0])
    rows, free = [], []
    for dose in (0.0, settings.dish_everolimus_nm):
        for e in experiments:
            rows.append(TwinRow(e.cell, e.leukaemias[settings.typical], e.drugs, 1e5, float("inf")))
            free.append([dose if e.drugs[d].targets.mtorc1 is not None else 0.0 for d in drugs])
    twin = build_twin(rows, drugs, trait_points(settings.cells, 1, settings.levels), settings.levels)
    groups = settings.levels * (1 + max(len(row.leukaemia.subclones) for row in rows))
    out = simulate_twin(twin, constant_course(np.array(free), round(settings.dish_hours / settings.dt_hours)), settings.dt_hours / 24.0, groups)
    dead, division = np.split(out.killed[-1] / out.burden[-1], 2), np.split(out.division[-1], 2)
    return {"everolimus_excess_dead": (dead[1] - dead[0]) / (1.0 + dead[1]), "everolimus_slowing": 1.0 - division[1] / division[0]}


def healthy_nadir(experiments: list[Experiment], settings: Robustness) -> np.ndarray:
    """Lowest count over rest of the worst lineage under the combination, without leukaemia."""
    days = experiments[0].trial.treatment_days + settings.recovery_days
    course = arm_course(experiments, [settings.combination] * len(experiments), days, settings.dt_hours)
    lineages = [[e.lineages[name] for name in settings.lineages] for e in experiments]
    points = trait_points(64, 1, 0, seed=7)
    twin = build_healthy_twin(lineages, [e.cell for e in experiments], [e.drugs for e in experiments], drugs_given(experiments[0]), points)
    return np.min([counts.min(axis=0) for counts in simulate_healthy(twin, course, settings.dt_hours / 24.0)], axis=0)


def event_days(experiments: list[Experiment], burden: np.ndarray, dt_hours: float) -> np.ndarray:
    """Day of the event in each column of a burden (steps + 1, draws), interpolated; inf where there is none."""
    limit = np.array([burden_at(e.host, e.trial.event_human_cd45_percent) for e in experiments])
    level = np.log(np.maximum(burden, 1e-300)) - np.log(limit)
    k = np.maximum(np.argmax(level >= 0.0, axis=0), 1)
    columns = np.arange(len(limit))
    after, before = level[k, columns], level[k - 1, columns]
    day = (k - after / np.where(after == before, 1.0, after - before)) * dt_hours / 24.0
    return np.where(np.any(level >= 0.0, axis=0), day, np.inf)


def outcomes(experiments: list[Experiment], settings: Robustness) -> pd.DataFrame:
    """What each draw gives, one line per draw."""
    s = settings
    burden = simulate_scenes(experiments, s, scenes(s))
    end = {scene: np.log10(np.maximum(b[-1], 1e-300)) for scene, b in burden.items()}
    typical = {arm: end[Scene(s.typical, arm)] for arm in (s.vehicle, s.venetoclax, s.everolimus, s.combination)}
    extra = typical[s.everolimus] - typical[s.combination]
    null = end[Scene(s.bmf_null, s.everolimus)] - end[Scene(s.bmf_null, s.combination)]
    no_isr = end[Scene(s.typical, s.everolimus, False)] - end[Scene(s.typical, s.combination, False)]
    day = {arm: event_days(experiments, burden[Scene(s.typical, arm)], s.dt_hours) for arm in (s.vehicle, s.venetoclax)}
    k = round(ETP_DAY * 24.0 / s.dt_hours)
    etp = [np.log10(np.maximum(burden[Scene(s.etp_like, arm)][k], 1e-300)) for arm in (s.vehicle, s.venetoclax)]
    hosts = [e.host for e in experiments]
    odds = {arm: np.array([float(odds_at(h, 10.0**x)) for h, x in zip(hosts, typical[arm], strict=True)]) for arm in (s.vehicle, s.combination)}
    percent = {arm: value / (1.0 + value) for arm, value in odds.items()}
    # Without any extra kill there is nothing to lose: the share is then 0.
    kill = np.maximum(extra, 1e-6)
    finite = np.isfinite(day[s.vehicle])
    return pd.DataFrame(
        {
            "venetoclax_survival_ratio": np.where(finite, day[s.venetoclax] / np.where(finite, day[s.vehicle], 1.0), np.inf),
            "venetoclax_log10": typical[s.vehicle] - typical[s.venetoclax],
            "everolimus_log10": typical[s.vehicle] - typical[s.everolimus],
            "combination_log10": typical[s.vehicle] - typical[s.combination],
            **dish_outcomes(experiments, s),
            "cd45_ratio": percent[s.combination] / percent[s.vehicle],
            "beyond_single_log10": np.minimum(typical[s.venetoclax], typical[s.everolimus]) - typical[s.combination],
            "beyond_bliss_log10": typical[s.venetoclax] + typical[s.everolimus] - typical[s.vehicle] - typical[s.combination],
            "extra_log10": extra,
            "bmf_null_lost": np.where(extra > 1e-3, 1.0 - null / kill, 0.0),
            "isr_off_lost": np.where(extra > 1e-3, 1.0 - no_isr / kill, 0.0),
            "etp_log10": etp[0] - etp[1],
            "healthy_nadir": healthy_nadir(experiments, s),
        }
    )


def margins(results: pd.DataFrame, settings: Robustness) -> pd.DataFrame:
    """Signed distance of every claim from its threshold, in standard deviations over the draws; a claim holds where it is not negative.

    A claim made of parts is as far as its worst part.
    """
    t, r = settings.thresholds, results

    def scaled(x: pd.Series) -> np.ndarray:
        values = x.to_numpy(float).clip(-1e6, 1e6)
        finite = values[np.abs(values) < 1e6]
        return values / max(float(np.std(finite)) if len(finite) else 1.0, 1e-12)

    single = {
        "venetoclax_weak": scaled(np.log(t.survival_ratio_max) - np.log(r["venetoclax_survival_ratio"])),
        "everolimus_cytostatic": np.minimum(
            scaled(t.everolimus_death_max - r["everolimus_excess_dead"]), scaled(r["everolimus_slowing"] - t.everolimus_slowing_min)
        ),
        "combination_deep": np.minimum(
            scaled(np.log(t.cd45_ratio_max) - np.log(r["cd45_ratio"].clip(lower=1e-12))), scaled(r["beyond_single_log10"] - t.beyond_single_log10)
        ),
        "beyond_bliss": scaled(r["beyond_bliss_log10"] - t.beyond_bliss_log10),
        "bmf_null_loses": scaled(r["bmf_null_lost"] - t.bmf_null_lost),
        "isr_off_loses": scaled(r["isr_off_lost"] - t.isr_off_lost),
        "etp_responds": scaled(r["etp_log10"] - t.etp_log10),
        "healthy_spared": scaled(r["healthy_nadir"] - t.healthy_nadir_min),
    }
    joint = {name: np.min([single[part] for part in parts], axis=0) for name, parts in JOINT.items()}
    return pd.DataFrame({**joint, **single})
