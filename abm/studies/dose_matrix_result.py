"""From the looks of a dose matrix to its result: series, what each well shows, surfaces, curves of the single drugs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.engine.batches import Batches
from abm.errors import InputError
from abm.models.observation import Observation
from abm.models.xenograft import XenograftParams
from abm.models.xenograft_setup import FOUNDER, clone_mechanisms, drugs_given
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.readouts.cell_state import cell_states
from abm.readouts.concentrations import concentrations
from abm.readouts.populations import populations
from abm.readouts.view import View, stack_observations
from abm.studies.context import Context
from abm.studies.dose_matrix_surfaces import summarise, surfaces
from abm.studies.dose_matrix_wells import Wells
from abm.studies.grids import step_hours
from abm.studies.trial_result import check_conservation, device_name
from abm.yaml_text import from_yaml

# A dish has no compartments.
_ELSEWHERE = ("leukaemia_marrow", "leukaemia_blood")
READINGS = {
    "viable_cells": ("cells", "Viable cells"),
    "viability": ("1", "Viable cells over those of the untreated well of the plate"),
    "dead_share": ("1", "Cells that died so far, over these and the viable ones"),
    "cycling_share": ("1", "Share of the viable cells in the cycle"),
    "division_per_day": ("1/d", "Mean division hazard of viable cells"),
    "mtorc1_mean": ("1", "Mean mTORC1 activity of viable cells (healthy = 1)"),
    "isr_mean": ("1", "Mean integrated stress response of viable cells"),
    "bmf_mean": ("nmol/L", "Mean BMF of viable cells"),
}


def well_means(params: XenograftParams, packets: Any) -> dict[str, np.ndarray]:
    """Means over the viable cells of every row, NaN without any; float64 (rows,) by name of the reading.

    NumPy adds up each row on its own, so that further wells change no bit of these.
    """
    cells = np.sum(np.stack([np.asarray(column) for column in packets.counts]), axis=0)
    total = cells.sum(axis=1)
    slowing = 1.0 - np.float64(params.cell.proliferation.slowing_max) * np.asarray(packets.fast.phi, np.float64)
    hazard = np.asarray(params.growth.b_max, np.float64) * slowing * np.asarray(packets.traits.division_factor, np.float64)

    def over_cells(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        summed = (np.asarray(values, np.float64) * weights).sum(axis=1)
        return np.where(total > 0.0, summed / np.maximum(total, 1.0), np.nan)

    dividing = np.asarray(packets.counts[0])
    return {
        "cycling_share": over_cells(np.ones_like(cells), dividing),
        "division_per_day": over_cells(hazard, dividing),
        "mtorc1_mean": over_cells(packets.fast.mtorc1, cells),
        "isr_mean": over_cells(packets.fast.stress, cells),
        "bmf_mean": over_cells(packets.fast.bmf, cells),
    }


def assemble(
    wells: Wells,
    context: Context,
    looks: list[Observation],
    days: np.ndarray,
    means: dict[str, np.ndarray],
    simulation: Batches,
    clock: dict[str, float],
) -> RunResult:
    """The result of a dose matrix.

    Raises:
        RunFault: Cells are not accounted for.
        InputError: Untreated cells died out, so that nothing can be compared with them.
    """
    experiment = wells.experiment
    arms, subjects = tuple(experiment.arms), wells.subjects
    seen = stack_observations(looks, len(arms), len(subjects.labels))
    mechanisms = clone_mechanisms(experiment)
    view = View(arms, subjects.labels, subjects.leukaemias, mechanisms, days, seen, tuple(drugs_given(experiment)), experiment.lineages, experiment.host)
    series = _series(view)
    check_conservation(series)
    readings = _readings(wells, view, means)
    matrix, single = surfaces(wells, readings)
    wall = {name: now - before for (_, before), (name, now) in pairwise(clock.items())}
    device = device_name(simulation)
    config = from_yaml(context.config_yaml) or {}
    return RunResult(
        series=series,
        lead_in=None,
        endpoints=_endpoints(view, readings),
        events=pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"]),
        clones=_clones(view),
        cells={},
        engine=_engine(wells, view, wall, device),
        config_yaml=context.config_yaml,
        provenance=build_provenance(config, overrides=context.overrides, device=device, seed=experiment.seed, wall_seconds=wall),
        summary={"dose_matrix": summarise(matrix, single)},
        tables={"single_drugs": single},
        dose_matrix=matrix,
    )


def _series(view: View) -> xr.Dataset:
    coords = {
        "arm": list(view.arms),
        "subject": list(view.subjects),
        "time": ("time", np.asarray(view.times, float), {"units": "d", "long_name": "Time since the drugs were put in"}),
        "leukaemia": ("subject", list(view.leukaemias)),
    }
    counted = populations(view)
    counted = counted.sel(population=[name for name in counted["population"].values if name not in _ELSEWHERE])
    return xr.merge([xr.Dataset(coords=coords), counted, cell_states(view), concentrations(view)], join="exact", combine_attrs="override")


def _readings(wells: Wells, view: View, means: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every well shows at the end, (arms, subjects) by name."""
    shape = (len(view.arms), len(view.subjects))
    cells = np.asarray(view.seen.tally.cells)[:, :, -1].sum((-1, -2)).astype(float)
    dead = np.asarray(view.seen.tally.deaths)[:, :, -1].sum((-1, -2)).astype(float)
    if (cells[0] == 0.0).any():
        raise InputError(f"host.injected_cells = {wells.experiment.host.injected_cells:g}: untreated cells died out, so there is nothing to compare with.")
    found = {"viable_cells": cells, "viability": cells / cells[0], "dead_share": dead / np.maximum(dead + cells, 1.0)}
    return {**found, **{name: values.reshape(shape) for name, values in means.items()}}


def _endpoints(view: View, readings: dict[str, np.ndarray]) -> xr.Dataset:
    coords = {"arm": list(view.arms), "subject": list(view.subjects), "leukaemia": ("subject", list(view.leukaemias))}
    attributes = {name: {"units": units, "long_name": long_name} for name, (units, long_name) in READINGS.items()}
    return xr.Dataset({name: (("arm", "subject"), readings[name], attributes[name]) for name in READINGS}, coords=coords)


def _clones(view: View) -> pd.DataFrame:
    """Clones that each leukaemia was plated with, one line per clone and plate."""
    rows = []
    for subject, leukaemia in zip(view.subjects, view.leukaemias, strict=True):
        for index, mechanism in enumerate(view.mechanisms[leukaemia]):
            if mechanism != "":
                rows.append((index, -1 if mechanism == FOUNDER else 0, mechanism, 0.0, 1, False, subject))
    return pd.DataFrame(rows, columns=["id", "parent", "mechanism", "birth_time_days", "origins", "pooled", "subject"])


def _engine(wells: Wells, view: View, wall: dict[str, float], device: str) -> xr.Dataset:
    stats = view.seen.stats
    last = {"packets": stats.packets, "packets_peak": stats.peak_packets, "splits": stats.splits, "merges": stats.merges}
    return xr.Dataset(
        {
            **{name: (("arm", "subject"), np.asarray(values)[:, :, -1]) for name, values in last.items()},
            "dt_hours": step_hours(wells.experiment),
            "device": device,
            "wall_seconds": ("phase", list(wall.values())),
        },
        coords={"arm": list(view.arms), "subject": list(view.subjects), "phase": list(wall)},
    )
