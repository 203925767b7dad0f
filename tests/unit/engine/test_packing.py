"""Merging and splitting: nothing is lost, the resolution is kept, single cells stay single."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abm.engine.packets import Packets, new_packets, sum_by_clone, total_count
from abm.engine.packing import clone_shares, repack
from abm.engine.transition import no_time

ROWS, CAPACITY, RESOLUTION, CLONES = 2, 64, 48, 3


class Trait(NamedTuple):
    """The one inherited number of these packets."""

    x: jax.Array


def packets_of(counts: list[np.ndarray], clone: np.ndarray, x: np.ndarray, capacity: int = CAPACITY) -> Packets:
    trait = Trait(jnp.asarray(x, jnp.float32))
    return new_packets(counts, clone, trait, trait, capacity)


@functools.partial(jax.jit, static_argnums=(1, 2))
def packed(packets: Packets, resolution: int, n_clones: int, key: jax.Array) -> tuple[Packets, jax.Array, jax.Array, jax.Array]:
    keys = [(key[i, :, None], key[i + 2, :, None]) for i in (0, 1)]
    after, stats = repack(packets, packets.traits.x, n_clones, resolution, *keys)
    return after, stats.packets, stats.merges, stats.splits


def keys(seed: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, (4, rows), dtype=np.uint32)


def per_clone(packets: Packets, n_clones: int = CLONES) -> np.ndarray:
    """Cells (rows, clones, columns)."""
    return np.stack([np.asarray(sum_by_clone(c, packets.clone, n_clones)) for c in packets.counts], axis=2)


SIZES = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 2000), st.integers(0, 10**12))
COUNTS = arrays(np.int64, (2, ROWS, CAPACITY), elements=SIZES, fill=st.just(0))
CLONE = arrays(np.int32, (ROWS, CAPACITY), elements=st.integers(0, CLONES - 1))


@given(COUNTS, CLONE, st.integers(0, 1000))
def test_cells_are_conserved_and_the_resolution_kept(counts: np.ndarray, clone: np.ndarray, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(ROWS, CAPACITY))
    before = packets_of([counts[0].astype(float), counts[1].astype(float)], clone, x)
    after, in_use, merges, splits = packed(before, RESOLUTION, CLONES, keys(seed))
    np.testing.assert_array_equal(per_clone(after), per_clone(before))
    n = np.asarray(total_count(after))
    live_before, live = (np.asarray(total_count(before)) > 0).sum(1), (n > 0).sum(1)
    np.testing.assert_array_equal(np.asarray(in_use), live)
    np.testing.assert_array_equal(live_before - np.asarray(merges) + np.asarray(splits), live)
    # Live packets come first, and whole numbers stay whole.
    assert all(np.all(row[:k] > 0) and np.all(row[k:] == 0) for row, k in zip(n, live, strict=True))
    assert all(np.array_equal(c, np.rint(c)) and np.min(c) >= 0 for c in after.counts)
    uid = (np.asarray(after.uid_high).astype(np.uint64) << np.uint64(32)) | np.asarray(after.uid_low)
    assert all(len(np.unique(u[:k])) == k for u, k in zip(uid, live, strict=True))


@given(COUNTS, CLONE, st.integers(0, 1000))
def test_resolution_is_reached_by_repeated_packing(counts: np.ndarray, clone: np.ndarray, seed: int) -> None:
    """A packing merges each packet once at most, so that twice as many need two of them."""
    x = np.random.default_rng(seed).normal(size=(ROWS, CAPACITY))
    after = packets_of([counts[0].astype(float), counts[1].astype(float)], clone, x)
    for i in range(4):
        after, in_use, _, _ = packed(after, RESOLUTION, CLONES, keys(seed + i))
    assert np.max(np.asarray(in_use)) <= RESOLUTION


@given(arrays(np.int64, (ROWS, CAPACITY), elements=st.integers(0, 6), fill=st.just(0)), CLONE, st.integers(0, 1000))
def test_clones_that_fit_are_held_cell_by_cell(counts: np.ndarray, clone: np.ndarray, seed: int) -> None:
    before = packets_of([counts.astype(float)], clone, np.zeros((ROWS, CAPACITY)))
    cells = per_clone(before)[:, :, 0]
    shares = np.asarray(clone_shares(jnp.asarray(cells), RESOLUTION))
    after, in_use, _, _ = packed(before, RESOLUTION, CLONES, keys(seed))
    n, clones = np.asarray(total_count(after)), np.asarray(after.clone)
    for row in range(ROWS):
        if cells[row].sum() <= RESOLUTION:
            assert np.all(n[row][n[row] > 0] == 1.0)
        for c in range(CLONES):
            if 0 < cells[row, c] <= shares[row, c] and np.asarray(in_use)[row] < RESOLUTION:
                assert np.all(n[row][(n[row] > 0) & (clones[row] == c)] == 1.0)


@given(arrays(np.float64, (4, 5), elements=st.sampled_from([0.0, 1.0, 3.0, 40.0, 1e3, 1e6, 1e12])), st.sampled_from([8, 48, 1024]))
def test_shares(cells: np.ndarray, resolution: int) -> None:
    shares = np.asarray(clone_shares(jnp.asarray(cells), resolution))
    living = cells > 0
    assert np.all(shares[living] >= 1.0)
    assert np.all(shares[~living] == 0.0)
    assert np.all(shares <= np.maximum(cells, 0.0))
    assert np.all(shares.sum(axis=1) <= resolution)
    # The larger of two clones never has the smaller share.
    order = np.argsort(cells, axis=1, kind="stable")
    assert np.all(np.diff(np.take_along_axis(shares, order, axis=1), axis=1) >= 0.0)


def test_a_split_is_exact_and_even() -> None:
    counts = [np.zeros((ROWS, CAPACITY)) for _ in range(3)]
    counts[0][:, 0], counts[1][:, 0], counts[2][:, 0] = 1001.0, 503.0, 7.0
    before = packets_of(counts, np.zeros((ROWS, CAPACITY), int), np.full((ROWS, CAPACITY), 2.5))
    after, in_use, _, _ = packed(before, RESOLUTION, 1, keys(1))
    live = np.asarray(total_count(after)) > 0
    n = np.asarray(total_count(after))[live]
    assert n.sum() == ROWS * 1511.0
    assert n.max() - n.min() <= 1.0
    assert np.all(np.asarray(after.traits.x)[live] == np.float32(2.5))
    for column in after.counts:
        assert np.ptp(np.asarray(column)[live]) <= 1.0
    assert np.max(np.asarray(in_use)) <= RESOLUTION


def test_the_first_piece_keeps_the_uid() -> None:
    counts = np.zeros((ROWS, CAPACITY))
    counts[:, 3] = 10.0
    before = packets_of([counts], np.zeros((ROWS, CAPACITY), int), np.zeros((ROWS, CAPACITY)))
    after, _, _, _ = packed(before, RESOLUTION, 1, keys(2))
    assert np.asarray(after.uid_low)[:, 0].tolist() == [3, 3]
    assert np.asarray(after.uid_high)[:, 0].tolist() == [0, 0]


def test_merging_keeps_the_expected_number_of_cells_of_every_state() -> None:
    """2,000 subjects that differ in their key only; false alarm 1e-6 for each of the states."""
    rows = 2000
    g = np.random.default_rng(5)
    n, x = g.integers(1, 200, CAPACITY).astype(float), np.sort(g.normal(size=CAPACITY))
    wide = [np.broadcast_to(a, (rows, CAPACITY)) for a in (n, x)]
    before = packets_of([wide[0]], np.zeros((rows, CAPACITY), int), wide[1])
    after, _, merges, _ = packed(before, RESOLUTION, 1, keys(6, rows))
    assert np.asarray(merges).min() > 0
    at = np.searchsorted(x.astype(np.float32), np.asarray(after.traits.x))
    cells = np.zeros((rows, CAPACITY))
    counts = np.asarray(total_count(after))
    for i in range(CAPACITY):
        cells[:, i] = np.where((at == i) & (counts > 0), counts, 0.0).sum(axis=1)
    se = np.maximum(cells.std(axis=0, ddof=1) / np.sqrt(rows), 1e-9)
    assert np.abs((cells.mean(axis=0) - n) / se).max() < 5.6
    assert np.all(cells.sum(axis=1) == n.sum())


@pytest.mark.parametrize("capacity", [80, 128])
def test_capacity_and_empty_places_change_nothing(capacity: int) -> None:
    g = np.random.default_rng(7)
    counts, clone, x = g.integers(0, 500, (ROWS, 60)).astype(float), g.integers(0, CLONES, (ROWS, 60)), g.normal(size=(ROWS, 60))
    one, *first = packed(packets_of([counts], clone, x), RESOLUTION, CLONES, keys(8))
    other, *second = packed(packets_of([counts], clone, x, capacity), RESOLUTION, CLONES, keys(8))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        live = np.asarray(total_count(one)) > 0
        np.testing.assert_array_equal(np.asarray(a)[live], np.asarray(b)[:, :CAPACITY][live])


def test_uids_stay_unique_over_a_long_run() -> None:
    """Doubling and halving 300 times; uids are drawn from 2**64, so a chance collision has probability below 1e-9."""
    g = np.random.default_rng(9)
    packets = packets_of([np.full((ROWS, CAPACITY), 20.0)], np.zeros((ROWS, CAPACITY), int), g.normal(size=(ROWS, CAPACITY)))
    seen: set[int] = set()
    fresh = 0
    for step in range(300):
        packets, in_use, _, _ = packed(packets, RESOLUTION, 1, keys(100 + step))
        n = np.asarray(total_count(packets))
        uid = (np.asarray(packets.uid_high).astype(np.uint64) << np.uint64(32)) | np.asarray(packets.uid_low)
        for row, k in enumerate(np.asarray(in_use)):
            assert len(np.unique(uid[row, :k])) == k
        new = set(uid[0, : int(np.asarray(in_use)[0])].tolist()) - seen
        fresh, seen = fresh + len(new), seen | new
        # Some packets die out, others grow, as cells would.
        factor = g.choice([0.0, 1.0, 2.0], n.shape, p=[0.25, 0.5, 0.25])
        packets = packets._replace(counts=(jnp.asarray(np.maximum(n * factor, 0.0) + (np.arange(CAPACITY) == 0) * 5.0 * (n > 0)),))
    assert fresh > 2000


def test_laws_are_those_of_no_time_after_packing() -> None:
    before = packets_of([np.full((ROWS, CAPACITY), 100.0)], np.zeros((ROWS, CAPACITY), int), np.zeros((ROWS, CAPACITY)))
    after, *_ = packed(before, RESOLUTION, 1, keys(3))
    for a, b in zip(after.law, no_time(jnp.zeros((ROWS, CAPACITY), jnp.float32)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
