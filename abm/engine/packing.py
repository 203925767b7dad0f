"""Resolution: which packets are split and which are merged.

`resolution` packets represent a subject.  Each clone is entitled to a share of them:
clones that hold no more cells than their share are held cell by cell; the others share
what is left in proportion to the logarithm of their size, so that a rare clone is
resolved as well as the one that dominates.  A packet of more than twice its clone's mean
is split into equal pieces, which changes nothing in law.  If packets run short, the
pairs that are nearest in state within a clone are merged first; the survivor's state is
drawn with probability proportional to count, which keeps the expected number of cells of
every state.

The policy is a function of the subject's own state, never of the capacity of the arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.packets import Packets, sum_by_clone, total_count
from abm.engine.transition import uniform
from abm.streams import threefry

_EMPTY_CLONE = 0xFFFE
# A round merges every other pair at least, so that fewer are ever needed.
_MOST_ROUNDS = 32


class PackingStats(NamedTuple):
    """What one packing did, each int32 of shape (rows,)."""

    packets: jax.Array
    merges: jax.Array
    splits: jax.Array


def clone_shares(cells: jax.Array, resolution: int) -> jax.Array:
    """Packets to which each clone is entitled; float64, shape (rows, clones).

    Args:
        cells: Cells of each clone, float64, shape (rows, clones).
        resolution: Packets of a subject.
    """
    weight = jnp.log2(1.0 + cells)
    share = jnp.zeros_like(cells)
    filled = cells <= 0.0
    for _ in range(3):
        # One packet for each of the open clones, the others by weight.
        free = resolution - jnp.sum(jnp.where(filled, cells, 1.0), axis=1, keepdims=True)
        open_weight = jnp.sum(jnp.where(filled, 0.0, weight), axis=1, keepdims=True)
        share = 1.0 + jnp.maximum(jnp.floor(free * weight / jnp.maximum(open_weight, 1e-300)), 0.0)
        filled = filled | (cells <= share)
    return jnp.where(filled, cells, share)


def _pieces(n: jax.Array, limit: jax.Array, room: jax.Array) -> jax.Array:
    """Pieces into which each packet is cut: the fewest that respect `limit` cells, within `room`.

    Where the room does not suffice the limit is raised until it does.
    """

    def cut(factor: jax.Array) -> jax.Array:
        return jnp.maximum(jnp.ceil(n / jnp.maximum(jnp.floor(limit * factor), 1.0)), jnp.where(n > 0.0, 1.0, 0.0))

    def extra(factor: jax.Array) -> jax.Array:
        return jnp.sum(jnp.maximum(cut(factor) - 1.0, 0.0), axis=1, keepdims=True)

    def body(factor: jax.Array) -> jax.Array:
        return jnp.where(extra(factor) > room, factor * 1.25, factor)

    factor = lax.while_loop(lambda f: jnp.any(extra(f) > room), body, jnp.ones_like(room))
    return cut(factor)


def _ordered_bits(x: jax.Array) -> jax.Array:
    """uint32 that orders as the float32 does."""
    bits = lax.bitcast_convert_type(x, jnp.uint32)
    return jnp.where(bits >> np.uint32(31) > 0, ~bits, bits | np.uint32(0x80000000))


def _smallest(cost_bits: jax.Array, wanted: jax.Array) -> jax.Array:
    """Mask of the `wanted` smallest entries of each row (ties by position), by bisection on the bits."""

    def refine(i: jax.Array, threshold: jax.Array) -> jax.Array:
        candidate = threshold | (np.uint32(1) << (np.uint32(31) - i.astype(jnp.uint32)))
        below = jnp.sum((cost_bits < candidate[:, None]).astype(jnp.int32), axis=1, dtype=jnp.int32)
        return jnp.where(below <= wanted, candidate, threshold)

    threshold = lax.fori_loop(0, 32, refine, jnp.zeros(cost_bits.shape[0], jnp.uint32))[:, None]
    below = cost_bits < threshold
    tie = cost_bits == threshold
    need = wanted - jnp.sum(below.astype(jnp.int32), axis=1, dtype=jnp.int32)
    return below | (tie & (jnp.cumsum(tie.astype(jnp.int32), axis=1, dtype=jnp.int32) <= need[:, None]))


def _merge(packets: Packets, coordinate: jax.Array, limit: jax.Array, wanted: jax.Array, key: tuple[jax.Array, jax.Array]) -> tuple[Packets, jax.Array]:
    """Merge up to `wanted` pairs of packets per row that are neighbours in (clone, coordinate).

    Only pairs that together stay within `limit` cells are merged.
    """
    n = total_count(packets)
    rows, capacity = n.shape
    slot = jnp.broadcast_to(jnp.arange(capacity, dtype=jnp.uint64), (rows, capacity))
    clone = jnp.where(n > 0.0, packets.clone, np.int32(_EMPTY_CLONE)).astype(jnp.uint64)
    trait = (_ordered_bits(coordinate) >> np.uint32(16)).astype(jnp.uint64)
    order = lax.sort((clone << np.uint64(48)) | (trait << np.uint64(32)) | slot, dimension=1)
    index = (order & np.uint64(0xFFFFFFFF)).astype(jnp.int32)
    sorted_clone = (order >> np.uint64(48)).astype(jnp.int32)

    def take(a: jax.Array) -> jax.Array:
        return jnp.take_along_axis(a, index, axis=1)

    def pair(a: jax.Array) -> tuple[jax.Array, jax.Array]:
        return a[:, 0::2], a[:, 1::2]

    (n_a, n_b), (x_a, x_b), (c_a, c_b) = pair(take(n)), pair(take(coordinate)), pair(sorted_clone)
    allowed = (c_a == c_b) & (c_a < _EMPTY_CLONE) & (n_a + n_b <= pair(take(limit))[0])
    cost = (n_a * n_b / jnp.maximum(n_a + n_b, 1.0)).astype(jnp.float32) * ((x_a - x_b) ** 2 + np.float32(1e-4))
    bits = jnp.where(allowed, _ordered_bits(cost), np.uint32(0xFFFFFFFF))
    wanted = jnp.minimum(wanted, jnp.sum(allowed.astype(jnp.int32), axis=1, dtype=jnp.int32))
    chosen = _smallest(bits, wanted) & allowed

    word, _ = threefry(key[0], key[1], pair(take(packets.uid_high))[0], pair(take(packets.uid_low))[0])
    first_survives = uniform(word).astype(jnp.float64) * (n_a + n_b) < n_a
    row = jnp.arange(rows, dtype=jnp.int32)[:, None]

    def combine(column: jax.Array, zero: Any) -> jax.Array:
        a, b = pair(take(column))
        new_a = jnp.where(chosen, jnp.where(first_survives, a + b, zero), a)
        new_b = jnp.where(chosen, jnp.where(first_survives, zero, a + b), b)
        return column.at[row, index].set(jnp.stack([new_a, new_b], axis=2).reshape(rows, capacity), unique_indices=True)

    merged = packets._replace(counts=tuple(combine(c, 0.0) for c in packets.counts))
    return merged, jnp.sum(chosen.astype(jnp.int32), axis=1, dtype=jnp.int32)


def _split(packets: Packets, pieces: jax.Array, key: tuple[jax.Array, jax.Array]) -> Packets:
    """Cut each packet into `pieces` equal parts and close the gaps; piece 0 keeps the uid."""
    pieces_i = pieces.astype(jnp.int32)
    end = jnp.cumsum(pieces_i, axis=1, dtype=jnp.int32)
    capacity = pieces.shape[1]
    slots = jnp.arange(capacity, dtype=jnp.int32)
    # Packets keep their order, so every output slot's source is a running count of ends.
    marks = jnp.zeros(pieces.shape, jnp.int32).at[jnp.arange(pieces.shape[0], dtype=jnp.int32)[:, None], end].add(1, mode="drop")
    source = jnp.minimum(jnp.cumsum(marks, axis=1, dtype=jnp.int32), capacity - 1)

    def take(a: jax.Array) -> jax.Array:
        return jnp.take_along_axis(a, source, axis=1)

    used = slots[None, :] < end[:, -1:]
    piece = jnp.where(used, slots[None, :] - (take(end) - take(pieces_i)), 0)
    parts = jnp.maximum(take(pieces), 1.0)

    shared, dealt = [], jnp.zeros_like(parts)
    for column in packets.counts:
        # Remainders of the columns are dealt round the pieces in turn, so that pieces differ by at most one cell.
        whole = take(column)
        base = jnp.floor(whole / parts)
        left_over = whole - base * parts
        turn = jnp.mod(piece.astype(jnp.float64) - dealt, parts)
        shared.append(jnp.where(used, base + jnp.where(turn < left_over, 1.0, 0.0), 0.0))
        dealt = jnp.mod(dealt + left_over, parts)

    def keep(a: jax.Array) -> jax.Array:
        return jnp.where(used, take(a), jnp.zeros((), a.dtype))

    high, low = take(packets.uid_high), take(packets.uid_low)
    new_high, new_low = threefry(key[0] ^ piece.astype(jnp.uint32), key[1], high, low)
    fresh = piece > 0
    return packets._replace(
        uid_high=jnp.where(fresh, new_high, high),
        uid_low=jnp.where(fresh, new_low, low),
        clone=keep(packets.clone),
        counts=tuple(shared),
        traits=jax.tree.map(keep, packets.traits),
        fast=jax.tree.map(keep, packets.fast),
        division_exposure=keep(packets.division_exposure),
        kind=jax.tree.map(keep, packets.kind),
    )


def _merged(
    packets: Packets, coordinate: jax.Array, limit: jax.Array, live: jax.Array, wanted: jax.Array, resolution: int, key: tuple[jax.Array, jax.Array]
) -> tuple[Packets, jax.Array]:
    """Packets after all merges, and how many there were; `live` and `wanted` are int32 (rows,).

    The first round keeps to the limits, so that a merge is never undone by the next split
    and clones held cell by cell are left alone.  Where that does not bring a subject to its
    resolution, further rounds merge its nearest pairs whatever their size.
    """

    def in_excess(merges: jax.Array) -> jax.Array:
        return jnp.maximum(live - merges - resolution, 0)

    def due(state: tuple[jax.Array, Packets, jax.Array]) -> jax.Array:
        number, _, merges = state
        return jnp.where(number == 0, jnp.any(wanted > 0), (number < _MOST_ROUNDS) & jnp.any(in_excess(merges) > 0))

    def merge(state: tuple[jax.Array, Packets, jax.Array]) -> tuple[jax.Array, Packets, jax.Array]:
        number, current, merges = state
        first = number == 0
        fresh_key = key[0] + number.astype(jnp.uint32), key[1]
        after, more = _merge(current, coordinate, jnp.where(first, limit, jnp.inf), jnp.where(first, wanted, in_excess(merges)), fresh_key)
        return number + 1, after, merges + more

    _, merged, merges = lax.while_loop(due, merge, (jnp.int32(0), packets, jnp.zeros_like(wanted)))
    return merged, merges


def repack(
    packets: Packets,
    coordinate: jax.Array,
    n_clones: int,
    resolution: int,
    merge_key: tuple[jax.Array, jax.Array],
    split_key: tuple[jax.Array, jax.Array],
) -> tuple[Packets, PackingStats]:
    """Bring every subject to its resolution.

    Args:
        packets: State right after a draw, so that the laws are those of no time.
        coordinate: float32 (rows, capacity); packets near in it are merged first.
        n_clones: Rows of the clone table.
        resolution: Packets per subject, at most the capacity.  Only a subject with more clones than
            that keeps more packets; they are counted, and to run out of places is a fault.
        merge_key, split_key: Keys of the subjects, uint32 of shape (rows, 1).
    """
    n = total_count(packets)
    cells = sum_by_clone(n, packets.clone, n_clones)
    shares = clone_shares(cells, resolution)
    alone = cells <= shares
    limit_by_clone = jnp.where(alone, 1.0, jnp.maximum(2.0 * cells / jnp.maximum(shares, 1.0), 1.0))
    limit = jnp.take_along_axis(limit_by_clone, packets.clone, axis=1)
    live = jnp.sum((n > 0.0).astype(jnp.int32), axis=1, dtype=jnp.int32)
    unlimited = jnp.full((n.shape[0], 1), jnp.inf, jnp.float64)
    wished = jnp.sum(jnp.maximum(_pieces(n, limit, unlimited) - 1.0, 0.0), axis=1)
    wanted = jnp.maximum(wished.astype(jnp.int32) + live - resolution, 0)

    merged, merges = _merged(packets, coordinate, limit, live, wanted, resolution, merge_key)
    n = total_count(merged)
    room = (resolution - live + merges).astype(jnp.float64)[:, None]
    pieces = _pieces(n, limit, jnp.maximum(room, 0.0))
    result = _split(merged, pieces, split_key)
    in_use = jnp.sum(pieces, axis=1).astype(jnp.int32)
    splits = jnp.sum(jnp.maximum(pieces - 1.0, 0.0), axis=1).astype(jnp.int32)
    return result, PackingStats(packets=in_use, merges=merges, splits=splits)
