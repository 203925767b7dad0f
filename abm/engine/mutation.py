"""Heritable change at division: mutants of all packets of a window, into packets of their clones.

One mechanism serves every model.  `abm.engine.emission` draws how many mutants arise in
each packet.  Mutants of one mechanism from the same clone are gathered in a few groups; a
group becomes one new packet with the state of one of the mothers, drawn with probability
in proportion to their mutants, so that the expected number of cells of every state is
right.  Mutations are rare as a rule, and a group then is a single cell.

A new packet takes the first place that is free.  Where places run out, mutants join a
packet of their clone and share its state, which is counted; that changes nothing where
all cells of a clone are alike, and such models ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.clones import CloneLayout, CloneTable, rows_for, with_origins
from abm.engine.emission import emit, waiting_time
from abm.engine.packets import Packets, Words, sum_by_clone, total_count
from abm.streams import STREAM_CONVERTED, STREAM_MUTANTS

# Groups into which the packets of a clone are dealt.
GROUPS = 4

# (traits, fast state) of mutants from those of their mothers and the mechanism, arrays (rows, groups).
Inherit = Callable[[Any, Any, np.ndarray], tuple[Any, Any]]


class Mutations(NamedTuple):
    """Cells that heritable change brought to a clone and took from it: int64, mutation (rows, clones), switching (rows, clones, columns)."""

    gained: jax.Array
    lost: jax.Array
    arrived: Any = ()  # by switching; () where nothing switches
    left: Any = ()


class Rule(NamedTuple):
    """What a model says of its mutations, static."""

    layout: CloneLayout
    mutation: str  # one | each
    alike: bool  # whether all cells of a clone are alike: mutants then join a packet of their clone
    inherit: Inherit


class _Groups(NamedTuple):
    """New mutants in groups, (rows, groups); `mother` and `mechanism` are static, (groups,)."""

    cells: jax.Array  # float64
    source: jax.Array  # int32, place of the packet whose state they inherit
    mother: np.ndarray  # int32, clone row of the mothers
    mechanism: np.ndarray  # int32


class Places(NamedTuple):
    """Where each group of cells goes, (rows, groups)."""

    new: jax.Array  # int32, place of a new packet, the capacity where there is none
    host: jax.Array  # int32, place of the packet that is joined, the capacity where none is
    lacking: jax.Array  # bool, neither


def kind_of(packets: Packets) -> jax.Array:
    """Founder and set of mechanisms of each packet's cells; int32."""
    return packets.clone if isinstance(packets.kind, tuple) else packets.kind


def mutate(
    rule: Rule, packets: Packets, table: CloneTable, exposure: jax.Array, chances: jax.Array, words: Words, day: jax.Array
) -> tuple[Packets, CloneTable, Mutations]:
    """Draw the mutants of a window and give them packets; to be called in the middle of the window.

    Args:
        rule: What is static.
        packets: State right after a draw; column 0 divides.
        table: Clone table.
        exposure: Division hazard integrated over the whole window, of every division; float64 (rows, packets).
        chances: Probability of each mechanism for each kind of cells, float64 (mechanisms, kinds).
        words: Words of a stream for every packet.
        day: Time, d; float64 scalar.
    """
    layout = rule.layout
    streams = tuple(range(STREAM_MUTANTS, STREAM_MUTANTS + 2 * layout.mechanisms))
    word0, word1 = words((*streams, STREAM_CONVERTED) if rule.mutation == "each" else streams)
    chance = jnp.take(chances, kind_of(packets), axis=1)
    emitted = emit(word0[: 2 * layout.mechanisms : 2], packets.counts[0], exposure, chance, rule.mutation, word0[-1])
    lost = jnp.zeros_like(table.origins)
    if emitted.converted is not None:
        packets = packets._replace(counts=(packets.counts[0] - emitted.converted, *packets.counts[1:]))
        lost = sum_by_clone(emitted.converted, packets.clone, layout.n_clones).astype(jnp.int64)

    groups = _gathered(layout, packets, emitted.mutants, word1[: 2 * layout.mechanisms : 2])
    living = sum_by_clone(total_count(packets), packets.clone, layout.n_clones)
    target = rows_for(layout, table, living, groups.cells, groups.mother, groups.mechanism)
    table = with_origins(layout, table, target, groups.cells, groups.mother, day)
    places = places_for(packets, target, groups.cells > 0.0, layout.n_clones, rule.alike)
    row = jnp.arange(target.shape[0], dtype=jnp.int32)[:, None]
    gained = jnp.zeros_like(lost).at[row, target].add(groups.cells.astype(jnp.int64))
    children = word0[1 : 2 * layout.mechanisms : 2], word1[1 : 2 * layout.mechanisms : 2]
    capacity = np.int32(packets.clone.shape[1])

    def number(of: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(of, groups.cells, 0.0), axis=1).astype(jnp.int64)

    joined = jnp.int64(0) if rule.alike else number(places.host < capacity)
    table = table._replace(joined=table.joined + joined, unplaced=table.unplaced + number(places.lacking))
    return _settled(rule, packets, groups, target, places, children), table, Mutations(gained, lost)


