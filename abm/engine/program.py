"""The program that advances all subjects: steps, draws, tallies.

A model fills it with biology.  In a step the model advances the fast state of the
packets and says how the law of births and deaths goes on; the packets only carry the
integrals.  In the middle and at the end of a window the program draws births and deaths,
exactly for hazards that changed in between, and books them; in the middle the model
also moves cells between columns and draws the mutants of the window.  Where packing is due the model renews traits and
packets are merged and split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from abm.engine.mutation import Mutations
from abm.engine.packets import Packets, sum_by_clone, total_count
from abm.engine.packing import PackingStats, repack
from abm.engine.transition import Law, binomial, end_of_line, hidden_pairs, no_time, offspring, poisson, probability, then
from abm.streams import STREAM_DIVISION_AND_DEATH, STREAM_HIDDEN, STREAM_LAZY_DEATH, STREAM_MERGE, STREAM_SPLIT, stacked_words, step_key, threefry

# Hidden pairs are summed as integers so that the sum is free of order; this is their grain.
_HIDDEN_GRAIN = 2.0**24

# Words of the packets for a few streams: two arrays (streams, rows, capacity).
Words = Callable[[tuple[int, ...]], tuple[jax.Array, jax.Array]]


class Subjects(NamedTuple):
    """Keys of the subject in each row, uint32 (rows,)."""

    key0: Any
    key1: Any


class Rates(NamedTuple):
    """What the model says of one step."""

    law: Law  # column 0, float32 (rows, capacity)
    division: jax.Array  # integrated division hazard of column 0, float32
    lazy_death: jax.Array  # integrated death hazard of the other columns, float32


class Tally(NamedTuple):
    """Cumulative numbers since the start, int64."""

    births: jax.Array  # (rows, clones), without mutants
    deaths: jax.Array  # (rows, clones, columns)
    moves: jax.Array  # (rows, clones, columns, columns), from -> to
    cells: jax.Array  # (rows, clones, columns), the count at the last tally
    gained: jax.Array  # (rows, clones), mutants, in column 0
    lost: jax.Array  # (rows, clones), mothers of two mutants, in column 0


class Stats(NamedTuple):
    """Numerical book-keeping, int64 of shape (rows,)."""

    packets: jax.Array
    peak_packets: jax.Array
    merges: jax.Array
    splits: jax.Array


class Carry(NamedTuple):
    """Everything that goes from one step to the next; a checkpoint is this and the step."""

    packets: Packets
    rows: Any  # the model's state of each row
    tally: Tally
    stats: Stats
    active: jax.Array  # (rows,) bool; rows that are finished stay as they are


class Model(Protocol):
    """Biology of a program.  Implementations are frozen and hashable; numbers come as `params`."""

    def __hash__(self) -> int: ...

    @property
    def n_columns(self) -> int: ...

    @property
    def n_clones(self) -> int: ...

    @property
    def phase(self) -> int: ...

    def step(self, params: Any, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """(row state, fast state of the packets, rates) of step k of length h days."""
        ...

    def window(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array) -> tuple[Any, Packets, list[list[jax.Array | None]]]:
        """(row state, packets, moves[from][to]) over a window of `days`; no moves is an empty list."""
        ...

    def mutate(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array, day: jax.Array) -> tuple[Any, Packets, Mutations | None]:
        """(row state, packets, mutants) of a window of `days` whose middle is `day`; None where nothing mutates."""
        ...

    def renew(self, params: Any, packets: Packets, words: Words) -> Packets:
        """Packets after heritable change, before packing; may use free places at the end of the arrays."""
        ...

    def coordinate(self, params: Any, packets: Packets) -> jax.Array:
        """float32 in which packets that are near may be merged."""
        ...


def empty_tally(packets: Packets, n_clones: int) -> Tally:
    """Tally at the start of a clock."""
    rows, columns = packets.clone.shape[0], len(packets.counts)
    cells = jnp.stack([sum_by_clone(c, packets.clone, n_clones) for c in packets.counts], axis=2).astype(jnp.int64)
    return Tally(
        births=jnp.zeros((rows, n_clones), jnp.int64),
        deaths=jnp.zeros((rows, n_clones, columns), jnp.int64),
        moves=jnp.zeros((rows, n_clones, columns, columns), jnp.int64),
        cells=cells,
        gained=jnp.zeros((rows, n_clones), jnp.int64),
        lost=jnp.zeros((rows, n_clones), jnp.int64),
    )


def start_carry(model: Model, packets: Packets, rows: Any) -> Carry:
    """Carry at step 0."""
    n = packets.clone.shape[0]
    in_use = jnp.sum(total_count(packets) > 0.0, axis=1).astype(jnp.int64)
    none = jnp.zeros(n, jnp.int64)
    return Carry(
        packets=packets,
        rows=rows,
        tally=empty_tally(packets, model.n_clones),
        stats=Stats(packets=in_use, peak_packets=in_use, merges=none, splits=none),
        active=jnp.ones(n, bool),
    )


def _column_key(model: Model, subjects: Subjects, k: jax.Array, stream: int) -> tuple[jax.Array, jax.Array]:
    key0, key1 = step_key(subjects.key0, subjects.key1, model.phase, k.astype(jnp.uint32), stream)
    return key0[:, None], key1[:, None]


def _packet_words(model: Model, subjects: Subjects, packets: Packets, k: jax.Array) -> Words:
    def words(streams: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        return stacked_words(subjects.key0, subjects.key1, model.phase, k.astype(jnp.uint32), streams, packets.uid_high, packets.uid_low)

    return words


def _step(model: Model, params: Any, subjects: Subjects, carry: Carry, k: jax.Array, h: jax.Array) -> Carry:
    packets = carry.packets
    rows, fast, rates = model.step(params, carry.rows, packets, subjects, k, h)
    packets = packets._replace(
        fast=fast,
        law=then(packets.law, rates.law),
        lazy_exposure=packets.lazy_exposure + rates.lazy_death,
        division_exposure=packets.division_exposure + rates.division,
    )
    return carry._replace(packets=packets, rows=rows)


def _draw(model: Model, subjects: Subjects, packets: Packets, k: jax.Array) -> tuple[Packets, jax.Array]:
    """Packets after the draw, and who died without trace, float64 (columns, rows, capacity)."""
    streams = (STREAM_DIVISION_AND_DEATH, *range(STREAM_LAZY_DEATH, STREAM_LAZY_DEATH + model.n_columns - 1))
    word0, word1 = _packet_words(model, subjects, packets, k)(streams)
    p, log_q = end_of_line(packets.law)
    if model.n_columns > 1:
        p_lazy, log_q_lazy = probability(packets.lazy_exposure)
        lazies = model.n_columns - 1
        p, log_q = jnp.stack([p] + [p_lazy] * lazies), jnp.stack([log_q] + [log_q_lazy] * lazies)
        # A loop over the columns, because XLA would copy the draw into each of its sums.
        lost = lax.map(lambda x: binomial(*x), (word0, jnp.stack(packets.counts), p, log_q))
    else:
        lost = binomial(word0[0], packets.counts[0], p, log_q)[None]
    founders = packets.counts[0] - lost[0]
    dividing = founders + offspring(word1[0], founders, packets.law)
    others = tuple(c - dead for c, dead in zip(packets.counts[1:], lost[1:], strict=True))
    return packets._replace(counts=(dividing, *others)), lost


def _hidden_pairs(model: Model, subjects: Subjects, packets: Packets, n: jax.Array, k: jax.Array) -> jax.Array:
    """Lines that were born and died between two draws, int64 (rows, clones), for `n` founders."""
    grains = jnp.floor(hidden_pairs(packets.law).astype(jnp.float64) * n * _HIDDEN_GRAIN + 0.5).astype(jnp.int64)
    mean = sum_by_clone(grains, packets.clone, model.n_clones).astype(jnp.float64) / _HIDDEN_GRAIN
    key0, key1 = _column_key(model, subjects, k, STREAM_HIDDEN)
    index = jnp.arange(model.n_clones, dtype=jnp.uint32)[None, :]
    bits, _ = threefry(key0, key1, index, jnp.zeros_like(index))
    return poisson(bits, mean).astype(jnp.int64)


def _booked(
    model: Model, tally: Tally, packets: Packets, clone: jax.Array, lost: jax.Array, hidden: jax.Array, moves: list[list[jax.Array | None]],
    mutations: Mutations | None,
) -> Tally:  # fmt: skip
    """Tally with one draw and the moves and mutations that followed it; `packets` are those after them, `clone` was theirs at the draw."""
    n_clones, n_columns = model.n_clones, model.n_columns

    def by_clone(x: jax.Array) -> jax.Array:
        return sum_by_clone(x, clone, n_clones).astype(jnp.int64)

    none = jnp.zeros_like(tally.births)
    flow = jnp.stack(
        [jnp.stack([none if moved is None else by_clone(moved) for moved in row], axis=2) for row in moves]
        if moves
        else [jnp.stack([none] * n_columns, axis=2)] * n_columns,
        axis=2,
    )
    net = jnp.sum(flow, axis=2) - jnp.sum(flow, axis=3)
    cells = jnp.stack([sum_by_clone(c, packets.clone, n_clones).astype(jnp.int64) for c in packets.counts], axis=2)
    dead = jnp.stack([by_clone(x) for x in lost], axis=2).at[:, :, 0].add(hidden)
    born = cells[:, :, 0] - net[:, :, 0] - tally.cells[:, :, 0] + dead[:, :, 0]
    booked = tally._replace(births=tally.births + born, deaths=tally.deaths + dead, moves=tally.moves + flow, cells=cells)
    if mutations is None:
        return booked
    return booked._replace(births=booked.births - mutations.gained + mutations.lost, gained=tally.gained + mutations.gained, lost=tally.lost + mutations.lost)


def run_steps(model: Model, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Advance from step boundary `start` to `stop` (int32 scalars) on the grid `times`, d."""

    def one(k: jax.Array, c: Carry) -> Carry:
        return _step(model, params, subjects, c, k, times[k + 1] - times[k])

    after: Carry = lax.fori_loop(start, stop, one, carry)
    return after


