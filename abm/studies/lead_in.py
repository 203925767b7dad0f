"""Lead-in: every subject lives through engraftment until it qualifies.

A program of its own over subjects.  A row freezes at the end of the window in which
human CD45 in blood reaches the level of randomisation; the others go on.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from abm.biology.trafficking import BLOOD
from abm.engine.clones import CloneLayout
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Grid, Simulation, make_grid
from abm.models.observation import Observation, observe, observe_burden
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import Rows, build_params, capacity_of, engraft, param_axes, start_rows
from abm.parameters.experiment import Experiment
from abm.readouts.blood import human_cd45_fraction
from abm.streams import PHASE_LEAD_IN
from abm.studies.checkpointing import Keeper
from abm.studies.context import Context
from abm.subject import SubjectTable


@dataclasses.dataclass
class LeadIn:
    """Outcome of the lead-in.

    Attributes:
        carry: State of each row when it was randomised (or at the end).
        randomised_day: Day since injection, NaN where a row never qualified.
        looks: Daily looks; `times` are their days since injection.
    """

    carry: Carry
    randomised_day: np.ndarray
    looks: list[Observation]
    times: list[float]


def step_hours(experiment: Experiment) -> float:
    """Length of a step: `engine.dt_hours`, divided until hazards are resolved and a window holds whole steps."""
    engine = experiment.engine
    parts = int(np.ceil(engine.dt_hours / min(MAX_STEP_HOURS, engine.window_hours) - 1e-9))
    return engine.dt_hours / max(parts, 1)


# Longest step of the fast states, measured (abm/guides/accuracy.md): under the combination the burden of the ETP-like
# leukaemia is 6 % too high on day 7 at 1 h, after 2 powers of ten of kill, and 15 % at 2 h.
MAX_STEP_HOURS = 1.0


def trial_grid(experiment: Experiment) -> Grid:
    """Grid of the trial after randomisation."""
    engine = experiment.engine
    return make_grid(experiment.trial.follow_up_days, step_hours(experiment), engine.window_hours, engine.packing_hours)


def _qualified(experiment: Experiment, burden: Any) -> np.ndarray:
    fraction = human_cd45_fraction(burden.cells[:, :, BLOOD].sum(1).astype(float), burden.blood, experiment.lineages)
    return np.asarray(100.0 * fraction >= experiment.trial.start_human_cd45_percent)


def _simulation(experiment: Experiment, subjects: SubjectTable, layout: CloneLayout, grid: Grid, step: int, carry: Carry | None) -> Simulation:
    rows = Rows(subjects.keys, subjects.leukaemias, np.zeros(len(subjects.labels), np.int32))
    # The numbers of the trial, though no dose is given: like shapes share one compiled program.
    params = build_params(experiment, rows, layout.founders, trial_grid(experiment).times)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    if carry is None:
        packets, seeded = engraft(experiment, subjects, layout.founders, capacity_of(experiment))
        carry = start_carry(model, packets, start_rows(params, experiment, seeded, treated=False))
    engine = experiment.engine
    return Simulation(model, engine.packets, params, param_axes(params), rows.keys, carry, grid, phase=PHASE_LEAD_IN, devices=engine.devices, step=step)


def run_lead_in(experiment: Experiment, subjects: SubjectTable, layout: CloneLayout, context: Context, keeper: Keeper) -> LeadIn:
    """Run until every subject is randomised or the time is over."""
    engine, trial = experiment.engine, experiment.trial
    dt = step_hours(experiment)
    grid = make_grid(trial.lead_in_max_days, dt, engine.window_hours, engine.packing_hours)
    day = np.full(len(subjects.labels), np.nan)
    stored = keeper.stored("lead_in")
    simulation = _simulation(experiment, subjects, layout, grid, 0, None)
    if stored is not None:
        tree = keeper.load({"carry": simulation.carry(), "day": day, "looks": [simulation.shape_of(observe)] * stored["looks"]})
        simulation = _simulation(experiment, subjects, layout, grid, stored["step"], tree["carry"])
        day, looks, times = np.array(tree["day"]), tree["looks"], stored["times"]
        simulation.freeze(np.isfinite(day))
    else:
        looks, times = [simulation.observe(observe)], [0.0]
        _freeze(simulation, day, _qualified(experiment, simulation.observe(observe_burden)), 0.0)
    context.progress.begin("Lead-in")
    every = max(1, round(engine.window_hours / dt))
    checks = [k for k in range(simulation.step + 1, grid.steps + 1) if k % every == 0 or k == grid.steps]
    per_day = max(1, round(experiment.readout.interval_hours / dt))
    for k in checks:
        if np.isfinite(day).all():
            break
        simulation.run_to(k)
        _freeze(simulation, day, _qualified(experiment, simulation.observe(observe_burden)), float(grid.times[k]))
        if k % per_day == 0:
            looks.append(simulation.observe(observe))
            times.append(float(grid.times[k]))
        done = int(np.isfinite(day).sum())
        context.progress.update(min(0.98, grid.times[k] / trial.lead_in_max_days), f"day {grid.times[k]:.0f}, {done} of {len(day)} randomised")
        keeper.offer("lead_in", simulation, k, {"looks": len(looks), "times": times}, lambda: {"day": day, "looks": looks})
    context.progress.update(1.0, f"{int(np.isfinite(day).sum())} of {len(day)} randomised")
    return LeadIn(carry=simulation.carry(), randomised_day=day, looks=looks, times=times)


def _freeze(simulation: Simulation, day: np.ndarray, qualified: np.ndarray, now: float) -> None:
    fresh = qualified & ~np.isfinite(day)
    day[fresh] = now
    if fresh.any():
        simulation.freeze(fresh)
