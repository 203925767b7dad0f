"""Redraw of traits at division, for whole packets.

A line of descent redraws at hazard 2 mix b.  Over the time since the last renewal the
cycling cells of a packet redraw with probability 1 - exp(-2 mix int b dt): for a single
cell exactly the law, for a packet of many cells together, which keeps the expected
number of cells of every state.  The cells of other columns keep their traits, so a
packet that holds both gives up its cycling cells to a new packet.

New packets take the free places at the end of the arrays.  When they run out, or when
half as many packets as there are places have been redrawn, the packets that follow are
not tested and keep their exposure for the next renewal, which is decided without looking
at their draws and therefore without bias.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from abm.biology.heredity import N_NORMALS, express
from abm.cells import TRAIT_FIELDS, Traits
from abm.engine.mutation import kind_of
from abm.engine.packets import Packets, Words, total_count
from abm.engine.transition import normal, uniform
from abm.parameters.cell import Amounts
from abm.streams import STREAM_REDRAW_AMOUNTS, STREAM_REDRAW_CHILD, STREAM_REDRAW_SET_POINT, STREAM_REDRAW_SIZE, STREAM_REDRAW_WHO


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
    hit = (uniform(words((STREAM_REDRAW_WHO,))[0][0]) < -jnp.expm1(-exposure)) & (cycling > 0.0)
    apart = hit & (n > cycling)

    place = jnp.arange(capacity, dtype=jnp.int32)[None, :]
    used = jnp.max(jnp.where(n > 0.0, place + 1, 0), axis=1, keepdims=True)
    rank_apart, rank = (jnp.cumsum(x.astype(jnp.int32), axis=1, dtype=jnp.int32) for x in (apart, hit))
    # The redrawn packets are gathered, because to redraw and to place them all costs more than all the rest.
    most = capacity // 2
    tested = (rank_apart <= capacity - used) & (rank <= most)
    hit, apart = hit & tested, apart & tested
    row = jnp.arange(n.shape[0], dtype=jnp.int32)[:, None]
    none = np.int32(capacity)
    mother = jnp.full((n.shape[0], most), none, jnp.int32).at[row, jnp.where(hit, rank - 1, most)].set(jnp.broadcast_to(place, n.shape), mode="drop")
    # Where the redrawn cells go: to the child's place where they separate, else they stay.
    goal = jnp.where(apart, used + rank_apart - 1, place)

    def of_mother(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(x, jnp.minimum(mother, none - 1), axis=1)

    separates = of_mother(apart)
    target = jnp.where(mother < none, of_mother(goal), none)
    left = jnp.where(separates, mother, none)

    def settle(old: jax.Array, new: jax.Array) -> jax.Array:
        return old.at[row, target].set(new, mode="drop")

    word0, word1 = words((STREAM_REDRAW_CHILD, STREAM_REDRAW_AMOUNTS, STREAM_REDRAW_SIZE, STREAM_REDRAW_SET_POINT), at=jnp.minimum(mother, none - 1))
    traits, fast = jax.tree.map(of_mother, packets.traits), jax.tree.map(of_mother, packets.fast)
    kind = of_mother(kind_of(packets))
    fresh = redrawn_traits(traits, gather_clone(means, kind), (word0[1:], word1[1:]), amounts, set_point_cv)
    # A cell whose set point changes keeps its relative mTORC1 activity.
    fast = fast._replace(mtorc1=fast.mtorc1 * (fresh.set_point / traits.set_point))
    gone = packets.counts[0].at[row, left].set(0.0, mode="drop")
    return packets._replace(
        uid_high=settle(packets.uid_high, jnp.where(separates, word0[0], of_mother(packets.uid_high))),
        uid_low=settle(packets.uid_low, jnp.where(separates, word1[0], of_mother(packets.uid_low))),
        clone=settle(packets.clone, of_mother(packets.clone)),
        kind=jax.tree.map(lambda old: settle(old, kind), packets.kind),
        counts=(settle(gone, of_mother(cycling)), *(settle(c, jnp.where(separates, 0.0, of_mother(c))) for c in packets.counts[1:])),
        traits=jax.tree.map(settle, packets.traits, fresh),
        fast=jax.tree.map(settle, packets.fast, fast),
        division_exposure=settle(jnp.where(tested, np.float32(0), packets.division_exposure), jnp.zeros(mother.shape, jnp.float32)),
    )
