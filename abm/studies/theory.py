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

from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Simulation
from abm.errors import Stopped
from abm.models.theory.birth_death import birth_death
from abm.models.theory.combination import combination
from abm.models.theory.detection import Search, detection
from abm.models.theory.logistic import logistic
from abm.models.theory.myelosuppression import myelosuppression
from abm.models.theory.pharmacokinetics import pharmacokinetics
from abm.models.theory.program import Settings, TheoryProgram, TheorySolution
from abm.models.theory.resistance import luria_delbruck, resistance
from abm.models.theory.stress_survival import stress_survival
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.parameters.theory import THEORY_RECORDS
from abm.studies.context import Context
from abm.studies.theory_result import (
    blood_endpoints,
    check,
    clones_of,
    clones_of_rows,
    endpoints_of,
    engine_of,
    series_of,
    solved_engine,
    solved_series,
)
from abm.yaml_text import from_yaml

PROGRAMS: dict[str, Callable[[Any, Settings], TheoryProgram | TheorySolution]] = {
    "birth_death": birth_death,
    "stress_survival": stress_survival,
    "combination": combination,
    "pharmacokinetics": pharmacokinetics,
    "logistic": logistic,
    "resistance": resistance,
    "luria_delbruck": luria_delbruck,
    "detection": detection,
    "myelosuppression": myelosuppression,
}


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
    config = from_yaml(context.config_yaml) or {}
    if isinstance(program, TheorySolution):
        series, device = solved_series(program), "none: equations solved on the host"
        wall = {"set_up": time.perf_counter() - began}
        endpoints, book, clones = blood_endpoints(series), solved_engine(series, device, wall), clones_of(program.populations)
    else:
        simulation: Simulation | Search = program.search(program, engine.devices) if program.search else _simulation(program, engine.devices)
        built = time.perf_counter()
        seen = _search(simulation, context) if isinstance(simulation, Search) else _advance(program, simulation, context)
        carry = simulation.carry()
        days = np.array([0.0, carry.rows.day.max()]) if program.search else program.grid.times[list(program.save_steps)]
        series = series_of(program, seen, days)
        check(series)
        wall = {"set_up": built - began, "simulation": time.perf_counter() - built}
        device = f"{jax.devices()[0].platform} x {simulation.mesh.devices.size}"
        endpoints, book = endpoints_of(program, series, carry), engine_of(program, carry, engine.dt_hours, device, wall)
        clones = clones_of_rows(program, carry) if program.mutates else clones_of(program.populations)
    return RunResult(
        series=series,
        lead_in=None,
        endpoints=endpoints,
        events=pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"]),
        clones=clones,
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
        values = dict(simulation.observe(program.tally or observe_tally))
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
