"""The course of a patient as a clinic judges it: remission, relapse, event-free and overall survival.

The marrow is looked at on the visits of the clinic (`clinic.marrow_days` and `marrow_interval_days`), and
what was seen holds until the next one.  Fewer blasts than the limit, and nothing found outside, is a
morphological leukaemia-free state (MLFS); once neutrophils or platelets have recovered it is an incomplete (CRi),
with both a complete remission (CR).  Relapse, after a CRi or CR, is found on a visit with blasts at the limit;
between visits when it is overt (`clinic.overt_blasts`) or lies outside marrow and blood.  Without a calendar
every look of the series is a visit.  The event of event-free survival is relapse, failure (no CRi or
CR by a set day) or death of low counts.  The simulation kills nobody: deaths of low counts are drawn from published
hazards (`abm.endpoints.toxic_death`), survival after relapse or failure from published laws
(`clinic.salvage`); both are called external wherever they are written.  Nobody is judged after a death.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from abm.endpoints.crossing import first_crossing
from abm.endpoints.registry import ROW, Material, endpoint
from abm.endpoints.response import leading_mechanism, mechanism_populations
from abm.endpoints.toxic_death import toxic_deaths
from abm.parameters.clinic import Clinic, Salvage
from abm.streams import subject_uniforms

DAYS_PER_MONTH = 30.4375
# Populations that lie outside marrow and blood.
EXTRAMEDULLARY = ("leukaemia_cns",)
# A visit is looked at on the step boundary nearest to it, which may come a moment before.
SAME_DAY = 0.5  # d
BEST = ("CR", "CRi", "MLFS", "none")


class Curves(NamedTuple):
    """What a patient is judged by; arrays of one shape."""

    blasts: np.ndarray  # share of blasts in the marrow
    neutrophils: np.ndarray  # 1e9/L
    platelets: np.ndarray  # 1e9/L
    outside: np.ndarray  # leukaemic cells outside marrow and blood


class Course(NamedTuple):
    """Days of one patient; NaN where it did not happen."""

    cr: float
    cri: float
    mlfs: float
    relapse: float

    @property
    def best(self) -> str:
        """Best response before the end of follow-up."""
        return next((name for name, day in zip(BEST, (self.cr, self.cri, self.mlfs), strict=False) if np.isfinite(day)), BEST[-1])


def course(times: np.ndarray, curves: Curves, clinic: Clinic) -> Course:
    """Judge one patient by curves at `times` (days), all (times,)."""
    visited = marrow_looks(times, clinic)
    last = np.maximum.accumulate(np.where(visited, np.arange(len(times)), -1))
    clear = (last >= 0) & (curves.blasts[last] < clinic.remission_blasts) & (curves.outside < clinic.extramedullary_cells)
    recovered = (curves.neutrophils >= clinic.remission_neutrophils).astype(int) + (curves.platelets >= clinic.remission_platelets)
    mlfs, cri, cr = (_first(times, clear & (recovered >= counts)) for counts in (0, 1, 2))
    return Course(cr, cri, mlfs, _relapse(times, curves, cri, clinic))


def marrow_looks(times: np.ndarray, clinic: Clinic) -> np.ndarray:
    """Looks of the series at which the marrow is looked at, bool (times,): the first on or after each visit."""
    visits = clinic.marrow_visits(float(times[-1])) if len(times) else []
    if not visits:
        return np.full(len(times), not clinic.marrow_days and clinic.marrow_interval_days is None)
    looked: np.ndarray = np.zeros(len(times), bool)
    looked[np.searchsorted(times, np.array(visits) - SAME_DAY)] = True
    return looked


def _first(times: np.ndarray, reached: np.ndarray) -> float:
    return float(times[np.argmax(reached)]) if reached.any() else float("nan")


def _relapse(times: np.ndarray, curves: Curves, remission: float, clinic: Clinic) -> float:
    if not np.isfinite(remission):
        return float("nan")
    start = int(np.searchsorted(times, remission))
    days = [_first(times, marrow_looks(times, clinic) & (times > remission) & (curves.blasts >= clinic.remission_blasts))]
    days.append(first_crossing(times, curves.blasts, max(clinic.overt_blasts, clinic.remission_blasts), rising=True, start=start))
    days.append(first_crossing(times, curves.outside, clinic.extramedullary_cells, rising=True, start=start))
    return float(np.nanmin(days)) if np.isfinite(days).any() else float("nan")


def event_of(found: Course, last_day: float, remission_by_day: float | None, death: float = np.inf) -> tuple[float, str]:
    """Day and kind of the first event, `relapse`, `no_remission` or `toxic_death`; the last day and an empty kind without one."""
    limit = np.inf if remission_by_day is None else remission_by_day
    failed = limit if limit <= last_day and not found.cri <= limit else np.inf
    relapsed = found.relapse if np.isfinite(found.relapse) else np.inf
    day, kind = min((failed, "no_remission"), (relapsed, "relapse"), (death, "toxic_death"), key=lambda event: event[0])
    return (last_day, "") if not np.isfinite(day) else (float(day), kind)


def external_survival_days(uniform: np.ndarray, salvage: Salvage) -> np.ndarray:
    """Days from failure to death, by Weibull's law through the published point; `uniform` in (0, 1) is the share alive then."""
    scaled = np.log(uniform) / np.log(salvage.share_alive)
    return np.asarray(DAYS_PER_MONTH * salvage.months * scaled ** (1.0 / salvage.shape))


