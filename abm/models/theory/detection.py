"""Growth from one sensitive cell until a number of sensitive cells is reached (`detection`).

Every row has a clock of its own: its windows are cut so short that the sensitive cells
neither jump over the number nor cross it unseen, a third of the way that is left at most,
and are ended where they reach it.  A row whose sensitive cells die out begins again with
new draws, so each row ends with the first attempt that succeeds: growth on condition that
the number is reached.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from abm.engine.clones import CloneTable, empty_table
from abm.engine.devices import leading_rows, over_rows, pad_rows, padded, place, row_mesh
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, Rule, mutate
from abm.engine.packets import Packets, sum_by_clone
from abm.engine.pieces import as_mapping, compiler_options
from abm.engine.program import Carry, Model, Rates, Subjects, Words, draw, move, start_carry, steps
from abm.engine.simulate import Grid
from abm.engine.transition import constant_law
from abm.models.theory.program import OneColumn, Settings, TheoryProgram, replicate_keys
from abm.models.theory.resistance import LAYOUT, MAX_EVENTS_PER_WINDOW, POPULATIONS, inherit_nothing, two_type_packets
from abm.parameters.theory import Detection
from abm.streams import PHASE_TRIAL
from abm.units import hours_to_days

# A window takes at most this share of the cells that are missing, in drift and in standard deviation.
LARGEST_APPROACH = 1.0 / 3.0
# Closer than this share of the number the way is not halved any further.
NEAR = 5e-4
# Windows between two looks at who is done.
WINDOWS_PER_LOOK = 64


class DetectionParams(NamedTuple):
    """Numbers of the model, float64 scalars unless said."""

    birth: Any  # 1/d, (2,), without mutation; sensitive and resistant
    death: Any  # 1/d, (2,)
    division: Any  # 1/d, of sensitive cells, all divisions
    longest: Any  # d, longest window
    wanted: Any  # sensitive cells at detection
    chances: Any  # (1, 2)


class DetectionRows(NamedTuple):
    """State of each row."""

    day: Any  # float64 (rows,), of this attempt
    window: Any  # float64 (rows,), d; 0 once the number is reached
    attempts: Any  # int64 (rows,)
    clones: CloneTable


def sensitive_cells(packets: Packets) -> jax.Array:
    """Sensitive cells of each row, float64."""
    return sum_by_clone(packets.counts[0], packets.clone, 2)[:, 0]


@dataclasses.dataclass(frozen=True)
class Growing(OneColumn):
    """Clone 0 is sensitive, clone 1 resistant; even steps are first halves of windows, odd ones second halves."""

    n_clones: int = LAYOUT.n_clones

    def window_length(self, params: DetectionParams, cells: jax.Array) -> jax.Array:
        """Length of the next window of rows with so many sensitive cells, d; 0 where they are enough."""
        left = LARGEST_APPROACH * jnp.maximum(params.wanted - cells, NEAR * params.wanted)
        events = jnp.maximum(cells * (params.division + params.death[0]), 1e-300)
        drift = jnp.maximum(cells * jnp.abs(params.birth[0] - params.death[0]), 1e-300)
        return jnp.where(cells < params.wanted, jnp.minimum(params.longest, jnp.minimum(left / drift, left * left / events)), 0.0)

    def step(self, params: DetectionParams, rows: DetectionRows, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`; the program's own step has no length."""
        window = jnp.where(k % 2 == 0, self.window_length(params, sensitive_cells(packets)), rows.window)
        half = (0.5 * window).astype(jnp.float32)[:, None]

        def of_packet(values: jax.Array) -> jax.Array:
            return jnp.where(packets.clone == 0, values[0], values[1]).astype(jnp.float32)

        birth = of_packet(params.birth)
        rates = Rates(law=constant_law(birth, of_packet(params.death), half), division=birth * half, lazy_death=jnp.zeros_like(birth))
        return rows._replace(day=rows.day + 0.5 * window, window=window), packets.fast, rates

    def mutate(
        self, params: DetectionParams, rows: DetectionRows, packets: Packets, words: Words, days: jax.Array, day: jax.Array
    ) -> tuple[Any, Packets, Mutations]:
        """See `abm.engine.program.Model`; the day is the row's own."""
        exposure = jnp.broadcast_to((params.division * rows.window)[:, None], packets.clone.shape)
        rule = Rule(LAYOUT, "one", True, inherit_nothing)
        packets, clones, mutations = mutate(rule, packets, rows.clones, exposure, params.chances, words, rows.day[:, None])
        return rows._replace(clones=clones), packets, mutations


