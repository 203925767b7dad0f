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
from abm.models.theory.detection import Search, detection
from abm.models.theory.logistic import logistic
from abm.models.theory.pharmacokinetics import DRUG, pharmacokinetics
from abm.models.theory.program import Settings, TheoryProgram
from abm.models.theory.resistance import luria_delbruck, resistance
from abm.models.theory.stress_survival import stress_survival
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.parameters.theory import THEORY_RECORDS
from abm.studies.context import Context

PROGRAMS: dict[str, Callable[[Any, Settings], TheoryProgram]] = {
    "birth_death": birth_death,
    "stress_survival": stress_survival,
    "combination": combination,
    "pharmacokinetics": pharmacokinetics,
    "logistic": logistic,
    "resistance": resistance,
    "luria_delbruck": luria_delbruck,
    "detection": detection,
}
CELLS = ("arm", "subject", "time", "population")
ROW = ("arm", "subject")


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
    simulation: Simulation | Search = program.search(program, engine.devices) if program.search else _simulation(program, engine.devices)
    built = time.perf_counter()
    seen = _search(simulation, context) if isinstance(simulation, Search) else _advance(program, simulation, context)
    carry = simulation.carry()
    days = np.array([0.0, carry.rows.day.max()]) if program.search else program.grid.times[list(program.save_steps)]
    series = _series(program, seen, days)
    _check(series)
    wall = {"set_up": built - began, "simulation": time.perf_counter() - built}
    device = f"{jax.devices()[0].platform} x {simulation.mesh.devices.size}"
    config = yaml.safe_load(context.config_yaml) or {}
    return RunResult(
        series=series,
        lead_in=None,
        endpoints=_endpoints(program, series, carry),
        events=pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"]),
        clones=clones_of_rows(program, carry) if program.mutates else _clones(program),
        cells={},
        engine=_engine(program, carry, engine.dt_hours, device, wall),
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
        "gained": jnp.sum(into, axis=2) + tally.gained,
        "lost": jnp.sum(out_of, axis=2) + tally.lost,
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
        values = dict(simulation.observe(observe_tally))
        if program.concentration is not None:
            values["concentration"] = simulation.observe(program.concentration)
        for key, value in values.items():
            seen.setdefault(key, []).append(value)
        context.progress.update(step / last, f"day {program.grid.times[step]:g}")
    return {key: np.stack(values, axis=1) for key, values in seen.items()}


def _search(search: Search, context: Context) -> dict[str, np.ndarray]:
    """Values at the start and when the last row succeeded, arrays with time as their second axis."""
    context.progress.begin("Search")
    first, done = search.observe(observe_tally), 0.0
    while done < 1.0:
        if context.should_stop():
            raise Stopped(f"stopped when {done:.0%} of the subjects had reached the number of cells; theory experiments begin again from day 0.")
        done = search.advance()
        context.progress.update(done, f"{done:.0%} of the subjects have reached the number of cells")
    last = search.observe(observe_tally)
    return {key: np.stack([first[key], last[key]], axis=1) for key in first}


def _series(program: TheoryProgram, seen: dict[str, np.ndarray], days: np.ndarray) -> xr.Dataset:
    """Series (arm, subject, time, population or drug)."""
    data: dict[str, Any] = {}
    for key, values in seen.items():
        last = "drug" if key == "concentration" else "population"
        shaped = values.reshape(len(program.arms), program.subjects, *values.shape[1:])
        data[key] = ((*CELLS[:3], last), shaped, {"units": "amount/L"} if key == "concentration" else {})
    coords: dict[str, Any] = {
        "arm": list(program.arms),
        "subject": [str(i) for i in range(program.subjects)],
        "time": days,
        "population": list(program.populations),
    }
    return xr.Dataset(data, coords=coords | ({"drug": [DRUG]} if "concentration" in seen else {}))


def _check(series: xr.Dataset) -> None:
    """Refuse a result in which cells were lost or made up."""
    count, births, deaths = series["count"], series["births"], series["deaths"]
    balance = count - (count.isel(time=0) + births - deaths + series["gained"] - series["lost"])
    if bool((balance != 0).any()) or bool((count < 0).any()) or bool((births.diff("time") < 0).any()) or bool((deaths.diff("time") < 0).any()):
        raise RunFault("The number of cells differs from what was born and died. This is an error of the program; please report it with its config.yaml.")


def _endpoints(program: TheoryProgram, series: xr.Dataset, carry: Carry) -> xr.Dataset:
    final = series["count"].isel(time=-1).sum("population").values
    data = {
        "final_count": (ROW, final, {"units": "cells", "long_name": "Cells of all populations on the last day"}),
        "extinct": (ROW, final == 0, {"units": "1", "long_name": "Whether no cell is left on the last day"}),
    }
    if program.search:
        shape = final.shape
        data["detection_day"] = (ROW, carry.rows.day.reshape(shape), {"units": "d", "long_name": "Day on which the number of cells was reached"})
        data["attempts"] = (ROW, carry.rows.attempts.reshape(shape), {"units": "1", "long_name": "Attempts until one did not die out before"})
    return xr.Dataset(data if program.concentration is None else {}, coords={"arm": series["arm"], "subject": series["subject"]})


def _clones(program: TheoryProgram) -> pd.DataFrame:
    n = len(program.populations)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "parent": np.full(n, -1),
            "mechanism": list(program.populations),
            "birth_time_days": np.zeros(n),
            "origins": np.ones(n, np.int64),
            "pooled": np.zeros(n, bool),
        }
    )


def clones_of_rows(program: TheoryProgram, carry: Carry) -> pd.DataFrame:
    """Clones of every subject from its clone table; a clone without origins is left out."""
    table, cells = carry.rows.clones, np.asarray(carry.tally.cells).sum(axis=2)
    row, clone = np.nonzero(np.asarray(table.origins) > 0)
    arm, subject = np.divmod(row, program.subjects)
    return pd.DataFrame(
        {
            "id": clone,
            "parent": np.asarray(table.parent)[row, clone],
            "mechanism": np.array(program.populations)[clone],
            "birth_time_days": np.asarray(table.birth_day)[row, clone],
            "origins": np.asarray(table.origins)[row, clone],
            "pooled": clone > 0,
            "arm": np.array(program.arms)[arm],
            "subject": subject.astype(str),
            "count": cells[row, clone],
        }
    )


def _engine(program: TheoryProgram, carry: Carry, dt_hours: float, device: str, wall: dict[str, float]) -> xr.Dataset:
    """Numerical book-keeping of the run."""
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