def outside_marrow_and_blood(series: xr.Dataset) -> np.ndarray:
    """Leukaemic cells outside marrow and blood, (arm, subject, time)."""
    there = [p for p in EXTRAMEDULLARY if p in series["population"].values]
    return np.asarray(series["count"].sel(population=there).sum("population").transpose(*ROW, "time").values, float)


@endpoint
def clinical_course(material: Material) -> xr.Dataset:
    """Days of MLFS, CRi, CR and relapse, the best response, and the event, for patients."""
    if not material.human:
        return xr.Dataset()
    series, clinic = material.series, material.experiment.clinic
    times = series["time"].values
    # A count that the host does not have cannot be missed.
    recovered = np.full(series["blast_fraction"].transpose(*ROW, "time").shape, np.inf)
    neutrophils, platelets = (series[n].transpose(*ROW, "time").values if n in series else recovered for n in ("neutrophils", "platelets"))
    curves = Curves(series["blast_fraction"].transpose(*ROW, "time").values, neutrophils, platelets, outside_marrow_and_blood(series))
    shape = recovered.shape[:2]
    deaths = toxic_deaths(material)
    found = {index: course(times[alive], Curves(*(c[index][alive] for c in curves)), clinic) for index, alive in _alive(times, deaths.day).items()}
    events = {index: event_of(f, float(times[-1]), clinic.remission_by_day, float(deaths.day[index])) for index, f in found.items()}
    died = np.array([[events[a, s][1] == "toxic_death" for s in range(shape[1])] for a in range(shape[0])]).reshape(shape)
    data = {f"{name}_day": (ROW, _grid(shape, {i: getattr(f, name) for i, f in found.items()})) for name in ("cr", "cri", "mlfs", "relapse")}
    data |= {
        "complete_remission": (ROW, np.isfinite(data["cr_day"][1])),
        "remission": (ROW, np.isfinite(data["cri_day"][1])),
        "event_day": (ROW, _grid(shape, {i: e[0] for i, e in events.items()})),
        "toxic_death_day": (ROW, np.where(died, deaths.day, np.nan)),
        "event_observed": (ROW, _grid(shape, {i: e[1] != "" for i, e in events.items()}, bool)),
    }
    texts: dict[str, dict[tuple[int, ...], str]] = {
        "best_response": {i: f.best for i, f in found.items()},
        "event_kind": {i: e[1] for i, e in events.items()},
        "toxic_death_cause": {i: str(deaths.cause[i]) if died[i] else "" for i in found},
        "relapse_clone": _clones(series, {i: f.relapse for i, f in found.items()}),
    }
    return xr.Dataset({**data, **{name: (ROW, _grid(shape, values, object).astype(str)) for name, values in texts.items()}, **_survival(material, data)})


def _alive(times: np.ndarray, death: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """Looks at which each subject was alive, bool (times,)."""
    return {index: times <= death[index] for index in np.ndindex(*death.shape)}


def _survival(material: Material, data: dict[str, tuple[tuple[str, str], np.ndarray]]) -> dict[str, tuple[tuple[str, str], np.ndarray]]:
    """Day of death or of the last observation, and whether it was death; drawn from publications after the event."""
    event, observed, keys = data["event_day"][1], data["event_observed"][1], material.view.keys
    uniform = _grid(event.shape, {i: float(subject_uniforms(keys[i], "survival after failure", 1)[0]) for i in np.ndindex(*event.shape)})
    after = external_survival_days(uniform, material.experiment.clinic.salvage)
    death = np.where(observed, event + np.where(np.isfinite(data["toxic_death_day"][1]), 0.0, after), np.inf)
    last = float(material.series["time"].values[-1])
    return {"overall_survival_day": (ROW, np.minimum(death, last)), "overall_survival_observed": (ROW, death <= last)}


def _clones(series: xr.Dataset, days: dict[tuple[int, ...], float]) -> dict[tuple[int, ...], str]:
    mechanisms = mechanism_populations(series)
    return {i: leading_mechanism(series.isel(arm=i[0], subject=i[1]), day, mechanisms) if np.isfinite(day) else "" for i, day in days.items()}


def _grid(shape: tuple[int, ...], values: Mapping[tuple[int, ...], object], kind: type = float) -> np.ndarray:
    grid: np.ndarray = np.empty(shape, kind)
    for index, value in values.items():
        grid[index] = value
    return grid
