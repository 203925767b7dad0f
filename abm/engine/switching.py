"""Reversible change: cells that switch a mechanism on and off, without a division.

Every line of descent switches a mechanism with constant hazards, whatever else happens to
it.  Over a window w it is on at the end if it was off at the start with probability

    p_on = k_on / (k_on + k_off) (1 - exp(-(k_on + k_off) w)),    p_off likewise,

the exact law of the two states, so the law does not depend on the window.  In the middle of
a window a binomial number of the cells of every column of every packet converts.  Lines
switch several mechanisms independently; they are taken in turn, each from the cells that
the last has left, and as they commute the order has no effect on the law.

Where all cells of a packet convert the packet does, in its place.  Otherwise those that do
are gathered in a few groups for each clone row they go to, and a group becomes a new packet
with the state of one of the packets it comes from, drawn in proportion to their cells, as
mutants are.  Cells that switch on go to the row that mutants of their clone would share;
cells that switch off to the row of what is left, a founder or a mechanism.  They are not
born there and begin no clone.

A probability is a float32, a count exact: 1e-5 a day and 1e12 cells leave the mean right to
a part in 1e7; for packets of single cells the grain of a probability is 2^-32.

Reference: two-state Markov chain, e.g. Karlin & Taylor 1975, A First Course in Stochastic
Processes, ch. 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.clones import CloneLayout, CloneTable, with_arrivals
from abm.engine.emission import waiting_time
from abm.engine.mutation import GROUPS, Places, places_for
from abm.engine.packets import Packets, Words, sum_by_clone, total_count
from abm.engine.transition import binomial
from abm.streams import STREAM_SWITCH_STATE, STREAMS_OF_SWITCH

# (traits, fast state) of cells that have switched, from those before, their kind after and the mechanism; arrays (rows, n).
Convert = Callable[[Any, Any, jax.Array, int], tuple[Any, Any]]


class Rule(NamedTuple):
    """What a model says of its switches, static."""

    layout: CloneLayout
    alike: bool  # whether all cells of a clone are alike: cells then join a packet of their clone
    convert: Convert


class Switched(NamedTuple):
    """Cells that came to a clone and left it by switching, int64 (rows, clones, columns)."""

    arrived: jax.Array
    left: jax.Array


class _Cells(NamedTuple):
    """Cells that switch, by the packet they come from, (rows, packets)."""

    columns: jax.Array  # float64 (columns, rows, packets)
    total: jax.Array  # float64
    whole: jax.Array  # bool, all cells of the packet
    target: jax.Array  # int32, clone row they go to
    kind: jax.Array  # int32, kind they become


class _Groups(NamedTuple):
    """Cells of packets that convert in part, (rows, groups)."""

    columns: jax.Array  # float64 (columns, rows, groups)
    source: jax.Array  # int32, place of the packet whose state they keep
    target: np.ndarray  # int32 (groups,)


def switching_probabilities(on: jax.Array, off: jax.Array, days: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(p_on, p_off): probabilities of having switched on, or off, after `days`; hazards 1/d, float64."""
    both = on + off
    share = -jnp.expm1(-both * days) / jnp.where(both > 0.0, both, 1.0)
    return on * share, off * share


def switch(
    rule: Rule, packets: Packets, table: CloneTable, on: jax.Array, off: jax.Array, words: Words, days: jax.Array, day: jax.Array
) -> tuple[Packets, CloneTable, Switched]:
    """Switch cells on and off for a window; to be called in its middle.

    Args:
        rule: What is static.
        packets: State right after a draw.
        table: Clone table.
        on, off: Hazards of the mechanisms `rule.layout.switching`, 1/d, float64 (switches,), or (switches, rows, 1) where they differ between rows.
        words: Words of a stream for every packet.
        days: Length of the window.
        day: Time, d; float64 scalar.
    """
    p_on, p_off = switching_probabilities(on, off, days)
    shape = (*table.origins.shape, len(packets.counts))
    booked = Switched(jnp.zeros(shape, jnp.int64), jnp.zeros(shape, jnp.int64))
    for index, mechanism in enumerate(rule.layout.switching):
        packets, table, more = _one(rule, packets, table, (p_on[index], p_off[index]), mechanism, words, day)
        booked = jax.tree.map(jnp.add, booked, more)
    return packets, table, booked


def _one(
    rule: Rule, packets: Packets, table: CloneTable, chance: tuple[jax.Array, jax.Array], mechanism: int, words: Words, day: jax.Array
) -> tuple[Packets, CloneTable, Switched]:
    layout, columns = rule.layout, len(packets.counts)
    first = STREAM_SWITCH_STATE + STREAMS_OF_SWITCH * mechanism
    word0, word1 = words(tuple(range(first, first + columns + 1)), of=packets)
    cells = _drawn(layout, packets, chance, mechanism, word0[:columns])
    goes = (cells.total > 0.0) & (cells.target != packets.clone)
    booked = Switched(*(_booked(layout, jnp.where(goes, cells.columns, 0.0), clone) for clone in (cells.target, packets.clone)))
    table = with_arrivals(layout, table, cells.target, packets.clone, cells.total > 0.0, day)
    groups = _gathered(layout, cells, word1[0])
    packets = _converted(rule, packets, cells, mechanism)
    sizes = jnp.sum(groups.columns, axis=0)
    target = jnp.broadcast_to(jnp.asarray(groups.target), sizes.shape)
    places = places_for(packets, target, sizes > 0.0, layout.n_clones, rule.alike)
    lacking = jnp.sum(jnp.where(places.lacking, sizes, 0.0), axis=1).astype(jnp.int64)
    joined = jnp.sum(jnp.where(places.host < np.int32(packets.clone.shape[1]), sizes, 0.0), axis=1).astype(jnp.int64)
    table = table._replace(joined=table.joined + (jnp.int64(0) if rule.alike else joined), unplaced=table.unplaced + lacking)
    return _settled(rule, packets, groups, cells.kind, places, (word0[columns], word1[columns]), mechanism), table, booked


