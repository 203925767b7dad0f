"""Sensitive cells that mutate at division to resistant ones (`resistance`, `luria_delbruck`).

Both kinds divide and die at rates that depend on time only; their laws of every step are
computed beforehand.  Windows of mutation (`abm.engine.emission`) are cut so short that few
events of a cell fall into one, and never straddle a phase: the law of the sensitive cells
is exact at any step, that of the resistant ones to 1e-4 in a probability.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.clones import CloneLayout, CloneTable, empty_table
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, Rule, mutate
from abm.engine.packets import Packets, new_packets
from abm.engine.program import Rates, Subjects, Words
from abm.engine.simulate import Grid
from abm.engine.transition import MAX_BIRTHS_PER_STEP, Law
from abm.models.theory.birth_death import step_laws
from abm.models.theory.program import OneColumn, Settings, TheoryProgram, replicate_keys, save_days
from abm.parameters.theory import LuriaDelbruck, Resistance
from abm.units import hours_to_days

POPULATIONS = ("sensitive", "resistant")
LAYOUT = CloneLayout(founders=1, mechanisms=1)
# Most births and deaths expected of a cell within one window.
MAX_EVENTS_PER_WINDOW = 0.15
_SAME_DAY = 1e-9

TwoTypePhases = Sequence[tuple[float, float, float, float, float]]


class TwoTypeParams(NamedTuple):
    """Numbers of the model on its grid."""

    law: Law  # float32 (steps, 2), of sensitive and resistant cells
    division: Any  # float32 (steps, 2)
    exposure: Any  # float64 (steps,), division hazard of sensitive cells over the window whose middle ends the step
    chances: Any  # float64 (1, 2), probability of mutation of sensitive and resistant cells


class TwoTypeRows(NamedTuple):
    """State of each row."""

    exposure: Any  # float64 (rows,), of the window that is in its middle
    clones: CloneTable


def inherit_nothing(traits: Any, fast: Any, mechanism: np.ndarray) -> tuple[Any, Any]:
    """Cells without traits."""
    return traits, fast


@dataclasses.dataclass(frozen=True)
class TwoTypes(OneColumn):
    """Clone 0 is sensitive, clone 1 resistant."""

    n_clones: int = LAYOUT.n_clones
    mutation: str = "one"

    @property
    def rule(self) -> Rule:
        """Mutation of this model."""
        return Rule(LAYOUT, self.mutation, True, inherit_nothing)

    def step(self, params: TwoTypeParams, rows: TwoTypeRows, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""

        def of_packet(values: jax.Array) -> jax.Array:
            return jnp.where(packets.clone == 0, values[k, 0], values[k, 1])

        division = of_packet(params.division)
        rows = rows._replace(exposure=jnp.zeros_like(rows.exposure) + params.exposure[k])
        return rows, packets.fast, Rates(law=jax.tree.map(of_packet, params.law), division=division, lazy_death=jnp.zeros_like(division))

    def mutate(
        self, params: TwoTypeParams, rows: TwoTypeRows, packets: Packets, words: Words, days: jax.Array, day: jax.Array
    ) -> tuple[Any, Packets, Mutations]:
        """See `abm.engine.program.Model`."""
        exposure = jnp.broadcast_to(rows.exposure[:, None], packets.clone.shape)
        packets, clones, mutations = mutate(self.rule, packets, rows.clones, exposure, params.chances, words, day)
        return rows._replace(clones=clones), packets, mutations


def window_grid(settings: Settings, days: np.ndarray, phases: TwoTypePhases, mutating: bool) -> tuple[Grid, tuple[int, ...]]:
    """Steps from the middle of each window to that of the next, with stops at `days`, and the step boundaries of these days.

    Packets are never merged or split: mutants join a packet of their kind, whose cells are all alike.

    Args:
        days: Days to record, rising, among them the ends of all phases.
        mutating: Whether there are windows of mutation at all; without, draws need only be close enough to be exact.
    """
    dt = hours_to_days(settings.dt_hours)
    ends = np.array([phase[0] for phase in phases])
    times, moves, draws = [0.0], [False], [False]
    for start, stop in itertools.pairwise(days):
        _, b_s, d_s, b_r, d_r = phases[min(int(np.searchsorted(ends, 0.5 * (start + stop))), len(phases) - 1)]
        fastest, most = (max(b_s + d_s, b_r + d_r), MAX_EVENTS_PER_WINDOW) if mutating else (max(b_s, b_r), MAX_BIRTHS_PER_STEP)
        windows = max(1, int(np.ceil((stop - start) * max(1.0 / dt, fastest / most) - _SAME_DAY)))
        middles = start + (np.arange(windows) + 0.5) * ((stop - start) / windows) if mutating else np.linspace(start, stop, windows + 1)[1:-1]
        times += [*middles, stop]
        moves += [mutating] * len(middles) + [False]
        draws += [True] * (len(middles) + 1)
    grid = Grid(times=np.array(times), drawn=np.array(draws), pack=np.zeros(len(times), bool), moves=np.array(moves))
    return grid, tuple(int(np.argmin(np.abs(grid.times - day))) for day in days)


def two_type_params(grid: Grid, phases: TwoTypePhases, u: float, mutation: str) -> TwoTypeParams:
    """Numbers of the model on a grid of `window_grid`."""
    left = unmutated(u, mutation)
    laws = [step_laws(grid.times, [(end, left * b_s, d_s) for end, b_s, d_s, _, _ in phases]), step_laws(grid.times, [(p[0], *p[3:]) for p in phases])]
    law, division = jax.tree.map(lambda *values: np.stack(values, axis=1).astype(np.float32), *laws)
    return TwoTypeParams(law, division, window_exposure(grid, phases), LAYOUT.chances([u]))


def window_exposure(grid: Grid, phases: TwoTypePhases) -> np.ndarray:
    """Division hazard of sensitive cells over the window whose middle ends each step, float64 (steps,), 0 where none does."""
    moves = np.zeros(grid.steps + 1, bool) if grid.moves is None else grid.moves
    ends = np.array([phase[0] for phase in phases])
    birth = np.array([phase[1] for phase in phases])
    middle = np.flatnonzero(moves)
    exposure = np.zeros(grid.steps)
    # The step before the first middle after a stop is half a window, the others are whole ones.
    length = np.diff(grid.times)[middle - 1] * np.where(moves[middle - 1], 1.0, 2.0)
    exposure[middle - 1] = birth[np.minimum(np.searchsorted(ends, grid.times[middle]), len(ends) - 1)] * length
    return exposure


def two_type_packets(s0: int, r0: int, rows: int, resolution: int) -> Packets:
    """Packets of sensitive and resistant cells, dealt evenly."""
    parts = (min(s0, resolution - min(r0, resolution // 2)), min(r0, max(resolution // 2, resolution - s0)))
    dealt = [np.diff(np.arange(n + 1) * cells // max(n, 1)).astype(np.float64) for cells, n in zip((s0, r0), parts, strict=True)]
    clone = np.repeat(np.arange(2, dtype=np.int32), parts)
    return new_packets([np.tile(np.concatenate(dealt), (rows, 1))], np.tile(clone, (rows, 1)), (), (), two_type_capacity(resolution))


def two_type_capacity(resolution: int) -> int:
    """Places for packets, even, with a few for the first mutants of a window."""
    return resolution + resolution % 2 + 4


def two_types(
    name: str, s0: int, r0: int, u: float, mutation: str, phases: TwoTypePhases, replicates: int, settings: Settings
) -> TheoryProgram:  # fmt: skip
    """Program of sensitive and resistant cells."""
    days = save_days(phases[-1][0], settings.interval_hours, [phase[0] for phase in phases])
    grid, saved = window_grid(settings, days, phases, mutating=u > 0.0 and s0 > 0)
    params = two_type_params(grid, phases, u, mutation)
    resolution = max(2, min(s0 + r0, settings.packets)) if u == 0.0 else max(2, settings.packets)
    table = empty_table(LAYOUT, replicates)
    if r0 > 0:
        table.origins[:, 1] = 1
    return TheoryProgram(
        model=TwoTypes(mutation=mutation),
        resolution=resolution,
        params=params,
        param_axes=jax.tree.map(lambda _: -1, params),
        packets=two_type_packets(s0, r0, replicates, resolution),
        row_state=TwoTypeRows(np.zeros(replicates), table),
        keys=replicate_keys(settings.seed, name, replicates),
        grid=grid,
        save_steps=saved,
        arms=("theory",),
        subjects=replicates,
        populations=POPULATIONS,
        mutates=True,
    )


def resistance(record: Resistance, settings: Settings) -> TheoryProgram:
    """Mutation at division under a course of treatment."""
    return two_types("theory/resistance", record.s0, record.r0, record.u, record.mutation, record.phases, record.replicates, settings)


def luria_delbruck(record: LuriaDelbruck, settings: Settings) -> TheoryProgram:
    """Mutants of growing cultures; mutants die at the same rate."""
    phases = [(record.t_end, record.b, record.d, record.b_mutant, record.d)]
    return two_types("theory/luria_delbruck", record.n0, 0, record.u, "one", phases, record.replicates, settings)
