"""Theory experiments: the engine with biology switched off, replicates as subjects.

Results are to be compared with exact laws, so every replicate is a subject of its own and
counts are recorded for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
import yaml

from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Simulation
from abm.errors import RunFault, Stopped
from abm.models.theory.birth_death import birth_death
from abm.models.theory.combination import combination
from abm.models.theory.logistic import logistic
from abm.models.theory.myelosuppression import myelosuppression
from abm.models.theory.pharmacokinetics import DRUG, pharmacokinetics
from abm.models.theory.program import Settings, TheoryProgram, TheorySolution
from abm.models.theory.stress_survival import stress_survival
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.parameters.theory import THEORY_RECORDS
from abm.studies.context import Context

PROGRAMS: dict[str, Callable[[Any, Settings], TheoryProgram | TheorySolution]] = {
    "birth_death": birth_death,
    "stress_survival": stress_survival,
    "combination": combination,
    "pharmacokinetics": pharmacokinetics,
    "logistic": logistic,
    "myelosuppression": myelosuppression,
}
CELLS = ("arm", "subject", "time", "population")
ROW = ("arm", "subject")
# Counts that are shown in a unit of the user's choice, with whole numbers beside them under `cells`.
OWN_UNIT = {"units": "unit of circ0", "long_name": "Cells, in the unit of theory.circ0"}


def run_theory(experiment: Experiment, context: Context) -> RunResult:
    """Run the theory experiment that `experiment.theory` describes.

    Raises:
        Stopped: `context.should_stop` asked for it.  Nothing is kept: these runs are short.
        RunFault: cells were lost or made up.
    """
    began = time.perf_counter()
    assert experiment.theory is not None  # a task without its keys was refused by the configuration
    keys = dict(experiment.theory)
    name = keys.pop("name")
    engine = experiment.engine
    settings = Settings(experiment.seed, engine.packets, engine.dt_hours, engine.packing_hours, experiment.readout.interval_hours)
    program = PROGRAMS[name](THEORY_RECORDS[name](**keys), settings)
    config = yaml.safe_load(context.config_yaml) or {}
    if isinstance(program, TheorySolution):
        series, device = _solved_series(program), "none: equations solved on the host"
        wall = {"set_up": time.perf_counter() - began}
        endpoints, book = _blood_endpoints(series), _solved_engine(series, device, wall)
    else:
        simulation = _simulation(program, engine.devices)
        built = time.perf_counter()
        series = _series(program, _advance(program, simulation, context))
        _check(series)
        wall = {"set_up": built - began, "simulation": time.perf_counter() - built}
        device = f"{jax.devices()[0].platform} x {simulation.mesh.devices.size}"
        endpoints, book = _endpoints(program, series), _engine(program, simulation, engine.dt_hours, device, wall)
    return RunResult(
        series=series,
        lead_in=None,
        endpoints=endpoints,
        events=pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"]),
        clones=_clones(program.populations),
        cells={},
        engine=book,
        config_yaml=context.config_yaml,
        provenance=build_provenance(config, overrides=context.overrides, device=device, seed=experiment.seed, wall_seconds=wall),
    )


def _simulation(program: TheoryProgram, devices: int | None) -> Simulation:
    carry = start_carry(program.model, program.packets, program.row_state)
    return Simulation(program.model, program.resolution, program.params, program.param_axes, program.keys, carry, program.grid, devices=devices)


def observe_tally(params: Any, carry: Carry) -> dict[str, jax.Array]:
    """Cells and cumulative numbers of each clone, int64 (rows, clones)."""
    tally = carry.tally
    into, out_of = jnp.sum(tally.moves, axis=(2,)), jnp.sum(tally.moves, axis=(3,))
    return {
        "count": jnp.sum(tally.cells, axis=2),
        "births": tally.births,
        "deaths": jnp.sum(tally.deaths, axis=2),
        "gained": jnp.sum(into, axis=2),
        "lost": jnp.sum(out_of, axis=2),
    }


def _advance(program: TheoryProgram, simulation: Simulation, context: Context) -> dict[str, np.ndarray]:
    """Values at every saved step, arrays with time as their second axis."""
    context.progress.begin("Simulation")
    seen: dict[str, list[np.ndarray]] = {}
    last = program.save_steps[-1]
    for step in program.save_steps:
        if context.should_stop():
            raise Stopped(f"stopped on day {program.grid.times[simulation.step]:g}; theory experiments begin again from day 0.")
        if step > simulation.step:
            simulation.run_to(step)
        values = dict(simulation.observe(program.tally or observe_tally))
        if program.concentration is not None:
            values["concentration"] = simulation.observe(program.concentration)
        for key, value in values.items():
            seen.setdefault(key, []).append(value)
        context.progress.update(step / last, f"day {program.grid.times[step]:g}")
    return {key: np.stack(values, axis=1) for key, values in seen.items()}


def _series(program: TheoryProgram, seen: dict[str, np.ndarray]) -> xr.Dataset:
    """Series (arm, subject, time, population or drug)."""
    data: dict[str, Any] = {}
    for key, values in seen.items():
        last = "drug" if key == "concentration" else "population"
        shaped = values.reshape(len(program.arms), program.subjects, *values.shape[1:])
        data[key] = ((*CELLS[:3], last), shaped, {"units": "amount/L"} if key == "concentration" else {})
    coords: dict[str, Any] = {
        "arm": list(program.arms),
        "subject": [str(i) for i in range(program.subjects)],
        "time": program.grid.times[list(program.save_steps)],
        "population": list(program.populations),
    }
    if program.cells_per_unit is not None:
        dims, cells, _ = data["count"]
        data |= {"cells": (dims, cells, {}), "count": (dims, cells / program.cells_per_unit, OWN_UNIT)}
    return xr.Dataset(data, coords=coords | ({"drug": [DRUG]} if "concentration" in seen else {}))


def _solved_series(solution: TheorySolution) -> xr.Dataset:
    """The same axes for equations; every subject has the same curves."""
    shape = (len(solution.arms), solution.subjects, len(solution.days))
    data = {
        "count": (CELLS, np.broadcast_to(solution.count, (*shape, len(solution.populations))), OWN_UNIT),
        "concentration": ((*CELLS[:3], "drug"), np.broadcast_to(solution.concentration[:, None], (*shape, 1)), {"units": "amount/L"}),
    }
    subjects = [str(i) for i in range(solution.subjects)]
    coords = {"arm": list(solution.arms), "subject": subjects, "time": solution.days, "population": list(solution.populations), "drug": [DRUG]}
    return xr.Dataset(data, coords=coords)


def _solved_engine(series: xr.Dataset, device: str, wall: dict[str, float]) -> xr.Dataset:
    data = {"device": device, "wall_seconds": (("phase",), np.array(list(wall.values())))}
    return xr.Dataset(data, coords={"arm": series["arm"], "subject": series["subject"], "phase": list(wall)})


def _check(series: xr.Dataset) -> None:
    """Refuse a result in which cells were lost or made up."""
    count, births, deaths = series["cells" if "cells" in series else "count"], series["births"], series["deaths"]
    balance = count - (count.isel(time=0) + births - deaths + series["gained"] - series["lost"])
    if bool((balance != 0).any()) or bool((count < 0).any()) or bool((births.diff("time") < 0).any()) or bool((deaths.diff("time") < 0).any()):
        raise RunFault("The number of cells differs from what was born and died. This is an error of the program; please report it with its config.yaml.")


def _endpoints(program: TheoryProgram, series: xr.Dataset) -> xr.Dataset:
    final = series["cells" if "cells" in series else "count"].isel(time=-1).sum("population").values
    data = {
        "final_count": (ROW, final, {"units": "cells", "long_name": "Cells of all populations on the last day"}),
        "extinct": (ROW, final == 0, {"units": "1", "long_name": "Whether no cell is left on the last day"}),
    }
    if "cells" in series:
        return xr.Dataset(data, coords={axis: series[axis] for axis in ROW}).merge(_blood_endpoints(series))
    return xr.Dataset(data if program.concentration is None else {}, coords={"arm": series["arm"], "subject": series["subject"]})


def _blood_endpoints(series: xr.Dataset) -> xr.Dataset:
    """Lowest count in the blood among the times asked for, and its day."""
    blood = series["count"].sel(population="circulating", drop=True)
    relative = (100.0 * blood / blood.isel(time=0, drop=True)).transpose(*ROW, "time")
    nadir = relative.values.argmin(axis=2)
    data = {
        "circulating_nadir_percent": (ROW, relative.values.min(axis=2), {"units": "%", "long_name": "Lowest recorded count in the blood, percent of day 0"}),
        "circulating_nadir_day": (ROW, series["time"].values[nadir], {"units": "d", "long_name": "Day of the lowest recorded count in the blood"}),
    }
    return xr.Dataset(data, coords={axis: series[axis] for axis in ROW})


def _clones(populations: tuple[str, ...]) -> pd.DataFrame:
    n = len(populations)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "parent": np.full(n, -1),
            "mechanism": list(populations),
            "birth_time_days": np.zeros(n),
            "origins": np.ones(n, np.int64),
            "pooled": np.zeros(n, bool),
        }
    )


def _engine(program: TheoryProgram, simulation: Simulation, dt_hours: float, device: str, wall: dict[str, float]) -> xr.Dataset:
    """Numerical book-keeping of the run."""
    carry = simulation.carry()
    stats = carry.stats
    shape = (len(program.arms), program.subjects)
    rows = {"packets": stats.packets, "packets_peak": stats.peak_packets, "merges": stats.merges, "splits": stats.splits}
    data: dict[str, Any] = {key: (ROW, np.asarray(value, np.int64).reshape(shape)) for key, value in rows.items()}
    data |= {
        "capacity": np.int64(carry.packets.clone.shape[1]),
        "dt_hours": float(dt_hours),
        "steps": ((), np.int64(program.grid.steps), {"units": "1", "long_name": "Steps that were made"}),
        "device": device,
        "wall_seconds": (("phase",), np.array(list(wall.values()))),
    }
    return xr.Dataset(data, coords={"arm": list(program.arms), "subject": [str(i) for i in range(program.subjects)], "phase": list(wall)})
