"""The program that advances all subjects: steps, draws, tallies.

A model fills it with biology.  In a step the model advances the fast state of the
packets and says how the law of births and deaths goes on; the packets only carry the
integrals.  In the middle and at the end of a window the program draws births and deaths,
exactly for hazards that changed in between, and books them; in the middle the model
then moves cells between columns and draws the mutants of the window.  Where packing is due the model renews traits and
packets are merged and split.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from abm.engine.mutation import Mutations
from abm.engine.packets import Packets, Words, sum_by_clone, total_count, with_places
from abm.engine.packing import PackingStats, repack
from abm.engine.transition import Law, binomial, end_of_line, hidden_pairs, no_time, offspring, poisson, probability, then
from abm.engine.views import View
from abm.streams import STREAM_DIVISION_AND_DEATH, STREAM_HIDDEN, STREAM_LAZY_DEATH, STREAM_MERGE, STREAM_SPLIT, stacked_words, step_key, threefry

# Expected hidden pairs are summed in whole grains so that the sum is free of order; a subject's cells times this are at most 2**50 of them.
_HIDDEN_GRAINS = 2.0**49


class Subjects(NamedTuple):
    """What the random numbers of each row depend on, uint32 (rows,)."""

    key0: Any
    key1: Any
    phase: Any  # keeps the streams of lead-in and trial apart


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
    arrived: jax.Array  # (rows, clones, columns), cells that switched to the clone
    left: jax.Array  # (rows, clones, columns), cells that switched from it


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


class Model(Protocol):
    """Biology of a program.  Implementations are frozen and hashable; numbers come as `params`."""

    def __hash__(self) -> int: ...

    @property
    def n_columns(self) -> int: ...

    @property
    def n_clones(self) -> int: ...

    def reserve(self, resolution: int) -> int:
        """Even number of free places that `renew` is given."""
        ...

    def view(self, piece: str) -> View:
        """What "steps", "draw" (its `settle`), "move" and "pack" use of numbers and rows, "move" of packets as well."""
        ...

    def step(self, params: Any, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """(row state, fast state of the packets, rates) of step k of length h days."""
        ...

    def settles(self, rows: Any) -> bool:
        """Whether rows hold cells beside their packets, which `settle` draws."""
        ...

    def settle(self, params: Any, rows: Any, subjects: Subjects, k: jax.Array) -> Any:
        """Row state after the draw of the cells that rows hold beside their packets, at step boundary k."""
        ...

    def window(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array) -> tuple[Any, Packets, list[list[jax.Array | None]]]:
        """(row state, packets, moves[from][to]) over a window of `days`; no moves is an empty list."""
        ...

    def mutate(self, params: Any, rows: Any, packets: Packets, words: Words, days: jax.Array, day: jax.Array) -> tuple[Any, Packets, Mutations | None]:
        """(row state, packets, mutants) of a window of `days` whose middle is `day`; None where nothing mutates."""
        ...

    def renew(self, params: Any, packets: Packets, words: Words) -> Packets:
        """Packets after heritable change, before packing; may fill the free places at the end of the arrays."""
        ...

    def coordinate(self, params: Any, packets: Packets) -> jax.Array:
        """float32 in which packets that are near may be merged."""
        ...


_DRAWN = View(None, params=(), rows=(), packets=("uid_high", "uid_low", "clone", "counts", "law", "lazy_exposure"), books=("tally",))
# Steps draw nothing.
_STEPPED = tuple(name for name in Packets._fields if name not in ("uid_high", "uid_low"))
# Packing follows a draw, so that the laws are those of no time.
_PACKED = tuple(name for name in Packets._fields if name not in ("law", "lazy_exposure"))


def view_of(model: Model, piece: str, rows: Any) -> View:
    """What a piece of the program is given; the draw of packets is the same for all models, those whose rows hold no cells need nothing else."""
    match piece:
        case "draw" if model.settles(rows):
            return model.view(piece)._replace(packets=_DRAWN.packets, books=_DRAWN.books)
        case "draw":
            return _DRAWN
        case "move":
            return model.view(piece)._replace(books=("tally",))
        case "pack":
            return model.view(piece)._replace(packets=_PACKED, books=("stats",))
    return model.view(piece)._replace(packets=_STEPPED)


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
        arrived=jnp.zeros((rows, n_clones, columns), jnp.int64),
        left=jnp.zeros((rows, n_clones, columns), jnp.int64),
    )


def start_carry(model: Model, packets: Packets, rows: Any) -> Carry:
    """Carry at step 0."""
    tally, stats = _first_books(model.n_clones, packets)
    return Carry(packets=packets, rows=rows, tally=tally, stats=stats)


@functools.partial(jax.jit, static_argnums=0)
def _first_books(n_clones: int, packets: Packets) -> tuple[Tally, Stats]:
    in_use = jnp.sum(total_count(packets) > 0.0, axis=1).astype(jnp.int64)
    none = jnp.zeros_like(in_use)
    return empty_tally(packets, n_clones), Stats(packets=in_use, peak_packets=in_use, merges=none, splits=none)


def _column_key(subjects: Subjects, k: jax.Array, stream: int) -> tuple[jax.Array, jax.Array]:
    key0, key1 = step_key(subjects.key0, subjects.key1, subjects.phase, k.astype(jnp.uint32), stream)
    return key0[:, None], key1[:, None]


def _packet_words(subjects: Subjects, packets: Packets, k: jax.Array) -> Words:
    def words(streams: tuple[int, ...], at: jax.Array | None = None, of: Packets | None = None) -> tuple[jax.Array, jax.Array]:
        whose = packets if of is None else of
        uids = whose.uid_high, whose.uid_low
        if at is not None:
            uids = jnp.take_along_axis(uids[0], at, axis=1), jnp.take_along_axis(uids[1], at, axis=1)
        return stacked_words(subjects.key0, subjects.key1, subjects.phase, k.astype(jnp.uint32), streams, *uids)

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


def _drawn(subjects: Subjects, packets: Packets, k: jax.Array) -> tuple[Packets, jax.Array]:
    """Packets after the draw, and who died without trace, float64 (columns, rows, capacity)."""
    lazies = len(packets.counts) - 1
    streams = (STREAM_DIVISION_AND_DEATH, *range(STREAM_LAZY_DEATH, STREAM_LAZY_DEATH + lazies))
    word0, word1 = _packet_words(subjects, packets, k)(streams)
    p, log_q = end_of_line(packets.law)
    if lazies:
        p_lazy, log_q_lazy = probability(packets.lazy_exposure)
        p, log_q = jnp.stack([p] + [p_lazy] * lazies), jnp.stack([log_q] + [log_q_lazy] * lazies)
        # A loop over the columns, because XLA would copy the draw into each of its sums.
        lost = lax.map(lambda x: binomial(*x), (word0, jnp.stack(packets.counts), p, log_q))
    else:
        lost = binomial(word0[0], packets.counts[0], p, log_q)[None]
    founders = packets.counts[0] - lost[0]
    dividing = founders + offspring(word1[0], founders, packets.law)
    others = tuple(c - dead for c, dead in zip(packets.counts[1:], lost[1:], strict=True))
    return packets._replace(counts=(dividing, *others)), lost


def _hidden_pairs(n_clones: int, subjects: Subjects, packets: Packets, n: jax.Array, k: jax.Array) -> jax.Array:
    """Lines that were born and died between two draws, int64 (rows, clones), for `n` founders."""
    # A power of two, so that scaling is exact; pairs of a cell between two draws are far fewer than one.
    _, exponent = jnp.frexp(jnp.maximum(jnp.sum(n, axis=1, keepdims=True), 1.0))
    grain = jnp.ldexp(jnp.float64(1.0 / _HIDDEN_GRAINS), exponent)
    grains = jnp.rint(hidden_pairs(packets.law).astype(jnp.float64) * n / grain)
    mean = sum_by_clone(grains, packets.clone, n_clones) * grain
    key0, key1 = _column_key(subjects, k, STREAM_HIDDEN)
    index = jnp.arange(n_clones, dtype=jnp.uint32)[None, :]
    bits, _ = threefry(key0, key1, index, jnp.zeros_like(index))
    return poisson(bits, mean).astype(jnp.int64)


def _by_clone(n_clones: int, packets: Packets, columns: Any) -> jax.Array:
    """Sum of whole numbers of each column over each clone, int64 (rows, clones, columns)."""
    return jnp.stack([sum_by_clone(x, packets.clone, n_clones) for x in columns], axis=2).astype(jnp.int64)


def _book_draw(n_clones: int, tally: Tally, packets: Packets, lost: jax.Array, hidden: jax.Array) -> Tally:
    """Tally after one draw; lines that were born and died unseen are added to births and to deaths."""
    cells = _by_clone(n_clones, packets, packets.counts)
    dead = _by_clone(n_clones, packets, lost).at[:, :, 0].add(hidden)
    born = cells[:, :, 0] - tally.cells[:, :, 0] + dead[:, :, 0]
    return tally._replace(births=tally.births + born, deaths=tally.deaths + dead, cells=cells)


def _book_moves(n_clones: int, tally: Tally, before: Packets, after: Packets, moves: list[list[jax.Array | None]], mutations: Mutations | None) -> Tally:
    """Tally after moves between columns and mutations; a mutant may take the place of a packet that was empty, so moves are those of clones before."""
    if moves:
        none = jnp.zeros_like(before.counts[0])
        flow = jnp.stack([_by_clone(n_clones, before, [none if moved is None else moved for moved in row]) for row in moves], axis=2)
        tally = tally._replace(moves=tally.moves + flow, cells=tally.cells + jnp.sum(flow, axis=2) - jnp.sum(flow, axis=3))
    if mutations is not None:
        cells = _by_clone(n_clones, after, after.counts)
        tally = tally._replace(gained=tally.gained + mutations.gained, lost=tally.lost + mutations.lost, cells=cells)
        if not isinstance(mutations.arrived, tuple):
            tally = tally._replace(arrived=tally.arrived + mutations.arrived, left=tally.left + mutations.left)
    return tally


def steps(model: Model, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Step from the boundary `start` to `stop` (int32 scalars); `times` are those of the boundaries from `start` on, d."""

    def one(k: jax.Array, c: Carry) -> Carry:
        return _step(model, params, subjects, c, k, times[k - start + 1] - times[k - start])

    stepped: Carry = lax.fori_loop(start, stop, one, carry)
    return stepped


