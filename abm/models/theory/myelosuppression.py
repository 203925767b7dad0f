"""Friberg's model of blood under a cytotoxic drug, as equations and cell by cell.

    ktr = 4 / MTT,  E = slope C
    Prol' = ktr Prol [(1 - E) (circ0 / Circ)^gamma - 1]
    T1' = ktr (Prol - T1),  T2' = ktr (T1 - T2),  T3' = ktr (T2 - T3),  Circ' = ktr (T3 - Circ)

(Friberg et al. 2002, doi:10.1200/JCO.2002.02.140.)  With cells, a proliferating one divides at
ktr (circ0 / Circ)^gamma, is killed at E times that rate, and every cell moves on at ktr, from the
blood to its death.  A step is half of the moves, births and deaths of the whole step, half of the
moves.  Both parts have their exact law: the stages passed are Poisson, births and deaths follow
`abm.engine.transition` with the average effect of the drug over the step, and between the
halves blood does not change, so that the feedback is that of the middle of the step.  What is
left is the error of the split, of second order in the step (Strang 1968, doi:10.1137/0705041).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.special import gammainc

from abm.engine.packets import Packets, new_packets
from abm.engine.program import Carry, Rates, Subjects
from abm.engine.transition import binomial, constant_law, end_of_line, hidden_pairs, no_time, offspring, poisson
from abm.models.theory.friberg import POPULATIONS, STAGES, solve, transit_rate_per_h
from abm.models.theory.pharmacokinetics import concentration, exposure_plan
from abm.models.theory.program import SMALLEST_CAPACITY, OneColumn, Settings, TheoryProgram, TheorySolution, replicate_keys, save_days, theory_grid
from abm.parameters.theory import Myelosuppression
from abm.pharmacology.exposure import ROW_AXIS, ExposurePlan, advance_exposure
from abm.streams import STREAM_HEALTHY, stacked_words
from abm.units import HOURS_PER_DAY

BLOOD = STAGES - 1
# Bounds of a step: stages passed by a cell, births and kills of a proliferating cell.
MAX_STAGES_PER_STEP = 0.15
MAX_BIRTHS = 0.25
MAX_KILLS = 1.5


# An interval longer than any run: only the times asked for are recorded.
NO_OTHER_TIMES = 1e12


class FribergParams(NamedTuple):
    """Numbers of the model."""

    plan: Any  # ExposurePlan
    track_of_row: Any  # int32 (rows,)
    passing: Any  # float32 (steps, stages), chance to pass a j-th stage of those who passed j - 1, in half a step
    log_staying: Any  # float32 (steps, stages), log(1 - passing)
    transit: Any  # ktr, 1/d
    at_rest: Any  # cells of each stage
    gamma: Any
    slope: Any  # L/amount


class FribergState(NamedTuple):
    """State of each row, float64 whole numbers (rows, stages) but for the drug."""

    amounts: Any  # (rows, 1, 3)
    gate: Any  # (rows, 1)
    cells: Any
    births: Any
    deaths: Any
    moved_on: Any  # cells that left each stage for the next, from the last one to death


@dataclasses.dataclass(frozen=True)
class Friberg(OneColumn):
    """Five stages of cells in the state of the row; there are no packets."""

    def step(self, params: FribergParams, rows: FribergState, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""
        exposure = advance_exposure(rows.amounts, params.plan, k, params.track_of_row, rows.gate)
        moving, branching = _words(subjects, k)
        pass_on = params.passing[k], params.log_staying[k]
        rows = _move_on(rows, moving[0], *pass_on)
        rows = _divide_and_die(rows, branching, params, params.slope * exposure.mean_nm[:, 0], h)
        rows = _move_on(rows, moving[1], *pass_on)
        nothing = no_time(packets.division_exposure)
        return rows._replace(amounts=exposure.state), packets.fast, Rates(law=nothing, division=nothing.w, lazy_death=nothing.w)


def _words(subjects: Subjects, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Words of the two moves, uint32 (2, stages, rows, stages), and of births and deaths, (3, rows)."""
    place = jnp.arange(STAGES * STAGES + 3, dtype=jnp.uint32)[None, :]
    words, _ = stacked_words(*subjects, k.astype(jnp.uint32), (STREAM_HEALTHY, STREAM_HEALTHY + 1), place, jnp.zeros_like(place))
    moves = words[:, :, : STAGES * STAGES].reshape(2, -1, STAGES, STAGES)
    return jnp.moveaxis(moves, 1, 2), jnp.moveaxis(words[0, :, STAGES * STAGES :], 1, 0)


