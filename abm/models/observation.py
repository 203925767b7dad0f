"""What is looked at when the xenograft model is read out."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.packets import sum_by_clone, total_count
from abm.engine.program import Carry, Stats, Tally
from abm.models.healthy import HealthyState
from abm.models.xenograft import XenograftParams

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STATES = ("mtorc1", "stress", "bmf", "activator")


class Lineages(NamedTuple):
    """Healthy cells by stage (progenitors, maturing, blood), float64 whole numbers (rows, lineages, 3)."""

    cells: jax.Array
    births: jax.Array
    deaths: jax.Array
    gained: jax.Array
    lost: jax.Array


class Observation(NamedTuple):
    """One look at all rows."""

    tally: Tally  # leukaemic cells by clone and column
    lineages: Any  # `Lineages`; () in a dish
    concentration: jax.Array  # float64 (rows, drugs), nmol/L
    auc: jax.Array  # float64 (rows, drugs), nmol/L day
    c_max: jax.Array
    c_trough: jax.Array
    quantiles: jax.Array  # float32 (rows, states, quantiles) over leukaemic cells, NaN without any
    stats: Stats
    inside: Any = ()  # int64 (rows, clones, columns), those of the leukaemic cells that are in the sanctuary; () without one
    stem: Any = ()  # float64 (rows, 5): stem cells, their births, deaths, those gained by grafts, those lost to the lineages; () where not followed


class Burden(NamedTuple):
    """The cheap look that decides when a row qualifies."""

    cells: jax.Array  # int64 (rows, clones, columns)
    blood: jax.Array  # float64 (rows, lineages), healthy blood cells


def _lineages(state: HealthyState, donors: Any) -> Lineages:
    """Healthy cells; those of donors are blood cells that were gained."""
    cells = jnp.stack([jnp.sum(x, axis=2) for x in (state.progenitors, state.transit, state.blood)], axis=2)
    own = Lineages(cells=cells, births=state.births, deaths=state.deaths, gained=state.gained, lost=state.lost)
    if not donors:
        return own
    blood = own.cells.at[:, :, 2].add(jnp.sum(donors.cells, axis=2))
    return own._replace(cells=blood, deaths=own.deaths.at[:, :, 2].add(donors.died), gained=own.gained.at[:, :, 2].add(donors.given))


def _stem(state: Any) -> Any:
    if not state or not state.stem:
        return ()
    return jnp.stack([jnp.sum(state.stem.cells, axis=(1, 2)), state.stem.births, state.stem.deaths, state.stem.gained, state.stem.lost], axis=1)


def _inside(params: XenograftParams, carry: Carry) -> Any:
    if isinstance(params.inside, tuple):
        return ()
    packets, clones = carry.packets, carry.tally.cells.shape[1]
    within = jnp.asarray(params.inside)[packets.kind]
    counted = [sum_by_clone(jnp.where(within, c, 0.0), packets.clone, clones) for c in packets.counts]
    return jnp.stack(counted, axis=2).astype(jnp.int64)


def _quantiles(values: jax.Array, n: jax.Array) -> jax.Array:
    """Quantiles over cells of a state of their packets: float32 (rows, quantiles).

    Args:
        values: float32 (rows, packets), not negative.
        n: Cells of each packet, float64 whole numbers.
    """
    place = jnp.broadcast_to(jnp.arange(values.shape[1], dtype=jnp.uint64), values.shape)
    bits = lax.bitcast_convert_type(values, jnp.uint32).astype(jnp.uint64)
    order = lax.sort((bits << np.uint64(32)) | place, dimension=1)
    counts = jnp.take_along_axis(n, (order & np.uint64(0xFFFFFFFF)).astype(jnp.int32), axis=1)
    below = jnp.cumsum(counts, axis=1)
    total = below[:, -1:]
    ordered = lax.bitcast_convert_type((order >> np.uint64(32)).astype(jnp.uint32), jnp.float32)
    picked = []
    for q in QUANTILES:
        first = jnp.argmax(below >= jnp.maximum(jnp.ceil(q * total), 1.0), axis=1)
        picked.append(jnp.take_along_axis(ordered, first[:, None], axis=1)[:, 0])
    return jnp.where(total > 0.0, jnp.stack(picked, axis=1), np.float32(np.nan))


def observe(params: XenograftParams, carry: Carry) -> Observation:
    """Everything that the series hold."""
    n = total_count(carry.packets)
    record = carry.rows.record
    return Observation(
        tally=carry.tally,
        lineages=_lineages(carry.rows.healthy, carry.rows.donors) if carry.rows.healthy else (),
        concentration=record.now,
        auc=record.auc,
        c_max=record.c_max,
        c_trough=record.c_trough,
        quantiles=jnp.stack([_quantiles(getattr(carry.packets.fast, name), n) for name in STATES], axis=1),
        stats=carry.stats,
        inside=_inside(params, carry),
        stem=_stem(carry.rows.healthy),
    )


def observe_donors(params: XenograftParams, carry: Carry) -> Any:
    """Transfused cells, `abm.models.donors.DonorCells`."""
    return carry.rows.donors


def observe_healthy(params: XenograftParams, carry: Carry) -> HealthyState:
    """Healthy cells as they stand."""
    state: HealthyState = carry.rows.healthy
    return state


def observe_burden(params: XenograftParams, carry: Carry) -> Burden:
    """Leukaemic and blood cells."""
    return Burden(cells=carry.tally.cells, blood=jnp.sum(carry.rows.healthy.blood, axis=2))
