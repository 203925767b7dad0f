"""Packets: the rows of the state arrays.

A packet is a number of cells that share one state.  Its cells stand in columns: column 0
holds the cells that divide, the others (quiescent, blood) only die.  Between two draws a
packet carries the integrals of its hazards; the draw from them is exact.  Arrays are two-dimensional,
(row, packet), where a row is one subject in one arm.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.transition import Law, no_time


class Packets(NamedTuple):
    """State of all packets; arrays of shape (rows, capacity)."""

    uid_high: jax.Array  # uint32
    uid_low: jax.Array  # uint32
    clone: jax.Array  # int32, row of the clone table
    counts: tuple[jax.Array, ...]  # float64 whole numbers, one array per column
    traits: Any  # pytree of float32, inherited
    fast: Any  # pytree of float32
    law: Law  # column 0, since the last draw
    lazy_exposure: jax.Array  # float32, integrated death hazard of the other columns since the last draw
    division_exposure: jax.Array  # float32, integrated division hazard since the last renewal
    kind: Any = ()  # int32, founder and set of mechanisms (`abm.engine.clones`); () where nothing mutates


class Words(Protocol):
    """Random words of packets."""

    def __call__(self, streams: tuple[int, ...], at: jax.Array | None = None, of: Packets | None = None) -> tuple[jax.Array, jax.Array]:
        """Words of a few streams for all packets, or those at some places `at` (rows, n): two arrays (streams, rows, capacity or n).

        With `of` they are those of other packets of the same moment.
        """
        ...


def with_places(packets: Packets, capacity: int) -> Packets:
    """The first `capacity` places, or all of them and empty ones up to `capacity`."""
    present = packets.clone.shape[1]

    def fit(x: jax.Array) -> jax.Array:
        return x[:, :capacity] if capacity <= present else jnp.pad(x, ((0, 0), (0, capacity - present)))

    fitted: Packets = jax.tree.map(fit, packets)
    return fitted


def total_count(packets: Packets) -> jax.Array:
    """Cells of each packet over all columns, float64."""
    total = packets.counts[0]
    for column in packets.counts[1:]:
        total = total + column
    return total


def new_packets(counts: list[np.ndarray], clone: np.ndarray, traits: Any, fast: Any, capacity: int, kind: Any = ()) -> Packets:
    """Packets from host arrays of shape (rows, n); padded with empty packets to `capacity`.

    The uid of a packet is its index among the founders of its subject, never its row.
    """
    return _placed(tuple(np.asarray(c, np.float64) for c in counts), np.asarray(clone, np.int32), traits, fast, kind, capacity)


@functools.partial(jax.jit, static_argnums=5)
def _placed(counts: tuple[Any, ...], clone: Any, traits: Any, fast: Any, kind: Any, capacity: int) -> Packets:
    rows, n = clone.shape

    def pad(array: Any) -> jax.Array:
        return jnp.pad(array, ((0, 0), (0, capacity - n)))

    zeros = jnp.zeros((rows, capacity), jnp.float32)
    return Packets(
        uid_high=jnp.zeros((rows, capacity), jnp.uint32),
        uid_low=jnp.broadcast_to(jnp.arange(capacity, dtype=jnp.uint32), (rows, capacity)),
        clone=pad(clone),
        counts=jax.tree.map(pad, counts),
        traits=jax.tree.map(pad, traits),
        fast=jax.tree.map(pad, fast),
        law=no_time(zeros),
        lazy_exposure=zeros,
        division_exposure=zeros,
        kind=jax.tree.map(pad, kind),
    )


def sum_by_clone(values: jax.Array, clone: jax.Array, n_clones: int) -> jax.Array:
    """Sum whole numbers (float64 or int64) of packets over each clone: shape (rows, n_clones).

    Whole numbers below 2**53 add without rounding, so the sum is free of order.
    """
    if n_clones <= 8:
        return jnp.stack([jnp.sum(jnp.where(clone == np.int32(c), values, jnp.zeros((), values.dtype)), axis=1) for c in range(n_clones)], axis=1)
    rows = jnp.arange(values.shape[0], dtype=jnp.int32)[:, None]
    return jnp.zeros((values.shape[0], n_clones), values.dtype).at[rows, clone].add(values)