def _move_on(rows: FribergState, words: jax.Array, passing: jax.Array, log_staying: jax.Array) -> FribergState:
    """Cells move on at one rate, so the number of stages that a cell passes is Poisson."""

    def pass_one_more(cells: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        word, p, log_q = at
        passed = binomial(word, cells, jnp.broadcast_to(p, cells.shape), jnp.broadcast_to(log_q, cells.shape))
        return passed, passed

    _, passed = lax.scan(pass_one_more, rows.cells, (words, passing, log_staying))  # [j]: cells of each stage that pass j + 1 stages or more
    across = jnp.stack([sum((passed[s - i, :, i] for i in range(s + 1)), start=jnp.zeros_like(rows.cells[:, 0])) for s in range(STAGES)], axis=1)
    arrived = jnp.concatenate([jnp.zeros_like(across[:, :1]), across[:, :-1]], axis=1)
    left = jnp.concatenate([jnp.zeros_like(across[:, :-1]), across[:, -1:]], axis=1)
    return rows._replace(cells=rows.cells + arrived - across, moved_on=rows.moved_on + across, deaths=rows.deaths + left)


def _divide_and_die(rows: FribergState, words: jax.Array, params: FribergParams, effect: jax.Array, h: jax.Array) -> FribergState:
    """Births and deaths of proliferating cells.  Less than one cell in the blood feeds back as one."""
    n = rows.cells[:, 0]
    birth = params.transit * jnp.power(params.at_rest / jnp.maximum(rows.cells[:, BLOOD], 1.0), params.gamma)
    law = constant_law(birth.astype(jnp.float32), (birth * effect).astype(jnp.float32), h.astype(jnp.float32))
    ended = binomial(words[0], n, *end_of_line(law))
    more = offspring(words[1], n - ended, law)
    hidden = poisson(words[2], hidden_pairs(law).astype(jnp.float64) * n)

    def first(x: jax.Array) -> jax.Array:
        return jnp.pad(x[:, None], ((0, 0), (0, STAGES - 1)))

    return rows._replace(cells=rows.cells + first(more - ended), births=rows.births + first(more + hidden), deaths=rows.deaths + first(ended + hidden))


def stage_tally(params: FribergParams, carry: Carry) -> dict[str, jax.Array]:
    """Cells and cumulative numbers of each stage, int64 (rows, stages)."""
    rows: FribergState = carry.rows
    gained = jnp.concatenate([jnp.zeros_like(rows.moved_on[:, :1]), rows.moved_on[:, :-1]], axis=1)
    lost = jnp.concatenate([rows.moved_on[:, :-1], jnp.zeros_like(rows.moved_on[:, :1])], axis=1)
    values = {"count": rows.cells, "births": rows.births, "deaths": rows.deaths, "gained": gained, "lost": lost}
    return {name: value.astype(jnp.int64) for name, value in values.items()}


def chances_of_passing(exposure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(chance to pass a j-th stage of those who passed j - 1, its complement's logarithm), (steps, stages), for Poisson numbers of mean `exposure`."""
    stage = np.arange(1, STAGES + 1)
    at_least = np.concatenate([np.ones((len(exposure), 1)), gammainc(stage, exposure[:, None])], axis=1)
    ratio = np.divide(at_least[:, 1:], at_least[:, :-1], out=np.zeros((len(exposure), STAGES)), where=at_least[:, :-1] > 0.0)
    return ratio.astype(np.float32), np.log1p(-ratio).astype(np.float32)


def longest_step(record: Myelosuppression, fewest: float, highest: float) -> float:
    """Days within which few things happen to a cell.

    Args:
        fewest: Lowest blood count of the equations, in units of circ0.
        highest: Highest concentration, amount/L.
    """
    rate = transit_rate_per_h(record) * HOURS_PER_DAY
    feedback = max(record.circ0 / max(fewest, 1.0 / record.scale), 1.0) ** record.gamma
    return min(MAX_STAGES_PER_STEP, MAX_BIRTHS / feedback, MAX_KILLS / (feedback * max(record.slope * highest, 1e-9))) / rate


def myelosuppression(record: Myelosuppression, settings: Settings) -> TheoryProgram | TheorySolution:
    """Equations, or cells in independent subjects, at the times asked for."""
    days = save_days(
        max(record.times_h) / HOURS_PER_DAY or settings.dt_hours / HOURS_PER_DAY, NO_OTHER_TIMES, [time / HOURS_PER_DAY for time in record.times_h]
    )
    curves = solve(record, days * HOURS_PER_DAY)
    if record.mode == "ode":
        return TheorySolution(days, POPULATIONS, curves.levels, curves.concentration, record.replicates)
    step = longest_step(record, float(curves.fewest), float(curves.highest))
    grid, saved = theory_grid(settings, days, longest_step=step, pack=False)
    at_rest = float(np.rint(record.circ0 * record.scale))
    track_of_row = np.zeros(record.replicates, np.int32)
    plan = exposure_plan(record, track_of_row, grid.times)
    passing, log_staying = chances_of_passing(0.5 * transit_rate_per_h(record) * HOURS_PER_DAY * np.diff(grid.times))
    none = np.zeros((record.replicates, SMALLEST_CAPACITY))
    zero = jnp.zeros((record.replicates, STAGES))
    axes: dict[str, Any] = {name: -1 if axis is None else axis for name, axis in ROW_AXIS.items()}
    return TheoryProgram(
        model=Friberg(),
        resolution=SMALLEST_CAPACITY,
        params=FribergParams(
            plan,
            track_of_row,
            passing,
            log_staying,
            *(np.float64(x) for x in (transit_rate_per_h(record) * HOURS_PER_DAY, at_rest, record.gamma, record.slope)),
        ),
        param_axes=FribergParams(ExposurePlan(**axes), 0, -1, -1, -1, -1, -1, -1),
        packets=new_packets([none], none.astype(np.int32), (), (), SMALLEST_CAPACITY),
        row_state=FribergState(jnp.asarray(plan.initial_state), jnp.ones((record.replicates, 1)), zero + at_rest, zero, zero, zero),
        keys=replicate_keys(settings.seed, "theory/myelosuppression", record.replicates),
        grid=grid,
        save_steps=saved,
        arms=("theory",),
        subjects=record.replicates,
        populations=POPULATIONS,
        concentration=concentration,
        tally=stage_tally,
        cells_per_unit=record.scale,
    )
