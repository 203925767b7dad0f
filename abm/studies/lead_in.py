"""Lead-in: every subject lives through engraftment, or the growth of its leukaemia, until it qualifies.

A program of its own over subjects.  A row freezes at the end of the window in which
human CD45 in blood, or the burden, reaches the level of randomisation; the others go on.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from abm.biology.trafficking import BLOOD
from abm.engine.clones import CloneLayout
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Grid, Simulation
from abm.models.engraftment import engraft
from abm.models.individuals import individuals
from abm.models.observation import Observation, observe, observe_burden
from abm.models.past import pasts_of, with_past
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import Rows, build_params, capacity_of, param_axes, start_rows
from abm.parameters.experiment import Experiment
from abm.readouts.blood import human_cd45_fraction
from abm.streams import PHASE_LEAD_IN
from abm.studies.checkpointing import Keeper
from abm.studies.context import Context
from abm.studies.grids import boundaries_every, lead_in_grid, trial_grid
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


def start_burdens(experiment: Experiment, subjects: SubjectTable) -> np.ndarray | None:
    """Leukaemic cells at which each subject is randomised, (subjects,); None where the burden does not decide."""
    if experiment.trial.start_rule != "burden":
        return None
    level = experiment.trial.start_burden_cells or experiment.host.diagnosis_burden
    assert level is not None  # checked with the configuration
    return level * np.array([i.start_burden for i in individuals(experiment, subjects.keys, subjects.leukaemias)])


def _qualified(experiment: Experiment, burden: Any, level: np.ndarray | None) -> np.ndarray:
    """Whether each subject is to be randomised now, bool (subjects,)."""
    if experiment.trial.start_rule == "injection":
        return np.ones(len(burden.cells), bool)
    if level is not None:
        return np.asarray(burden.cells.sum((1, 2)) >= level)
    fraction = human_cd45_fraction(burden.cells[:, :, BLOOD].sum(1).astype(float), burden.blood, experiment.lineages)
    return np.asarray(100.0 * fraction >= experiment.trial.start_human_cd45_percent)


def _simulation(experiment: Experiment, subjects: SubjectTable, layout: CloneLayout, grid: Grid, step: int, carry: Carry | None) -> Simulation:
    rows = Rows(subjects.keys, subjects.leukaemias, np.zeros(len(subjects.labels), np.int32))
    # The numbers of the trial, though no dose is given: like shapes share one compiled program.
    params = build_params(experiment, rows, layout.founders, trial_grid(experiment).times)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    if carry is None:
        pasts = pasts_of(experiment, subjects, layout)
        packets, seeded = engraft(experiment, subjects, layout.founders, capacity_of(experiment), pasts)
        start = start_rows(params, experiment, seeded, treated=False)
        carry = start_carry(model, packets, start._replace(clones=with_past(start.clones, pasts)) if pasts else start)
    engine = experiment.engine
    return Simulation(model, engine.packets, params, param_axes(params), rows.keys, carry, grid, phase=PHASE_LEAD_IN, devices=engine.devices, step=step)


def run_lead_in(experiment: Experiment, subjects: SubjectTable, layout: CloneLayout, context: Context, keeper: Keeper) -> LeadIn:
    """Run until every subject is randomised or the time is over."""
    trial, grid, level = experiment.trial, lead_in_grid(experiment), start_burdens(experiment, subjects)
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
        _freeze(simulation, day, _qualified(experiment, simulation.observe(observe_burden), level), 0.0)
    context.progress.begin("Lead-in")
    window_days = grid.window_days if grid.late_from is None else grid.late_window_days
    checks = [k for k in boundaries_every(grid, window_days * 24.0) if k > simulation.step]
    recorded = set(boundaries_every(grid, experiment.readout.interval_hours))
    for k in checks:
        if np.isfinite(day).all():
            break
        simulation.run_to(k)
        _freeze(simulation, day, _qualified(experiment, simulation.observe(observe_burden), level), float(grid.times[k]))
        if k in recorded:
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
