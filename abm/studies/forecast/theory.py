"""Forecast of a theory experiment: its grid and rows, and the expected populations where its law is linear."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from scipy.linalg import expm

from abm.engine.program import Carry, start_carry
from abm.engine.transition import MAX_BIRTHS_PER_STEP
from abm.models.theory.program import Settings, TheoryProgram, TheorySolution
from abm.parameters.experiment import Experiment
from abm.parameters.theory import THEORY_RECORDS
from abm.studies.forecast.memory import COPIES_OF_OUTPUT, COPIES_ON_HOST, PROGRAM_BYTES, TEMPORARIES, bytes_of, free_memory, machine_memory, resident
from abm.studies.forecast.record import ArmCourse, Forecast, Memory, Mutants, Verdict
from abm.studies.forecast.verdicts import MOST_CELLS, NEARLY, gib
from abm.studies.theory import PROGRAMS, observe_tally

_LOOKS_PER_PHASE = 64
# Birth-death experiments by name: (cells at the start, phases (end, b_s, d_s, b_r, d_r), u, convention).
Linear = tuple[tuple[float, float], list[tuple[float, float, float, float, float]], float, str]


def theory_forecast(experiment: Experiment) -> Forecast:
    """Forecast; one replicate is set up by the code of the run and scaled to all."""
    assert experiment.theory is not None  # a task without its keys was refused by the configuration
    keys = dict(experiment.theory)
    name = keys.pop("name")
    record = THEORY_RECORDS[name](**keys)
    replicates = int(getattr(record, "replicates", 1))
    one = dataclasses.replace(record, replicates=1) if hasattr(record, "replicates") else record
    engine = experiment.engine
    settings = Settings(experiment.seed, engine.packets, engine.dt_hours, engine.packing_hours, experiment.readout.interval_hours)
    program = PROGRAMS[name](one, settings)
    courses, mutants = expected_populations(name, record)
    too_many = [c.peak for c in courses if c.peak > MOST_CELLS]
    verdicts = [Verdict("refused", f"{n:.2g} cells are expected; counts are exact below 2^53 = 9.0e15", "fewer cells, or an earlier end") for n in too_many]
    if isinstance(program, TheorySolution):
        notes, memory = ["equations solved on the host: no packets, no steps, no chance"], None
    else:
        notes, memory = _notes(program, replicates, engine.dt_hours), _memory(program, replicates)
        verdicts += _memory_verdicts(memory, replicates)
    arms = len(program.arms)
    return Forecast(
        task="theory",
        name=experiment.experiment_name,
        size=f"{arms} arm{'s' * (arms > 1)} x {replicates} replicate{'s' * (replicates > 1)}",
        courses=courses,
        mutants=mutants,
        memory=memory,
        notes=tuple(notes),
        verdicts=tuple(verdicts),
    )


def _notes(program: TheoryProgram, replicates: int, asked_hours: float) -> list[str]:
    grid, rows = program.grid, len(program.arms) * replicates
    longest = float(np.diff(grid.times).max(initial=0.0)) * 24.0
    capacity = program.packets.clone.shape[1]
    notes = [
        f"step: asked {asked_hours:g} h, longest used {longest:.3g} h; {grid.steps} steps, {int(grid.drawn.sum())} draws, {len(program.save_steps)} times kept",
        f"sampler exact up to {MAX_BIRTHS_PER_STEP:g} births per draw; the grid is cut until that holds",
        f"packets: resolution {program.resolution}, capacity {capacity} in each of {rows} rows; {grid.steps * capacity * rows:.2g} packet-steps",
    ]
    if program.search is not None:
        notes.append("a search: rows start again until enough of them have succeeded, so steps and time cannot be said beforehand")
    return notes


def _memory(program: TheoryProgram, replicates: int) -> Memory:
    made = start_carry(program.model, program.packets, program.row_state)
    carry: Carry = made
    look = jax.eval_shape(program.tally or observe_tally, program.params, carry)
    rows, arms = len(program.arms) * replicates, len(program.arms)
    of_row = bytes_of(carry) // arms
    state = of_row * rows + bytes_of(program.params)
    output = bytes_of(look) // arms * rows * len(program.save_steps) * COPIES_OF_OUTPUT
    working = int(COPIES_ON_HOST * of_row * rows + TEMPORARIES * bytes_of(carry.packets) // arms * rows)
    device, process = jax.devices()[0], resident() + PROGRAM_BYTES
    peak = process + state + output + working
    named = f"{device.platform} {device.device_kind}"
    return Memory(state, of_row, working, output, process, peak, machine_memory(), free_memory(), named, 0, 0)


def _memory_verdicts(memory: Memory, replicates: int) -> list[Verdict]:
    share = (memory.total - memory.process) / max(memory.peak - memory.process, 1)
    fewer = f"theory.replicates={max(1, int(0.8 * replicates * share))}"
    if memory.peak > memory.total:
        return [Verdict("refused", f"{gib(memory.peak)} of memory are needed, this machine has {gib(memory.total)}", fewer)]
    if memory.peak > NEARLY * memory.available:
        return [Verdict("warning", f"{gib(memory.peak)} of memory are needed, {gib(memory.available)} are free now", f"theory.replicates={replicates // 2}")]
    return []


def linear_law(name: str, record: Any) -> Linear | None:
    """The experiment as two linear types under phases, or None where its law is another."""
    if name == "birth_death":
        return (record.n0, 0.0), [(end, b, d, 0.0, 0.0) for end, b, d in record.phases], 0.0, "one"
    if name == "resistance":
        return (record.s0, record.r0), [tuple(phase) for phase in record.phases], record.u, record.mutation
    if name == "luria_delbruck":
        return (record.n0, 0.0), [(record.t_end, record.b, record.d, record.b_mutant, record.d)], record.u, "one"
    return None


def expected_populations(name: str, record: Any) -> tuple[tuple[ArmCourse, ...], tuple[Mutants, ...]]:
    """Expected cells and mutations of linear experiments, exact; nothing for the others.

    S' = (b_s (1 - k u) - d_s) S, R' = (b_r - d_r) R + k u b_s S, mutations M' = k u b_s S, with
    k = 1 where a division makes one mutant and k = 2 where each daughter may be one.
    """
    law = linear_law(name, record)
    if law is None:
        return (), ()
    (sensitive, resistant), phases, u, convention = law
    k = 1.0 if convention == "one" else 2.0
    x, begun = np.array([sensitive, resistant, 0.0]), 0.0
    days, totals = [0.0], [float(x[:2].sum())]
    for end, b_s, d_s, b_r, d_r in phases:
        rates = np.array([[b_s * (1.0 - k * u) - d_s, 0.0, 0.0], [k * u * b_s, b_r - d_r, 0.0], [k * u * b_s, 0.0, 0.0]])
        h = (end - begun) / _LOOKS_PER_PHASE
        step = expm(rates * h)
        for i in range(_LOOKS_PER_PHASE):
            x = step @ x
            days.append(begun + (i + 1) * h)
            totals.append(float(x[:2].sum()))
        begun = end
    peak = int(np.argmax(totals))
    fall = float(np.log10(max(totals[0], 1e-300)) - np.log10(max(totals[-1], 1e-300)))
    course = ArmCourse("", "theory", totals[peak], days[peak], fall, float("nan"), float("nan"), float("nan"))
    # Mutations are Poisson given the path of the sensitive cells, which is random: a bound on the chance of one.
    mutants = (Mutants("", "resistant", u, 0.0, 0.0, 0.0, {"theory": float(x[2])}),) if u > 0.0 else ()
    return (course,), mutants