def draw_and_move(
    model: Model, window_days: float | None, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array
) -> Carry:
    """Draw and tally at the step boundary `stop`; for a window of `window_days`, if given, cells move between columns and mutate."""
    hidden = _hidden_pairs(model, subjects, carry.packets, carry.packets.counts[0], stop)
    packets, lost = _draw(model, subjects, carry.packets, stop)
    rows = carry.rows
    moves: list[list[jax.Array | None]] = []
    mutations = None
    if window_days is not None:
        words, days = _packet_words(model, subjects, packets, stop), jnp.float64(window_days)
        rows, packets, moves = model.window(params, rows, packets, words, days)
        rows, packets, mutations = model.mutate(params, rows, packets, words, days, times[stop])
    zero = jnp.zeros_like(packets.lazy_exposure)
    packets = packets._replace(law=no_time(zero), lazy_exposure=zero)
    return carry._replace(packets=packets, rows=rows, tally=_booked(model, carry.tally, packets, carry.packets.clone, lost, hidden, moves, mutations))


def pack(model: Model, resolution: int, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Heritable change, merges and splits at the step boundary `stop`."""
    merge_key = _column_key(model, subjects, stop, STREAM_MERGE)
    split_key = _column_key(model, subjects, stop, STREAM_SPLIT)
    packets = model.renew(params, carry.packets, _packet_words(model, subjects, carry.packets, stop))
    packets, packed = repack(packets, model.coordinate(params, packets), model.n_clones, resolution, merge_key, split_key)
    return carry._replace(packets=packets, stats=_add_stats(carry.stats, packed))


def _add_stats(stats: Stats, packed: PackingStats) -> Stats:
    in_use = packed.packets.astype(jnp.int64)
    return Stats(
        packets=in_use,
        peak_packets=jnp.maximum(stats.peak_packets, in_use),
        merges=stats.merges + packed.merges.astype(jnp.int64),
        splits=stats.splits + packed.splits.astype(jnp.int64),
    )


def keep_finished(before: Carry, after: Carry) -> Carry:
    """Rows that are not active keep their state."""

    def keep(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(before.active.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    kept: Carry = jax.tree.map(keep, before, after)
    return kept