def _gathered(layout: CloneLayout, packets: Packets, mutants: jax.Array, race: jax.Array) -> _Groups:
    """Mutants of each (mechanism, clone, residue of the packet's place), with the packet they inherit from.

    The group of a packet depends on its place and clone only, never on the capacity.
    """
    n_mechanisms, rows, capacity = mutants.shape
    per_mechanism = layout.n_clones * GROUPS
    slot = jnp.arange(capacity, dtype=jnp.int32)
    key = packets.clone * np.int32(GROUPS) + slot % np.int32(GROUPS)
    index = jnp.concatenate([key + np.int32(m * per_mechanism) for m in range(n_mechanisms)], axis=1)

    def wide(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x, 0, 1).reshape(rows, n_mechanisms * capacity)

    row = jnp.arange(rows, dtype=jnp.int32)[:, None]
    shape = (rows, n_mechanisms * per_mechanism)
    number, time = wide(mutants), wide(waiting_time(race, mutants))
    cells = jnp.zeros(shape, jnp.float64).at[row, index].add(number)
    shortest = jnp.full(shape, np.float32(np.inf)).at[row, index].min(time)
    first = (number > 0.0) & (time == jnp.take_along_axis(shortest, index, axis=1))
    place = jnp.where(first, jnp.tile(slot, n_mechanisms)[None, :], capacity - 1).astype(jnp.int32)
    source = jnp.full(shape, capacity - 1, jnp.int32).at[row, index].min(place)
    mother = np.tile(np.repeat(np.arange(layout.n_clones, dtype=np.int32), GROUPS), n_mechanisms)
    return _Groups(cells, source, mother, np.repeat(np.arange(n_mechanisms, dtype=np.int32), per_mechanism))


def places_for(packets: Packets, target: jax.Array, active: jax.Array, n_clones: int, alike: bool) -> Places:
    """A place for each active group, which goes to the clone row `target`.

    Clones without a packet come first; the others, which can join one, take at most half of the places that are
    left, so that a clone that arises in a later window before places are made anew finds one.
    """
    rows, capacity = packets.clone.shape
    none = np.int32(capacity)
    row = jnp.arange(rows, dtype=jnp.int32)[:, None]
    slot = jnp.broadcast_to(jnp.arange(capacity, dtype=jnp.int32), (rows, capacity))
    live = total_count(packets) > 0.0
    packet_of_clone = jnp.full((rows, n_clones), none, jnp.int32).at[row, packets.clone].min(jnp.where(live, slot, none))
    host = jnp.take_along_axis(packet_of_clone, target, axis=1)

    def rank(of: jax.Array) -> jax.Array:
        return jnp.cumsum(of.astype(jnp.int32), axis=1, dtype=jnp.int32) - 1

    free_by_rank = jnp.full((rows, capacity), none, jnp.int32).at[row, jnp.where(live, none, rank(~live))].set(slot, mode="drop")
    needs = active & (host == none)
    wishes = active & (host < none) & (not alike)
    needed = jnp.sum(needs.astype(jnp.int32), axis=1, keepdims=True, dtype=jnp.int32)
    left = jnp.maximum(jnp.sum((~live).astype(jnp.int32), axis=1, keepdims=True, dtype=jnp.int32) - needed, 0)
    granted = wishes & (rank(wishes) < left // 2)
    turn = jnp.where(needs, rank(needs), needed + rank(wishes))
    free = jnp.take_along_axis(free_by_rank, jnp.minimum(turn, none - 1), axis=1)
    new = jnp.where((needs | granted) & (turn < none), free, none)
    return Places(new=new, host=jnp.where(active & (new == none), host, none), lacking=needs & (new == none))


def _settled(rule: Rule, packets: Packets, groups: _Groups, target: jax.Array, places: Places, children: tuple[jax.Array, jax.Array]) -> Packets:
    """Packets with the groups in their places; `children` are words (mechanisms, rows, packets) that become uids."""
    row = jnp.arange(target.shape[0], dtype=jnp.int32)[:, None]

    def mother(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(x, groups.source, axis=1)

    def uid(word: jax.Array) -> jax.Array:
        by_mechanism = jnp.take_along_axis(word, groups.source[None], axis=2)
        return jnp.take_along_axis(by_mechanism, jnp.asarray(groups.mechanism)[None, None, :], axis=0)[0]

    def settle(old: jax.Array, new: Any) -> jax.Array:
        return old.at[row, places.new].set(jnp.asarray(new, old.dtype), mode="drop")

    traits, fast = rule.inherit(jax.tree.map(mother, packets.traits), jax.tree.map(mother, packets.fast), groups.mechanism)
    counts = settle(packets.counts[0], groups.cells).at[row, places.host].add(groups.cells, mode="drop")
    bit = np.int32(rule.layout.founders) << groups.mechanism
    return packets._replace(
        uid_high=settle(packets.uid_high, uid(children[0])),
        uid_low=settle(packets.uid_low, uid(children[1])),
        clone=settle(packets.clone, target),
        kind=jax.tree.map(lambda kind: settle(kind, mother(kind) + bit), packets.kind),
        counts=(counts, *(settle(c, 0.0) for c in packets.counts[1:])),
        traits=jax.tree.map(settle, packets.traits, traits),
        fast=jax.tree.map(settle, packets.fast, fast),
        division_exposure=settle(packets.division_exposure, 0.0),
    )
