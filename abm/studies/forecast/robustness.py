"""Forecast of the robustness study: what applies to a study of many deterministic twins."""

from __future__ import annotations

import math
import time

import numpy as np

from abm.engine.mean_field import trait_points
from abm.models.mean_field_course import STEPS_PER_CALL, begin_path, run_path
from abm.models.mean_field_xenograft import TwinRow, build_twin
from abm.models.xenograft_setup import drugs_given
from abm.parameters.experiment import Experiment
from abm.studies.forecast.memory import PROGRAM_BYTES, free_memory, machine_memory, resident
from abm.studies.forecast.record import Forecast, Memory, RunTime, Verdict
from abm.studies.forecast.verdicts import NEARLY, gib
from abm.studies.robustness import BATCH, read_settings
from abm.studies.robustness_claims import burden_at, scenes

# Arrays of the size of a state of the twin that are alive in a step: traits, fast state, weights, hazards, temporaries.
_STATES = 40
# Measured over estimated time; the share of the draws only, and that with the draws repeated with packets.
_SPREAD = (0.5, 3.0)
_START_SECONDS, _COMPILE_SECONDS, _CONFIRM_SECONDS = 10.0, 60.0, 40.0


def robustness_forecast(experiment: Experiment) -> Forecast:
    """Forecast from the settings of the study and from the speed of the twin on this machine."""
    s = read_settings(experiment)
    clones = 1 + max(len(leukaemia.subclones) for leukaemia in experiment.leukaemias.values())
    points, batch = s.levels * s.cells * clones, min(BATCH, s.draws)
    steps = round(experiment.trial.treatment_days * 24.0 / s.dt_hours)
    rows, batches = batch * len(scenes(s)), math.ceil(s.draws / batch)
    work = float(batches * rows * points * steps)
    rate = twin_rate(experiment)
    # Courses of concentration, looks and the state of a batch, float64.
    held = 8 * rows * (_STATES * points + steps * (3 + len(drugs_given(experiment))))
    process = resident() + PROGRAM_BYTES
    memory = Memory(held, held // rows, 0, 0, process, process + held, machine_memory(), free_memory(), "cpu", 0, 0)
    confirm = _CONFIRM_SECONDS * s.confirm_draws
    basis = f"the twin just now: {rate:.2g} point-steps/s; {s.confirm_draws} draws repeated with {s.confirm_packets} packets take up to {confirm:g} s more"
    return Forecast(
        task="claim_robustness",
        name=experiment.experiment_name,
        size=f"{s.draws} draws in {batches} batches of {batch}, {len(scenes(s))} scenes each, {points} trait points, {steps} steps of {s.dt_hours:g} h",
        memory=memory,
        time=RunTime(
            0.0,
            work,
            "steps of trait points",
            rate,
            _START_SECONDS + _SPREAD[0] * work / rate,
            _START_SECONDS + _COMPILE_SECONDS + _SPREAD[1] * work / rate + confirm,
            basis,
        ),
        notes=(
            "deterministic twins: no packets, no sampling, no mutation; burden at the start as conf/trial says",
            f"a share of draws near 0.1 has a standard error of {math.sqrt(0.09 / s.draws):.2g}",
        ),
        verdicts=tuple(_verdicts(memory)),
    )


def _verdicts(memory: Memory) -> list[Verdict]:
    advice = "fewer robustness.levels or robustness.cells"
    if memory.peak > memory.total:
        return [Verdict("refused", f"{gib(memory.peak)} of memory are needed, this machine has {gib(memory.total)}", advice)]
    if memory.peak > NEARLY * memory.available:
        return [Verdict("warning", f"{gib(memory.peak)} of memory are needed, {gib(memory.available)} are free now", advice)]
    return []


def twin_rate(experiment: Experiment) -> float:
    """Point-steps of the twin per second on this machine now, one call of it after one to warm up."""
    levels, cells, rows = 8, 16, 8
    leukaemia, host = next(iter(experiment.leukaemias.values())), experiment.host
    row = TwinRow(experiment.cell, leukaemia, experiment.drugs, burden_at(host, experiment.trial.start_human_cd45_percent), host.carrying_capacity)
    params = build_twin([row] * rows, drugs_given(experiment), trait_points(cells, 1, levels), levels)
    clones = 1 + len(leukaemia.subclones)
    nothing = np.zeros((STEPS_PER_CALL, rows, len(drugs_given(experiment))))
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run_path(params, begin_path(params), nothing, 1.0 / 24.0, groups=levels * clones, clones=clones)
        seconds.append(time.perf_counter() - began)
    return rows * levels * cells * clones * STEPS_PER_CALL / float(np.median(seconds[1:]))
