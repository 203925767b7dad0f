"""Grids of a trial: steps that resolve the fast states while drugs act, coarse ones where none does.

Off drug the fast states of the cells rest and the law of births and deaths is exact at any
step, so only feedback (crowding, the counts of healthy blood) must be resolved.  Where the
steps change depends on the calendar of the trial alone, never on its arms.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from abm.engine.devices import batches_of
from abm.engine.simulate import Grid, followed_by, make_grid
from abm.parameters.experiment import Experiment
from abm.parameters.settings import EngineSettings
from abm.units import HOURS_PER_DAY

# Longest step of the fast states, measured (abm/guides/accuracy.md): under the combination the burden of the ETP-like
# leukaemia is 6 % too high on day 7 at 1 h, after 2 powers of ten of kill, and 15 % at 2 h.
MAX_STEP_HOURS = 1.0


def step_hours(experiment: Experiment) -> float:
    """Length of a step: `engine.dt_hours`, divided until hazards are resolved and a window holds whole steps."""
    engine = experiment.engine
    parts = int(np.ceil(engine.dt_hours / min(MAX_STEP_HOURS, engine.window_hours) - 1e-9))
    return engine.dt_hours / max(parts, 1)


def off_drug_hours(engine: EngineSettings) -> tuple[float, float, float] | None:
    """Step, window and packing interval, h, where no drug acts; None where they are those under drugs.

    A window is two steps, with the moves between them; packings fall on its ends.
    """
    if engine.off_drug_dt_hours is None:
        return None
    window = 2.0 * engine.off_drug_dt_hours
    return engine.off_drug_dt_hours, window, window * max(1.0, np.ceil(engine.packing_hours / window - 1e-9))


def coarse_from_day(experiment: Experiment) -> float:
    """Day of the trial from which on steps are coarse, at the end of a packing interval; inf where they never are."""
    engine, trial = experiment.engine, experiment.trial
    if engine.off_drug_dt_hours is None or engine.washout_days is None:
        return float("inf")
    packing_days = engine.packing_hours / HOURS_PER_DAY
    return packing_days * float(np.ceil((trial.treatment_days + engine.washout_days) / packing_days - 1e-9))


def trial_grid(experiment: Experiment) -> Grid:
    """Grid of the trial after randomisation."""
    engine, end, change = experiment.engine, experiment.trial.follow_up_days, coarse_from_day(experiment)
    coarse = off_drug_hours(engine)
    grid = make_grid(min(end, change), step_hours(experiment), engine.window_hours, engine.packing_hours)
    if coarse is None:
        return grid
    if change < end:
        return followed_by(grid, make_grid(end - change, *coarse))
    # Named all the same, so that a lead-in shares the programs.
    return dataclasses.replace(grid, late_from=grid.steps, late_window_days=coarse[1] / HOURS_PER_DAY)


def trial_batches(experiment: Experiment, rows: int) -> int:
    """Batches in which the `rows` rows of a trial run: those of an arm each, if its subjects are those of the lead-in."""
    kinds = len(experiment.arms) if experiment.cohort.design == "twin" else 1
    return batches_of(rows, kinds, experiment.engine.devices, trial_grid(experiment).steps)


def lead_in_grid(experiment: Experiment) -> Grid:
    """Grid of the lead-in, during which nobody is treated."""
    engine, coarse = experiment.engine, off_drug_hours(experiment.engine)
    if coarse is None:
        return make_grid(experiment.trial.lead_in_max_days, step_hours(experiment), engine.window_hours, engine.packing_hours)
    grid, later = make_grid(experiment.trial.lead_in_max_days, *coarse), trial_grid(experiment)
    return dataclasses.replace(grid, window_days=later.window_days, late_from=0, late_window_days=grid.window_days)


def boundaries_every(grid: Grid, hours: float) -> list[int]:
    """Step boundaries after the first at multiples of an interval, and the last one."""
    multiple = grid.times * HOURS_PER_DAY / hours
    on = np.abs(multiple - np.rint(multiple)) < 1e-6
    return sorted({*np.flatnonzero(on)[1:].tolist(), grid.steps})
