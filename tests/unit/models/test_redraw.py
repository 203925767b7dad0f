"""Redraw of traits at division: who, how often, what stays; nothing is lost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import resting_state
from abm.cells import TRAIT_FIELDS, Traits
from abm.engine.packets import Packets, new_packets, total_count
from abm.models.factors import wild_type
from abm.models.redraw import redraw
from abm.models.xenograft_setup import cell_params
from abm.records import enable_pytrees
from abm.streams import stacked_words
from tests.reference_parameters import parameters

enable_pytrees()
GIVEN = parameters()
CELL = cell_params(GIVEN.cell)
ROWS, N, CAPACITY = 50, 400, 512
MEANS: Traits = jax.tree.map(lambda x: jnp.full((ROWS, 1), x, jnp.float32), wild_type(mean_traits(GIVEN.leukaemia.traits, 100.0)))
CV = jnp.full((ROWS, 1), 0.1, jnp.float32)


def packets_of(cycling: float, quiescent: float, exposure: float, used: int = N) -> Packets:
    """`used` packets a row that all hold the same numbers of cells."""
    z = np.random.default_rng(2).standard_normal((7, ROWS, used)).astype(np.float32)
    traits = express(MEANS, list(z), CELL.amounts, np.float32(0.3), CV)
    traits = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x, jnp.float32), (ROWS, used)), traits)
    counts = [np.full((ROWS, used), cycling), np.full((ROWS, used), quiescent)]
    made = new_packets(counts, np.zeros((ROWS, used), int), traits, resting_state(traits, CELL), CAPACITY)
    return made._replace(division_exposure=jnp.full((ROWS, CAPACITY), exposure, jnp.float32))


@jax.jit
def renewed(packets: Packets, step: jax.Array) -> Packets:
    keys = jnp.arange(ROWS, dtype=jnp.uint32), jnp.full(ROWS, 3, jnp.uint32)

    def words(streams: tuple[int, ...], at: Any = None) -> tuple[Any, Any]:
        uids = [u if at is None else jnp.take_along_axis(u, at, axis=1) for u in (packets.uid_high, packets.uid_low)]
        return stacked_words(*keys, 2, step, streams, *uids)

    return redraw(packets, MEANS, CELL.amounts, CV, words)


def run(packets: Packets, step: int = 1) -> Packets:
    return renewed(packets, jnp.uint32(step))


@pytest.mark.parametrize("exposure", [0.05, 0.5])
def test_cells_redraw_at_twice_the_probability_times_the_divisions(exposure: float) -> None:
    before = packets_of(1.0, 0.0, exposure)
    after = run(before)
    changed = np.asarray(after.traits.bcl2 != before.traits.bcl2)[:, :N]
    p = -np.expm1(-2.0 * GIVEN.cell.amounts.redraw_probability * exposure)
    assert abs(changed.mean() - p) < 5.0 * np.sqrt(p * (1.0 - p) / changed.size)
    np.testing.assert_array_equal(np.asarray(total_count(after)), np.asarray(total_count(before)))
    assert np.all(np.asarray(after.division_exposure)[:, :N] == 0.0)


def test_a_redrawn_cell_keeps_its_competence_and_its_relative_activity() -> None:
    before, after = packets_of(1.0, 0.0, 2.0), run(packets_of(1.0, 0.0, 2.0))
    changed = np.asarray(after.traits.bcl2 != before.traits.bcl2)
    assert changed.sum() > 1000
    for name, info in TRAIT_FIELDS.items():
        same = np.asarray(getattr(after.traits, name) == getattr(before.traits, name))
        assert same[changed].mean() < 0.01 if info.redrawn else same.all(), name
        assert same[~changed].all(), name
    relative = [np.asarray(p.fast.mtorc1 / p.traits.set_point)[changed] for p in (before, after)]
    np.testing.assert_allclose(relative[1], relative[0], rtol=3e-7)
    logs = np.log(np.asarray(after.traits.bcl2)[changed])
    spread = np.log1p(GIVEN.cell.amounts.cv**2) + np.log1p(GIVEN.cell.amounts.cv_size**2)
    assert logs.std() == pytest.approx(np.sqrt(spread), rel=5.0 / np.sqrt(2.0 * logs.size))
    assert logs.mean() == pytest.approx(np.log(300.0) - spread / 2.0, abs=5.0 * np.sqrt(spread / logs.size))


def test_quiescent_cells_stay_behind_and_nothing_is_lost() -> None:
    before = packets_of(7.0, 5.0, 0.1)
    after = run(before)
    live = np.asarray(total_count(after)) > 0
    assert live.sum() > ROWS * N
    for column, total in zip(after.counts, (7.0 * N, 5.0 * N), strict=True):
        assert np.all(np.asarray(column).sum(axis=1) == total)
    fresh = np.arange(CAPACITY) >= N
    assert np.all(np.asarray(after.counts[1])[:, fresh] == 0.0)
    np.testing.assert_array_equal(np.asarray(after.traits.bcl2)[:, :N], np.asarray(before.traits.bcl2)[:, :N])
    uid = (np.asarray(after.uid_high).astype(np.uint64) << np.uint64(32)) | np.asarray(after.uid_low)
    assert all(len(np.unique(u[k])) == k.sum() for u, k in zip(uid, live, strict=True))


def test_packets_without_a_free_place_wait_with_their_exposure() -> None:
    """All cells want to go apart; only as many as there are places do, and the untested keep their exposure."""
    before = packets_of(7.0, 5.0, 50.0, used=500)
    after = run(before)
    assert np.all(np.asarray(after.counts[0]).sum(axis=1) == 3500.0)
    moved = np.asarray(after.counts[0])[:, :500] == 0.0
    assert np.all(moved.sum(axis=1) == CAPACITY - 500)
    waiting = np.asarray(after.division_exposure)[:, :500]
    assert np.all(waiting[moved] == 0.0)
    assert np.all(waiting[:, CAPACITY - 500 + 1 :] == 50.0)


def test_whole_packets_redraw_as_often_as_cells() -> None:
    """The expected number of cells of every state does not depend on how cells stand in packets."""
    p = -np.expm1(-2.0 * GIVEN.cell.amounts.redraw_probability * 0.3)
    for cycling in (1.0, 1000.0):
        after = run(packets_of(cycling, 0.0, 0.3), step=9)
        changed = np.asarray(after.traits.bcl2 != packets_of(cycling, 0.0, 0.3).traits.bcl2)[:, :N]
        assert abs(changed.mean() - p) < 5.0 * np.sqrt(p * (1.0 - p) / changed.size)
