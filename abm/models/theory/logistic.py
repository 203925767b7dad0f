"""Cells whose births or deaths depend on how many they are.

Hazards are held over a step, at the number of cells expected in its middle, and every step
ends with a draw.  Within a step chance does not feed back, which costs a bias in proportion
to the events of a cell in a step and to 1/K; steps are cut until it is below 0.5 % of the
mean (the exact chain of these steps against the master equation: tests/theory/test_logistic.py).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.packets import Packets
from abm.engine.program import Rates, Subjects
from abm.engine.transition import constant_law
from abm.models.theory.program import OneColumn, Settings, TheoryProgram, alike_packets, replicate_keys, save_days, theory_grid
from abm.parameters.theory import Logistic

# Most births and deaths expected of a cell within one step; fewer below a capacity of SMALL_CAPACITY.
MAX_EVENTS_PER_STEP = 0.05
SMALL_CAPACITY = 16.0


class LogisticParams(NamedTuple):
    """Numbers of the model, float64 scalars."""

    birth: Any  # 1/d
    death: Any  # 1/d
    capacity: Any  # cells


@dataclasses.dataclass(frozen=True)
class Crowded(OneColumn):
    """Identical cells under a carrying capacity."""

    form: str = "birth"  # what crowding changes: birth | death

    def hazards(self, params: LogisticParams, cells: Any) -> tuple[Any, Any]:
        """(birth rate, death rate) of a cell among `cells`, 1/d, float64 of the shape of `cells`."""
        filled = cells / params.capacity
        if self.form == "birth":
            return params.birth * jnp.maximum(1.0 - filled, 0.0), params.death + 0.0 * filled
        return params.birth + 0.0 * filled, jnp.maximum(params.death + (params.birth - params.death) * filled, 0.0)

    def step(self, params: LogisticParams, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""
        cells = jnp.sum(packets.counts[0], axis=1, keepdims=True)
        birth, death = self.hazards(params, cells)
        middle = cells * jnp.exp(0.5 * h * (birth - death))
        birth, death = (x.astype(jnp.float32) for x in self.hazards(params, middle))
        h32 = h.astype(jnp.float32)
        return rows, packets.fast, Rates(law=constant_law(birth, death, h32), division=birth * h32, lazy_death=jnp.zeros_like(birth))


def longest_step(record: Logistic) -> float:
    """Days within which a cell meets few births and deaths, at the start and at capacity."""
    fullest = max(record.n0 / record.capacity, 1.0) if record.form == "death" else 0.0
    fastest = record.b + max(record.d, record.d + (record.b - record.d) * fullest)
    events = MAX_EVENTS_PER_STEP * min(max(record.capacity, 1.0) / SMALL_CAPACITY, 1.0)
    return events / fastest if fastest > 0.0 else np.inf


def logistic(record: Logistic, settings: Settings) -> TheoryProgram:
    """Birth-death process with a carrying capacity."""
    grid, saved = theory_grid(settings, save_days(record.t_end, settings.interval_hours), longest_step=longest_step(record), every_step=True)
    packets, resolution = alike_packets(record.n0, record.replicates, settings.packets)
    return TheoryProgram(
        model=Crowded(form=record.form),
        resolution=resolution,
        params=LogisticParams(*(np.float64(x) for x in (record.b, record.d, record.capacity))),
        param_axes=LogisticParams(-1, -1, -1),
        packets=packets,
        row_state=(),
        keys=replicate_keys(settings.seed, "theory/logistic", record.replicates),
        grid=grid,
        save_steps=saved,
        arms=("theory",),
        subjects=record.replicates,
        populations=("cells",),
    )
