"""The program that advances all subjects: steps, windows, tallies.

A model fills it with biology through four functions.  The program owns the law of births
and deaths, the random words, the lazy columns, the tallies and the packing.

Order of a step: model rates -> draw of column 0 -> accumulators.
Order at the end of a window: lazy deaths -> tally -> moves between columns; where packing
is due, then heritable change -> merges -> splits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.packets import Packets, sum_by_clone, total_count
from abm.engine.packing import PackingStats, repack
from abm.engine.transition import Law, draw, poisson, thin
from abm.streams import STREAM_DIVISION_AND_DEATH, STREAM_HIDDEN, STREAM_LAZY_DEATH, STREAM_MERGE, STREAM_SPLIT, stacked_words, step_key, threefry

# Hidden pairs are summed as integers so that the sum is free of order; this is their grain.
_HIDDEN_GRAIN = 2.0**24

# Words of the packets for a few streams: two arrays (streams, rows, capacity).
Words = Callable[[tuple[int, ...]], tuple[jax.Array, jax.Array]]


class Subjects(NamedTuple):
    """Keys of the subject in each row, uint32 (rows,)."""

    key0: jax.Array
    key1: jax.Array


class Rates(NamedTuple):
    """What the model says of one step."""

    law: Law  # column 0, float32 (rows, capacity)
    lazy_death: tuple[jax.Array, ...]  # integrated death hazard of the other columns, float32


class Tally(NamedTuple):
    """Cumulative numbers since the start, int64."""

    births: jax.Array  # (rows, clones)
    deaths: jax.Array  # (rows, clones, columns)
    moves: jax.Array  # (rows, clones, columns, columns), from -> to
    cells: jax.Array  # (rows, clones, columns), the count at the last tally


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


class Segments(NamedTuple):
    """Consecutive pieces of the step grid, host arrays of a fixed length."""

    start: np.ndarray  # int32, first step
    stop: np.ndarray  # int32, one past the last step
    window: np.ndarray  # bool, a window ends here
    pack: np.ndarray  # bool, packing is due here


class Model(Protocol):
    """Biology of a program.  Implementations are frozen and hashable; numbers come as `params`."""

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
        """(row state, packets, moves[from][to]) at the end of a window of `days`."""
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
    key = _column_key(model, subjects, k, STREAM_DIVISION_AND_DEATH)
    bits0, bits1 = threefry(*key, packets.uid_high, packets.uid_low)
    n = packets.counts[0]
    outcome = draw(bits0, bits1, n, rates.law)
    packets = packets._replace(
        counts=(outcome.count, *packets.counts[1:]),
        fast=fast,
        deaths=packets.deaths + outcome.lost_founders,
        hidden=packets.hidden + outcome.hidden * n.astype(jnp.float32),
        division_exposure=packets.division_exposure + rates.law.births,
        lazy_exposure=tuple(e + x for e, x in zip(packets.lazy_exposure, rates.lazy_death, strict=True)),
    )
    return carry._replace(packets=packets, rows=rows)


def _hidden_pairs(model: Model, subjects: Subjects, packets: Packets, k: jax.Array) -> jax.Array:
    """Lines that were born and died between two steps of the grid, int64 (rows, clones)."""
    grains = jnp.floor(packets.hidden.astype(jnp.float64) * _HIDDEN_GRAIN + 0.5).astype(jnp.int64)
    clones = [jnp.sum(jnp.where(packets.clone == np.int32(c), grains, 0), axis=1) for c in range(model.n_clones)]
    mean = jnp.stack(clones, axis=1).astype(jnp.float64) / _HIDDEN_GRAIN
    key0, key1 = _column_key(model, subjects, k, STREAM_HIDDEN)
    index = jnp.arange(model.n_clones, dtype=jnp.uint32)[None, :]
    bits, _ = threefry(key0, key1, index, jnp.zeros_like(index))
    return poisson(bits, mean).astype(jnp.int64)


def _lazy_deaths(model: Model, subjects: Subjects, packets: Packets, k: jax.Array) -> tuple[Packets, list[jax.Array]]:
    """Draw the deaths of the lazy columns since the last window."""
    word0, _ = _packet_words(model, subjects, packets, k)((*range(STREAM_LAZY_DEATH, STREAM_LAZY_DEATH + model.n_columns - 1),))
    alive = jnp.stack(packets.counts[1:])
    # A loop over the columns, because XLA would copy the draw into each of its sums.
    dead = lax.map(lambda x: thin(*x), (word0, alive, jnp.stack(packets.lazy_exposure)))
    alive = alive - dead
    return packets._replace(counts=(packets.counts[0], *alive)), list(dead)


def _add_tally(model: Model, tally: Tally, packets: Packets, lazy_dead: list[jax.Array], hidden: jax.Array) -> Tally:
    """Book what happened since the last tally, before any move between columns."""
    n_clones, clone = model.n_clones, packets.clone

    def by_clone(x: jax.Array) -> jax.Array:
        return sum_by_clone(x, clone, n_clones).astype(jnp.int64)

    cells = jnp.stack([by_clone(c) for c in packets.counts], axis=2)
    lost_founders = by_clone(packets.deaths)
    dead = jnp.stack([lost_founders + hidden, *(by_clone(d) for d in lazy_dead)], axis=2)
    born = cells[:, :, 0] - tally.cells[:, :, 0] + lost_founders + hidden
    return tally._replace(births=tally.births + born, deaths=tally.deaths + dead, cells=cells)


def _add_moves(model: Model, tally: Tally, packets: Packets, moves: list[list[jax.Array | None]]) -> Tally:
    """Book moves between columns."""
    rows, n_clones, n_columns = tally.cells.shape
    flow = jnp.zeros((rows, n_clones, n_columns, n_columns), jnp.int64)
    for i, row in enumerate(moves):
        for j, moved in enumerate(row):
            if moved is not None:
                flow = flow.at[:, :, i, j].set(sum_by_clone(moved, packets.clone, n_clones).astype(jnp.int64))
    net = jnp.sum(flow, axis=2) - jnp.sum(flow, axis=3)
    return tally._replace(moves=tally.moves + flow, cells=tally.cells + net)


def _emptied(packets: Packets, window: bool) -> Packets:
    """Packets with the accumulators of the tally (and of the window) set to zero."""
    zero = jnp.zeros_like(packets.hidden)
    packets = packets._replace(deaths=jnp.zeros_like(packets.deaths), hidden=zero)
    if not window:
        return packets
    return packets._replace(lazy_exposure=tuple(zero for _ in packets.lazy_exposure))


def _end_of_segment(model: Model, params: Any, subjects: Subjects, carry: Carry, k: jax.Array) -> Carry:
    """Tally without a window: for readouts between two windows."""
    hidden = _hidden_pairs(model, subjects, carry.packets, k)
    nothing = [jnp.zeros_like(c) for c in carry.packets.counts[1:]]
    tally = _add_tally(model, carry.tally, carry.packets, nothing, hidden)
    return carry._replace(packets=_emptied(carry.packets, window=False), tally=tally)


def _end_of_window(model: Model, params: Any, subjects: Subjects, carry: Carry, k: jax.Array, days: jax.Array) -> Carry:
    packets, lazy_dead = _lazy_deaths(model, subjects, carry.packets, k) if model.n_columns > 1 else (carry.packets, [])
    tally = _add_tally(model, carry.tally, packets, lazy_dead, _hidden_pairs(model, subjects, packets, k))

    rows, packets, moves = model.window(params, carry.rows, packets, _packet_words(model, subjects, packets, k), days)
    tally = _add_moves(model, tally, packets, moves)
    return carry._replace(packets=_emptied(packets, window=True), rows=rows, tally=tally)


def _pack(model: Model, resolution: int, params: Any, subjects: Subjects, carry: Carry, k: jax.Array) -> Carry:
    merge_key = _column_key(model, subjects, k, STREAM_MERGE)
    split_key = _column_key(model, subjects, k, STREAM_SPLIT)
    packets = model.renew(params, carry.packets, _packet_words(model, subjects, carry.packets, k))
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


def _keep_finished(before: Carry, after: Carry) -> Carry:
    """Rows that are not active keep their state."""

    def keep(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(before.active.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(keep, before, after)


def advance(model: Model, resolution: int, freeze: bool, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, segments: Segments, n: jax.Array) -> Carry:
    """Advance by the first `n` segments.

    Args:
        model: Biology (static).
        resolution: Packets per subject (static).
        freeze: Whether rows may be inactive (static).
        params: The model's numbers.
        times: Grid of times, d, float64 (steps + 1,).
        segments: Pieces of the grid, arrays of a fixed length.
        n: Number of segments to run, int32 scalar.
    """

    def segment(i: jax.Array, carry: Carry) -> Carry:
        start, stop = segments.start[i], segments.stop[i]

        def one(k: jax.Array, c: Carry) -> Carry:
            return _step(model, params, subjects, c, k, times[k + 1] - times[k])

        after = lax.fori_loop(start, stop, one, carry)
        days = times[stop] - times[start]
        after = lax.cond(
            segments.window[i],
            lambda c: _end_of_window(model, params, subjects, c, stop, days),
            lambda c: _end_of_segment(model, params, subjects, c, stop),
            after,
        )
        after = lax.cond(segments.pack[i], lambda c: _pack(model, resolution, params, subjects, c, stop), lambda c: c, after)
        return _keep_finished(carry, after) if freeze else after

    return lax.fori_loop(0, n, segment, carry)
