"""From the looks of a trial to its result: series, endpoints, events, clones, book-keeping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.endpoints.registry import Material, all_endpoints, all_tables
from abm.endpoints.response import response_events
from abm.engine.batches import Batches
from abm.engine.simulate import Simulation
from abm.errors import RunFault
from abm.models.individuals import individuals
from abm.models.xenograft_setup import FOUNDER, capacity_of, clone_layout
from abm.output.provenance import build_provenance
from abm.output.result import CellSnapshot, RunResult
from abm.parameters.experiment import Experiment
from abm.readouts.series import series as read_series
from abm.readouts.view import View
from abm.studies.context import Context
from abm.studies.grids import step_hours
from abm.studies.lead_in import LeadIn
from abm.yaml_text import from_yaml

# Tables of the cohort that also stand in summary.json; the others are long.
SUMMARISED = ("survival_summary", "contrasts", "responses", "biomarker")


def assemble(
    experiment: Experiment,
    context: Context,
    view: View,
    lead_in_view: View,
    lead_in: LeadIn,
    cells: dict[str, CellSnapshot],
    simulation: Simulation | Batches,
    clock: dict[str, float],
    decisions: pd.DataFrame,
) -> RunResult:
    """The result of a trial; `decisions` are events that the dosing rules made."""
    randomised = np.isfinite(lead_in.randomised_day).reshape(-1, len(view.subjects))
    in_trial = np.broadcast_to(randomised, (len(view.arms), len(view.subjects)))
    series = read_series(view)
    check_conservation(series)
    clones = _clones(experiment, view, simulation)
    # Twins are compared with their vehicle; subjects of a parallel design have none.
    twin = vehicle_arm(experiment) if experiment.cohort.design == "twin" else None
    material = Material(experiment, view, series, clones, twin, _scores(experiment, view))
    endpoints = _endpoints(material)
    series, endpoints = _masked(series, in_trial, counts=True), _masked(endpoints, in_trial, counts=False)
    events = _joined(_randomisation_events(view, lead_in, in_trial), response_events(endpoints), _of_the_trial(decisions, view, in_trial))
    tables = all_tables(material, endpoints)
    wall = {"lead_in": clock["lead_in"] - clock["start"], "trial": clock["trial"] - clock["lead_in"]}
    config = from_yaml(context.config_yaml) or {}
    device = device_name(simulation)
    missing = [view.subjects[s] for s in np.flatnonzero(~in_trial.all(axis=0))]
    return RunResult(
        series=series,
        lead_in=_lead_in_series(lead_in_view),
        endpoints=endpoints,
        events=events,
        clones=clones,
        cells=cells,
        engine=_engine(experiment, view, simulation, wall),
        config_yaml=context.config_yaml,
        provenance=build_provenance(config, overrides=context.overrides, device=device, seed=experiment.seed, wall_seconds=wall),
        summary={
            "warnings": [f"never randomised: {', '.join(missing)}"] if missing else [],
            "statistics": {name: tables[name].to_dict("records") for name in SUMMARISED if name in tables},
        },
        tables=tables,
    )


def _scores(experiment: Experiment, view: View) -> dict[str, np.ndarray]:
    """What was known of each subject before treatment, (arms, subjects): the BMF competence of its own leukaemia."""
    who = individuals(experiment, view.keys.reshape(-1, 2), view.leukaemias * len(view.arms))
    return {"bmf_competence": np.array([subject.leukaemia.traits.bmf_competence for subject in who]).reshape(len(view.arms), -1)}


def _joined(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables one below the other; empty ones, whose columns have no type, are left out."""
    filled = [t for t in tables if len(t)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _of_the_trial(decisions: pd.DataFrame, view: View, in_trial: np.ndarray) -> pd.DataFrame:
    """Decisions about subjects that were randomised."""
    taking_part = {(arm, subject) for a, arm in enumerate(view.arms) for s, subject in enumerate(view.subjects) if in_trial[a, s]}
    return decisions[[pair in taking_part for pair in zip(decisions["arm"], decisions["subject"], strict=True)]]


def device_name(simulation: Simulation | Batches) -> str:
    """Kind and number of the devices."""
    device = simulation.mesh.devices.flat[0]
    return f"{device.platform}: {device.device_kind} x {simulation.mesh.devices.size}"


def vehicle_arm(experiment: Experiment) -> str | None:
    """The arm in which nothing is given, if there is one."""
    untreated = [name for name, arm in experiment.arms.items() if not any(e.amount > 0.0 for e in experiment.regimens[arm.regimen].events)]
    return untreated[0] if untreated else None


def check_conservation(series: xr.Dataset) -> None:
    """Every cell is accounted for.

    Raises:
        RunFault: With subject, arm, day and population if one is not.
    """
    count = series["count"]
    change = series["births"] - series["deaths"] + series["gained"] - series["lost"]
    wrong = (count - count.isel(time=0) != change).values
    if wrong.any():
        a, s, t, p = (int(i[0]) for i in np.nonzero(wrong))
        where = f"subject '{series['subject'].values[s]}', arm '{series['arm'].values[a]}', day {series['time'].values[t]:g}"
        raise RunFault(f"cells of population '{series['population'].values[p]}' are not accounted for: {where}")


def _endpoints(material: Material) -> xr.Dataset:
    series = material.series
    coords = xr.Dataset(coords={"arm": series["arm"], "subject": series["subject"], "leukaemia": series["leukaemia"]})
    return xr.merge([coords, *all_endpoints(material)])


def _masked(dataset: xr.Dataset, in_trial: np.ndarray, *, counts: bool) -> xr.Dataset:
    """Subjects that were never randomised: real numbers NaN, and no cells."""
    if in_trial.all():
        return dataset
    mask = xr.DataArray(in_trial, dims=("arm", "subject"))
    masked = {}
    for name, variable in dataset.data_vars.items():
        if np.issubdtype(variable.dtype, np.floating):
            masked[name] = variable.where(mask).transpose(*variable.dims)
        elif counts and np.issubdtype(variable.dtype, np.integer):
            masked[name] = variable.where(mask, 0).transpose(*variable.dims).astype(variable.dtype)
    return dataset.assign(masked)


def _randomisation_events(view: View, lead_in: LeadIn, in_trial: np.ndarray) -> pd.DataFrame:
    day = np.broadcast_to(lead_in.randomised_day.reshape(-1, len(view.subjects)), in_trial.shape)
    rows = [
        (arm, subject, "randomised" if in_trial[a, s] else "not_randomised", 0.0, float(day[a, s]))
        for a, arm in enumerate(view.arms)
        for s, subject in enumerate(view.subjects)
    ]
    return pd.DataFrame(rows, columns=["arm", "subject", "kind", "time_days", "value"])


def _lead_in_series(view: View) -> xr.Dataset:
    """Series of the lead-in, without the axis of arms."""
    return read_series(view).isel(arm=0, drop=True).drop_dims("drug")


_CLONE_COLUMNS = ["id", "parent", "mechanism", "birth_time_days", "origins", "pooled", "arm", "subject", "count"]


def _clones(experiment: Experiment, view: View, simulation: Simulation | Batches) -> pd.DataFrame:
    """One line per clone, subject and arm: rows of the clone table that are in use on the last day."""
    layout = clone_layout(experiment)
    if not layout.mechanisms:
        return _subclones(view)
    shape = (len(view.arms), len(view.subjects), layout.n_clones)
    table = simulation.carry().rows.clones
    parent, day, origins = (np.asarray(x).reshape(shape) for x in (table.parent, table.birth_day, table.origins))
    cells = np.asarray(view.seen.tally.cells)[:, :, -1].sum(axis=-1)
    rows = []
    for s, name in enumerate(view.leukaemias):
        for c, mechanism in enumerate(view.mechanisms[name]):
            for a, arm in enumerate(view.arms):
                if mechanism != "" and origins[a, s, c] > 0:
                    numbers = int(parent[a, s, c]), mechanism, float(day[a, s, c]), int(origins[a, s, c]), bool(layout.pooled[c])
                    rows.append((c, *numbers, arm, view.subjects[s], int(cells[a, s, c])))
    return pd.DataFrame(rows, columns=_CLONE_COLUMNS)


def _subclones(view: View) -> pd.DataFrame:
    """The same where nothing mutates: the clones that are there from the start."""
    rows = []
    for s, name in enumerate(view.leukaemias):
        for index, mechanism in enumerate(view.mechanisms[name]):
            if mechanism == "":
                continue
            for a, arm in enumerate(view.arms):
                cells = int(np.asarray(view.seen.tally.cells)[a, s, -1, index].sum())
                parent = -1 if mechanism == FOUNDER else 0
                rows.append((index, parent, mechanism, 0.0, 1, False, arm, view.subjects[s], cells))
    return pd.DataFrame(rows, columns=_CLONE_COLUMNS)


def _engine(experiment: Experiment, view: View, simulation: Simulation | Batches, wall: dict[str, float]) -> xr.Dataset:
    """Resolution, splits, merges, step, device and wall time."""
    stats = view.seen.stats
    last: dict[str, Any] = {"packets": stats.packets, "packets_peak": stats.peak_packets, "splits": stats.splits, "merges": stats.merges}
    joined: dict[str, Any] = {}
    if clone_layout(experiment).mechanisms:
        shape = (len(view.arms), len(view.subjects))
        note = {"units": "cells", "long_name": "Mutants that took the state of another packet of their clone for want of a place"}
        joined["mutants_joined"] = (("arm", "subject"), np.asarray(simulation.carry().rows.clones.joined).reshape(shape), note)
    return xr.Dataset(
        {
            **{name: (("arm", "subject"), np.asarray(values)[:, :, -1]) for name, values in last.items()},
            **joined,
            "capacity": capacity_of(experiment),
            "dt_hours": step_hours(experiment),
            "device": device_name(simulation),
            "wall_seconds": ("phase", list(wall.values())),
        },
        coords={"arm": list(view.arms), "subject": list(view.subjects), "phase": list(wall)},
    )