def _drawn(layout: CloneLayout, packets: Packets, chance: tuple[jax.Array, jax.Array], mechanism: int, bits: jax.Array) -> _Cells:
    """Who switches, how many, and to what."""
    is_on = (packets.kind // np.int32(layout.founders) >> np.int32(mechanism)) & np.int32(1) == np.int32(1)
    p = jnp.where(is_on, chance[1], chance[0])
    p32, log_q = p.astype(jnp.float32), jnp.log1p(-p).astype(jnp.float32)
    # A loop over the columns, because XLA would copy the draw into each of its sums.
    columns = lax.map(lambda x: binomial(x[0], x[1], p32, log_q, rolled=True), (bits, jnp.stack(packets.counts)))
    total = jnp.sum(columns, axis=0)
    bit = np.int32(layout.founders << mechanism)
    kind = jnp.where(is_on, packets.kind - bit, packets.kind + bit)
    # A mutant that loses what its line had before the mutation stays in the row of its own origin.
    stays = jnp.asarray((layout.mechanism_of >= 0) & (layout.mechanism_of != mechanism) & ~layout.pooled)[packets.clone]
    back = jnp.where(stays, packets.clone, jnp.asarray(layout.row_of_kind)[kind])
    target = jnp.where(is_on, back, jnp.asarray(layout.pooled_row[:, mechanism])[packets.clone])
    return _Cells(columns, total, (total > 0.0) & (total == total_count(packets)), target, kind)


def _booked(layout: CloneLayout, columns: jax.Array, clone: jax.Array) -> jax.Array:
    return jnp.stack([sum_by_clone(c, clone, layout.n_clones) for c in columns], axis=2).astype(jnp.int64)


def _gathered(layout: CloneLayout, cells: _Cells, race: jax.Array) -> _Groups:
    """Cells that leave a packet behind, by clone row they go to and residue of the packet's place."""
    rows, capacity = cells.total.shape
    slot = jnp.arange(capacity, dtype=jnp.int32)
    row = jnp.arange(rows, dtype=jnp.int32)[:, None]
    moving = jnp.where(cells.whole, 0.0, cells.total)
    index = cells.target * np.int32(GROUPS) + slot % np.int32(GROUPS)
    shape = (rows, layout.n_clones * GROUPS)
    columns = jnp.stack([jnp.zeros(shape, jnp.float64).at[row, index].add(jnp.where(cells.whole, 0.0, c)) for c in cells.columns])
    time = waiting_time(race, moving)
    shortest = jnp.full(shape, np.float32(np.inf)).at[row, index].min(time)
    first = (moving > 0.0) & (time == jnp.take_along_axis(shortest, index, axis=1))
    place = jnp.where(first, slot[None, :], capacity - 1).astype(jnp.int32)
    source = jnp.full(shape, capacity - 1, jnp.int32).at[row, index].min(place)
    return _Groups(columns, source, np.repeat(np.arange(layout.n_clones, dtype=np.int32), GROUPS))


def _converted(rule: Rule, packets: Packets, cells: _Cells, mechanism: int) -> Packets:
    """Packets without the cells that leave them; those that convert as a whole are what they become."""
    traits, fast = rule.convert(packets.traits, packets.fast, cells.kind, mechanism)

    def chosen(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(cells.whole, new, old)

    left = tuple(jnp.where(cells.whole, c, c - moved) for c, moved in zip(packets.counts, cells.columns, strict=True))
    return packets._replace(
        clone=chosen(cells.target, packets.clone),
        kind=chosen(cells.kind, packets.kind),
        counts=left,
        traits=jax.tree.map(chosen, traits, packets.traits),
        fast=jax.tree.map(chosen, fast, packets.fast),
    )


def _settled(
    rule: Rule, packets: Packets, groups: _Groups, kind_after: jax.Array, places: Places, child: tuple[jax.Array, jax.Array], mechanism: int
) -> Packets:
    """Packets with the groups in their places; `child` are words (rows, packets) that become uids."""
    row = jnp.arange(groups.source.shape[0], dtype=jnp.int32)[:, None]

    def mother(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(x, groups.source, axis=1)

    def settle(old: jax.Array, new: Any) -> jax.Array:
        return old.at[row, places.new].set(jnp.asarray(new, old.dtype), mode="drop")

    kind = mother(kind_after)
    traits, fast = rule.convert(jax.tree.map(mother, packets.traits), jax.tree.map(mother, packets.fast), kind, mechanism)
    target = jnp.broadcast_to(jnp.asarray(groups.target), kind.shape)
    counts = tuple(settle(c, g).at[row, places.host].add(g, mode="drop") for c, g in zip(packets.counts, groups.columns, strict=True))
    return packets._replace(
        uid_high=settle(packets.uid_high, mother(child[0])),
        uid_low=settle(packets.uid_low, mother(child[1])),
        clone=settle(packets.clone, target),
        kind=settle(packets.kind, kind),
        counts=counts,
        traits=jax.tree.map(settle, packets.traits, traits),
        fast=jax.tree.map(settle, packets.fast, fast),
        division_exposure=settle(packets.division_exposure, mother(packets.division_exposure)),
    )
