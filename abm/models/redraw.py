"""Redraw of traits at division, for whole packets.

A line of descent redraws at hazard 2 mix b.  Over the time since the last renewal the
cycling cells of a packet redraw with probability 1 - exp(-2 mix int b dt): for a single
cell exactly the law, for a packet of many cells together, which keeps the expected
number of cells of every state.  The cells of other columns keep their traits, so a
packet that holds both gives up its cycling cells to a new packet.

New packets take the free places at the end of the arrays.  When they run out the
packets that follow are not tested and keep their exposure for the next renewal, which
is decided without looking at their draws and therefore without bias.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from abm.biology.heredity import N_NORMALS, express
from abm.cells import TRAIT_FIELDS, Traits
from abm.engine.mutation import kind_of
from abm.engine.packets import Packets, total_count
from abm.engine.transition import normal, uniform
from abm.parameters.cell import Amounts
from abm.streams import STREAM_REDRAW_AMOUNTS, STREAM_REDRAW_CHILD, STREAM_REDRAW_SET_POINT, STREAM_REDRAW_SIZE, STREAM_REDRAW_WHO

Words = Callable[[tuple[int, ...]], tuple[jax.Array, jax.Array]]


def gather_clone(means: Traits, clone: jax.Array) -> Traits:
    """Mean traits of each packet's clone, or kind where cells mutate; `means` has shape (rows, clones or kinds)."""
    n_clones = means.bcl2.shape[1]
    if n_clones == 1:
        return jax.tree.map(lambda m: jnp.broadcast_to(m, clone.shape), means)
    return jax.tree.map(lambda m: jnp.take_along_axis(m, clone, axis=1), means)


def redrawn_traits(traits: Traits, mean: Traits, words: tuple[jax.Array, jax.Array], amounts: Amounts, set_point_cv: jax.Array) -> Traits:
    """Fresh traits of the same clone from words (3, rows, packets); the competence and the clone's factors stay."""
    z = [normal(w) for w in (*words[0], *words[1])]
    zero = jnp.zeros_like(z[0])
    z = [*z[:N_NORMALS], *([zero] * (N_NORMALS - len(z)))]
    fresh = express(mean, z, amounts, jnp.zeros_like(set_point_cv), set_point_cv)
    return Traits(**{name: getattr(fresh if info.redrawn else traits, name) for name, info in TRAIT_FIELDS.items()})


def redraw(packets: Packets, means: Traits, amounts: Amounts, set_point_cv: jax.Array, words: Words) -> Packets:
    """Redraw the traits of cycling cells that have divided since the last renewal.

    Args:
        packets: Packets; live ones before the free places at the end.
        means: Mean traits of the clones (of the kinds, where cells mutate), float32 (rows, clones).
        amounts: Spread of the amounts and probability of a redraw.
        set_point_cv: float32 (rows, 1).
        words: Words of a stream for every packet.
    """
    capacity = packets.clone.shape[1]
    cycling, n = packets.counts[0], total_count(packets)
    exposure = 2.0 * amounts.redraw_probability * packets.division_exposure
    streams = (STREAM_REDRAW_WHO, STREAM_REDRAW_CHILD, STREAM_REDRAW_AMOUNTS, STREAM_REDRAW_SIZE, STREAM_REDRAW_SET_POINT)
    word0, word1 = words(streams)
    hit = (uniform(word0[0]) < -jnp.expm1(-exposure)) & (cycling > 0.0)
    apart = hit & (n > cycling)

    place = jnp.arange(capacity, dtype=jnp.int32)[None, :]
    used = jnp.max(jnp.where(n > 0.0, place + 1, 0), axis=1, keepdims=True)
    rank = jnp.cumsum(apart.astype(jnp.int32), axis=1, dtype=jnp.int32)
    tested = rank <= capacity - used
    hit, apart = hit & tested, apart & tested

    fresh = redrawn_traits(packets.traits, gather_clone(means, kind_of(packets)), (word0[2:], word1[2:]), amounts, set_point_cv)
    # A cell whose set point changes keeps its relative mTORC1 activity.
    fresh_fast = packets.fast._replace(mtorc1=packets.fast.mtorc1 * (fresh.set_point / packets.traits.set_point))

    row = jnp.arange(n.shape[0], dtype=jnp.int32)[:, None]
    target = jnp.where(apart, used + rank - 1, capacity)
    here = hit & ~apart

    def settle(old: jax.Array, new: jax.Array) -> jax.Array:
        """`new` in place where the whole packet redraws, and in the child's place where it separates."""
        return jnp.where(here, new, old).at[row, target].set(new, mode="drop")

    none = jnp.zeros_like(cycling)
    kept = jnp.where(apart, 0.0, cycling).at[row, target].set(cycling, mode="drop")
    others = tuple(c.at[row, target].set(none, mode="drop") for c in packets.counts[1:])
    reset = jnp.where(tested, np.float32(0), packets.division_exposure)
    return packets._replace(
        uid_high=packets.uid_high.at[row, target].set(word0[1], mode="drop"),
        uid_low=packets.uid_low.at[row, target].set(word1[1], mode="drop"),
        clone=packets.clone.at[row, target].set(packets.clone, mode="drop"),
        kind=jax.tree.map(lambda kind: kind.at[row, target].set(kind, mode="drop"), packets.kind),
        counts=(kept, *others),
        traits=jax.tree.map(settle, packets.traits, fresh),
        fast=jax.tree.map(settle, packets.fast, fresh_fast),
        division_exposure=reset.at[row, target].set(np.float32(0), mode="drop"),
    )
