"""Cells that divide and die at rates that depend on time only.

The law of every step is computed beforehand in float64; a step in which rates change is
the composition of its parts, so the result is exact in law for any step and any packets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.packets import Packets
from abm.engine.program import Rates, Subjects
from abm.engine.transition import MAX_BIRTHS_PER_STEP, Law
from abm.models.theory.program import OneColumn, Settings, TheoryProgram, alike_packets, replicate_keys, save_days, theory_grid
from abm.parameters.theory import BirthDeath

Phases = Sequence[tuple[float, float, float]]


class ScheduleParams(NamedTuple):
    """Integrals of the rates over each step, float32 (steps, arms)."""

    law: Law
    division: Any
    arm_of_row: Any  # int32 (rows,)


@dataclasses.dataclass(frozen=True)
class Scheduled(OneColumn):
    """Identical cells with a known law for every step and arm."""

    def step(self, params: ScheduleParams, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""

        def of_row(values: jax.Array) -> jax.Array:
            return values[k][params.arm_of_row][:, None]

        division = of_row(params.division)
        return rows, packets.fast, Rates(law=jax.tree.map(of_row, params.law), division=division, lazy_death=jnp.zeros_like(division))


def expm1_over(x: np.ndarray) -> np.ndarray:
    """(exp(x) - 1) / x, 1 at 0; float64."""
    safe = np.where(x == 0.0, 1.0, x)
    return np.where(x == 0.0, 1.0, np.expm1(safe) / safe)


def step_laws(times: np.ndarray, phases: Phases) -> tuple[Law, np.ndarray]:
    """Law of each step and its integrated division rate, float64 (steps,), for phases (end, birth rate, death rate)."""
    zero = np.zeros(len(times) - 1)
    w, v, x, deaths, division = zero, zero, zero + 1.0, zero, zero
    start = 0.0
    for end, b, d in phases:
        h = np.maximum(np.minimum(times[1:], end) - np.maximum(times[:-1], start), 0.0)
        e = h * expm1_over((b - d) * h)
        grown = np.exp((b - d) * h)
        w, v, deaths = w * grown + b * e, v * grown + d * e, deaths + x * (d * e)
        x, division = x * grown, division + b * h
        start = end
    parts: list[Any] = [w, v, x, deaths]
    return Law(*parts), division


def schedule_params(times: np.ndarray, phases_of_arms: Sequence[Phases], subjects: int) -> tuple[ScheduleParams, ScheduleParams]:
    """Numbers of the model and the axis of each that runs over rows."""
    columns = [step_laws(times, phases) for phases in phases_of_arms]
    law, division = jax.tree.map(lambda *values: np.stack(values, axis=1).astype(np.float32), *columns)
    arm_of_row = np.repeat(np.arange(len(phases_of_arms), dtype=np.int32), subjects)
    params = ScheduleParams(law, division, arm_of_row)
    return params, jax.tree.map(lambda _: -1, params)._replace(arm_of_row=0)


def longest_window(birth_rate: float) -> float:
    """Days between two draws within which a founder's births stay within what the draw resolves."""
    return MAX_BIRTHS_PER_STEP / birth_rate if birth_rate > 0.0 else np.inf


def scheduled_program(name: str, n0: int, arms: Mapping[str, Phases], replicates: int, settings: Settings) -> TheoryProgram:
    """Program of identical cells; arms share the keys of their subjects."""
    first = next(iter(arms.values()))
    ends = [phase[0] for phases in arms.values() for phase in phases]
    days = save_days(first[-1][0], settings.interval_hours, ends)
    fastest = max(phase[1] for phases in arms.values() for phase in phases)
    grid, saved = theory_grid(settings, days, longest_window=longest_window(fastest))
    params, axes = schedule_params(grid.times, list(arms.values()), replicates)
    packets, resolution = alike_packets(n0, replicates * len(arms), settings.packets)
    return TheoryProgram(
        model=Scheduled(),
        resolution=resolution,
        params=params,
        param_axes=axes,
        packets=packets,
        row_state=(),
        keys=np.tile(replicate_keys(settings.seed, name, replicates), (len(arms), 1)),
        grid=grid,
        save_steps=saved,
        arms=tuple(arms),
        subjects=replicates,
        populations=("cells",),
    )


def birth_death(record: BirthDeath, settings: Settings) -> TheoryProgram:
    """Linear birth-death process with phases."""
    return scheduled_program("theory/birth_death", record.n0, {"theory": record.phases}, record.replicates, settings)