def advance_windows(model: Model, windows: int, params: DetectionParams, subjects: Subjects, carry: Carry, begin: Carry, k: jax.Array) -> Carry:
    """Some windows from step `k` on; rows that died out stand at `begin` again."""
    times = jnp.zeros(2)

    def half(c: Carry, first: jax.Array) -> Carry:
        c = steps(model, params, subjects, c, times, first, first + 1)
        return draw(None, model.n_clones, params, subjects, c, times, first, first + 1)

    def window(i: jax.Array, c: Carry) -> Carry:
        first = k + 2 * i
        c = move(model, 1.0, params, subjects, half(c, first), times, first, first + 1)
        c = half(c, first + 1)
        died_out = sensitive_cells(c.packets) == 0.0
        again = begin._replace(rows=begin.rows._replace(attempts=c.rows.attempts + 1))
        chosen: Carry = jax.tree.map(lambda old, new: jnp.where(died_out.reshape((-1,) + (1,) * (new.ndim - 1)), new, old), c, again)
        return chosen

    after: Carry = lax.fori_loop(jnp.int32(0), jnp.int32(windows), window, carry)
    return after


@functools.cache
def _compiled(model: Model, mesh: Mesh, carry: Any, options: str) -> Callable[..., Carry]:
    """The program of some windows; kept, so that a second search of the same shapes compiles nothing.

    Args:
        carry: Structure of the state.
        options: As of `abm.engine.pieces.compiler_options`.
    """
    numbers, state = DetectionParams(*([-1] * len(DetectionParams._fields))), jax.tree.unflatten(carry, [0] * carry.num_leaves)
    some = functools.partial(advance_windows, model, WINDOWS_PER_LOOK)
    given = as_mapping(options) or None
    return jax.jit(over_rows(some, mesh, (numbers, Subjects(0, 0, 0), state, state, -1), state), donate_argnums=(2,), compiler_options=given)


class Search:
    """Rows on the devices until each has succeeded; stands in for `abm.engine.simulate.Simulation`."""

    def __init__(self, program: TheoryProgram, devices: int | None) -> None:
        self.rows = program.keys.shape[0]
        self.mesh: Mesh = row_mesh(self.rows, devices)
        rows = padded(self.rows, self.mesh)
        subjects = Subjects(np.ascontiguousarray(program.keys[:, 0]), np.ascontiguousarray(program.keys[:, 1]), np.full(self.rows, PHASE_TRIAL))
        carry = start_carry(program.model, program.packets, program.row_state)
        axes = (program.param_axes, leading_rows(subjects), leading_rows(carry))
        self._params = place(program.params, program.param_axes, self.mesh)
        self._subjects = place(pad_rows(subjects, axes[1], rows), axes[1], self.mesh)
        self._carry, self._begin = (place(pad_rows(carry, axes[2], rows), axes[2], self.mesh) for _ in range(2))
        self._step = 0
        self._advance = _compiled(program.model, self.mesh, jax.tree.structure(carry), compiler_options())

    def advance(self) -> float:
        """Go on for a while; returns the share of rows that are done."""
        self._carry = self._advance(self._params, self._subjects, self._carry, self._begin, jnp.int32(self._step))
        self._step += 2 * WINDOWS_PER_LOOK
        reached = np.asarray(sensitive_cells(self._carry.packets) >= self._params.wanted)[: self.rows]
        return float(reached.mean())

    def observe(self, function: Callable[[Any, Carry], Any]) -> Any:
        """Evaluate `function(params, carry)`; returns NumPy arrays."""
        return jax.tree.map(np.asarray, function(self._params, self.carry()))

    def carry(self) -> Carry:
        """The state as NumPy arrays, without padding."""
        host: Carry = jax.tree.map(lambda x: np.asarray(x)[: self.rows], jax.device_get(self._carry))
        return host


def detection(record: Detection, settings: Settings) -> TheoryProgram:
    """Resistant cells when a number of sensitive cells is reached."""
    fastest = max(record.b + record.d, record.b_mutant + record.d_mutant)
    longest = min(hours_to_days(settings.dt_hours), MAX_EVENTS_PER_WINDOW / fastest if fastest > 0.0 else np.inf)
    numbers = (
        [record.b * unmutated(record.u, "one"), record.b_mutant],
        [record.d, record.d_mutant],
        record.b,
        longest,
        float(record.n_detect),
        LAYOUT.chances([record.u]),
    )
    params = DetectionParams(*(np.asarray(x, np.float64) for x in numbers))
    n = record.replicates
    nothing = np.zeros(n)
    return TheoryProgram(
        model=Growing(),
        resolution=2,
        params=params,
        param_axes=jax.tree.map(lambda _: -1, params),
        packets=two_type_packets(1, 0, n, 2),
        row_state=DetectionRows(nothing, nothing, np.ones(n, np.int64), empty_table(LAYOUT, n)),
        keys=replicate_keys(settings.seed, "theory/detection", n),
        grid=Grid(times=np.zeros(1), drawn=np.zeros(1, bool), pack=np.zeros(1, bool)),
        save_steps=(0,),
        arms=("theory",),
        subjects=n,
        populations=POPULATIONS,
        mutates=True,
        search=Search,
    )
