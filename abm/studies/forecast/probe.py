"""Seconds per simulated day of the engine on this machine, measured on a small trial of fixed shape.

The shape never changes, so its compiled program is found again in the cache, and its time
is spent on steps, draws, moves and packings as in a run.  Nothing is given: drugs cost
next to nothing beside the cells.
"""

from __future__ import annotations

import dataclasses
import time

import jax
import numpy as np

from abm.engine.program import start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.models.engraftment import engraft
from abm.models.observation import observe_burden
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import Rows, build_params, capacity_of, clone_layout, param_axes, start_rows
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Arm, Regimen
from abm.subject import cohort_subjects

PROBE_ROWS, PROBE_PACKETS = 8, 512
_STRATA, _STEP_HOURS, _WINDOW_HOURS, _PACKING_HOURS = 16, 1.0, 12.0, 24.0
_REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Probe:
    """What was measured."""

    day_seconds: tuple[float, ...]  # of each simulated day
    experiment: Experiment  # what was run
    capacity: int  # places of a row
    device: str
    age_seconds: float = 0.0


def probe_experiment(experiment: Experiment, rows: int, packets: int) -> Experiment:
    """One leukaemia without subclones and mutation, `rows` subjects, no drug, the default calendar."""
    name = experiment.cohort.leukaemias[0]
    engine = dataclasses.replace(
        experiment.engine, packets=packets, strata=_STRATA, dt_hours=_STEP_HOURS, window_hours=_WINDOW_HOURS, packing_hours=_PACKING_HOURS
    )
    return dataclasses.replace(
        experiment,
        engine=engine,
        host=dataclasses.replace(experiment.host, injected_cells=1e8, seeding_fraction=1.0),
        cohort=dataclasses.replace(experiment.cohort, subjects=rows, leukaemias=[name], resistance=[]),
        leukaemias={name: dataclasses.replace(experiment.leukaemias[name], subclones={})},
        regimens={"none": Regimen(label="", events=[])},
        arms={"none": Arm(regimen="none")},
    )


def measure(experiment: Experiment, rows: int = PROBE_ROWS, packets: int = PROBE_PACKETS) -> Probe:
    """Run the small trial for a few days, the first of which is not counted."""
    small = probe_experiment(experiment, rows, packets)
    engine, layout = small.engine, clone_layout(small)
    subjects = cohort_subjects(small.seed, tuple(small.cohort.leukaemias), rows)
    grid = make_grid(_REPEATS + 1.0, _STEP_HOURS, _WINDOW_HOURS, _PACKING_HOURS)
    params = build_params(small, Rows(subjects.keys, subjects.leukaemias, np.zeros(rows, np.int32)), layout.founders, grid.times)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    start, cells = engraft(small, subjects, layout.founders, capacity_of(small))
    carry = start_carry(model, start, start_rows(params, small, cells, treated=False))
    simulation = Simulation(model, engine.packets, params, param_axes(params), subjects.keys, carry, grid, devices=engine.devices)
    seconds = []
    for day in range(_REPEATS + 1):
        began = time.perf_counter()
        simulation.run_to(grid.index(day + 1.0))
        simulation.observe(observe_burden)
        seconds.append(time.perf_counter() - began)
    return Probe(tuple(seconds[1:]), small, capacity_of(small), f"{jax.devices()[0].platform} x {simulation.mesh.devices.size}")