def draw(model: Model | None, n_clones: int, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Draw births and deaths at the step boundary `stop` and book them; those of cells that rows hold beside their packets, if there is a model."""
    hidden = _hidden_pairs(n_clones, subjects, carry.packets, carry.packets.counts[0], stop)
    packets, lost = _drawn(subjects, carry.packets, stop)
    zero = jnp.zeros_like(packets.lazy_exposure)
    packets = packets._replace(law=no_time(zero), lazy_exposure=zero)
    rows = model.settle(params, carry.rows, subjects, stop) if model else carry.rows
    return carry._replace(packets=packets, rows=rows, tally=_book_draw(n_clones, carry.tally, packets, lost, hidden))


def move(model: Model, window_days: float, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Right after a draw, move cells between columns and draw the mutants of a window of `window_days`; `times` as for `steps`."""
    words, days, before = _packet_words(subjects, carry.packets, stop), jnp.float64(window_days), carry.packets
    rows, packets, moves = model.window(params, carry.rows, before, words, days)
    rows, packets, mutations = model.mutate(params, rows, packets, words, days, times[stop - start])
    return carry._replace(packets=packets, rows=rows, tally=_book_moves(model.n_clones, carry.tally, before, packets, moves, mutations))


def pack(model: Model, resolution: int, params: Any, subjects: Subjects, carry: Carry, times: jax.Array, start: jax.Array, stop: jax.Array) -> Carry:
    """Heritable change, merges and splits at the step boundary `stop`.

    The places that heritable change fills exist only here: packing brings every subject
    back to its resolution, so that steps and draws never touch them.
    """
    capacity = carry.packets.clone.shape[1]
    merge_key = _column_key(subjects, stop, STREAM_MERGE)
    split_key = _column_key(subjects, stop, STREAM_SPLIT)
    wide = with_places(carry.packets, capacity + model.reserve(resolution))
    packets = model.renew(params, wide, _packet_words(subjects, wide, stop))
    packets, packed = repack(packets, model.coordinate(params, packets), model.n_clones, resolution, merge_key, split_key)
    return carry._replace(packets=with_places(packets, capacity), stats=_add_stats(carry.stats, packed))


def _add_stats(stats: Stats, packed: PackingStats) -> Stats:
    in_use = packed.packets.astype(jnp.int64)
    return Stats(
        packets=in_use,
        peak_packets=jnp.maximum(stats.peak_packets, in_use),
        merges=stats.merges + packed.merges.astype(jnp.int64),
        splits=stats.splits + packed.splits.astype(jnp.int64),
    )
