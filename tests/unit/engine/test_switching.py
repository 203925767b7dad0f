"""Cells that switch: the exact two-state law with few packets and with single cells, books, states, bitwise invariances.

Level of each check with chance as in `tests.false_alarm`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from abm.engine.clones import CloneLayout, CloneTable, empty_table
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, kind_of, mutate
from abm.engine.mutation import Rule as MutationRule
from abm.engine.packets import Packets, Words, new_packets, sum_by_clone, total_count
from abm.engine.program import Carry, Rates, Subjects, start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.engine.switching import Rule, switch, switching_probabilities
from abm.engine.transition import constant_law
from abm.models.theory.program import OneColumn, replicate_keys
from tests import seeds
from tests.false_alarm import spread, within
from tests.small_trial import chosen, differences

ON, OFF = (0.15, 0.02), (0.25, 0.1)
TWO_FOUNDERS = CloneLayout(2, 2, 3, (0, 1))
FACTORS = np.array([0.25, 4.0], np.float32)
DAYS = 6.0


class Trait(NamedTuple):
    sensitivity: Any


class Rows(NamedTuple):
    clones: CloneTable


@dataclasses.dataclass(frozen=True)
class Switching(OneColumn):
    """Cells that divide and die at given rates, die by their sensitivity and switch two mechanisms; the second also arises at division."""

    layout: CloneLayout = TWO_FOUNDERS
    on: tuple[float, ...] = ON
    off: tuple[float, ...] = OFF
    division: float = 0.0
    kill: float = 0.0
    chance: float = 0.0

    def step(self, params: Any, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        h32 = h.astype(jnp.float32)
        division = jnp.full(packets.clone.shape, np.float32(self.division))
        left = jnp.asarray(unmutated(self.layout.chances([0.0, self.chance][: self.layout.mechanisms]).sum(axis=0), "one"), jnp.float32)[kind_of(packets)]
        death = np.float32(self.kill) * packets.traits.sensitivity
        return rows, packets.fast, Rates(constant_law(division * left, death, h32), division * h32, jnp.zeros_like(division))

    def mutate(self, params: Any, rows: Rows, packets: Packets, words: Words, days: jax.Array, day: jax.Array) -> tuple[Any, Packets, Mutations]:
        def inherit(traits: Trait, fast: Any, mechanism: np.ndarray) -> tuple[Trait, Any]:
            return Trait(traits.sensitivity * FACTORS[mechanism][None, :]), fast

        def convert(traits: Trait, fast: Any, kind: jax.Array, mechanism: int) -> tuple[Trait, Any]:
            gains = (kind // self.layout.founders >> mechanism) & 1 == 1
            return Trait(jnp.where(gains, traits.sensitivity * FACTORS[mechanism], traits.sensitivity / FACTORS[mechanism])), fast

        clones, made = rows.clones, None
        if self.chance:
            exposure = jnp.full(packets.clone.shape, self.division) * days
            chances = jnp.asarray(self.layout.chances([0.0, self.chance]))
            packets, clones, made = mutate(MutationRule(self.layout, "one", False, inherit), packets, clones, exposure, chances, words, day)
        if self.layout.switching:
            packets, clones, switched = switch(Rule(self.layout, False, convert), packets, clones, jnp.array(self.on), jnp.array(self.off), words, days, day)
            made = made or Mutations(jnp.zeros_like(clones.origins), jnp.zeros_like(clones.origins))
            made = made._replace(arrived=switched.arrived, left=switched.left)
        return Rows(clones), packets, made

    def coordinate(self, params: Any, packets: Packets) -> jax.Array:
        return jnp.log(packets.traits.sensitivity)


def simulation(
    model: Switching, subjects: int, cells: float, packets: int, *, capacity: int | None = None, first: int = 0, carry: Carry | None = None, step: int = 0
) -> Simulation:
    """`subjects` subjects of `cells` alike cells in `packets` packets, every fourth of the second founder where there are two."""
    keys = replicate_keys(seeds.seed(1), "switching", first + subjects)[first:]
    if carry is None:
        n = int(min(packets, cells))
        shape = (subjects, n)
        counts = np.diff(np.floor(np.arange(n + 1) * cells / n))
        clone = np.broadcast_to((np.arange(n) % 4 == 3) * (model.layout.founders - 1), shape).astype(np.int32)
        traits = Trait(np.ones(shape, np.float32))
        made = new_packets([np.broadcast_to(counts, shape)], clone, traits, (), capacity or 2 * packets + 96, clone)
        carry = start_carry(model, made, Rows(empty_table(model.layout, subjects)))
    return Simulation(model, packets, (), (), keys, carry, make_grid(DAYS, 6.0, 12.0, 24.0), devices=1, step=step)


def finished(model: Switching, subjects: int, cells: float, packets: int) -> Carry:
    s = simulation(model, subjects, cells, packets)
    s.run_to(s.grid.steps)
    return s.carry()


def by_kind(carry: Carry, kinds: int) -> np.ndarray:
    """Cells of every kind, (subjects, kinds)."""
    packets = carry.packets
    return np.stack([np.where(np.asarray(packets.kind) == k, np.asarray(total_count(packets)), 0.0).sum(axis=1) for k in range(kinds)], axis=1)


def exact(on: float, off: float) -> float:
    return on / (on + off) * -np.expm1(-(on + off) * DAYS)


def test_probabilities_of_a_window() -> None:
    p = [float(x) for x in switching_probabilities(jnp.float64(0.3), jnp.float64(0.1), jnp.float64(2.0))]
    assert p == pytest.approx([0.75 * (1 - np.exp(-0.8)), 0.25 * (1 - np.exp(-0.8))], rel=1e-14)
    assert [float(x) for x in switching_probabilities(jnp.float64(0.0), jnp.float64(0.0), jnp.float64(1.0))] == [0.0, 0.0]
    slow = switching_probabilities(jnp.float64(1e-5), jnp.float64(0.0), jnp.float64(0.25))
    assert float(slow[0]) == pytest.approx(2.5e-6, rel=2e-6)


def test_rows_may_differ_in_the_hazards_of_switching_on() -> None:
    """Against the matrix exponential of every row and switch."""
    factor = np.array([[0.0], [1.0], [7.0]])
    on, off = np.array(ON)[:, None, None] * factor, np.array(OFF)[:, None, None]
    p_on, p_off = switching_probabilities(jnp.asarray(on), jnp.asarray(off), jnp.float64(DAYS))
    for m in range(len(ON)):
        for row in range(len(factor)):
            a, b = float(on[m, row, 0]), OFF[m]
            exact = expm(DAYS * np.array([[-a, b], [a, -b]]))
            assert (float(p_on[m, row, 0]), float(p_off[m, row, 0])) == pytest.approx((exact[1, 0], exact[0, 1]), rel=1e-12, abs=1e-15)


def test_two_mechanisms_follow_the_exact_law_of_two_states() -> None:
    """Cells that neither divide nor die, in packets of one that turn in their place: numbers of the four kinds are multinomial."""
    cells, subjects, packets = 160, 400, 160
    model = Switching(layout=CloneLayout(1, 2, 0, (0, 1)), n_clones=CloneLayout(1, 2, 0).n_clones)
    end = finished(model, subjects, cells, packets)
    found = by_kind(end, 4)
    assert np.all(found.sum(axis=1) == cells)
    p, q = exact(ON[0], OFF[0]), exact(ON[1], OFF[1])
    law = np.array([(1 - p) * (1 - q), p * (1 - q), (1 - p) * q, p * q])
    variance = cells * law * (1.0 - law)
    within(found.mean(axis=0), cells * law, np.sqrt(variance / subjects), what="cells of a kind")
    # The variance of a variance from the fourth moment of a binomial number.
    kurtosis = 3.0 + (1.0 - 6.0 * law * (1.0 - law)) / variance
    error = variance * np.sqrt((kurtosis - (subjects - 3) / (subjects - 1)) / subjects)
    within(found.var(axis=0, ddof=1), variance, error, what="variance of the cells of a kind")
    assert end.rows.clones.unplaced.sum() == end.rows.clones.joined.sum() == 0


def test_slow_switching_of_very_many_cells_has_the_exact_mean() -> None:
    """1e12 cells in 8 packets, 1e-5 a day: mean and variance of the cells that are on, the mean to a part in 1e5."""
    cells, subjects = 1e12, 64
    model = Switching(layout=CloneLayout(1, 1, 0, (0,)), n_clones=CloneLayout(1, 1, 0).n_clones, on=(1e-5,), off=(1e-2,))
    end = finished(model, subjects, cells, 8)
    p = exact(1e-5, 1e-2)
    found = by_kind(end, 2)[:, 1]
    within(found.mean(), cells * p, np.sqrt(cells * p / subjects), allowed=1e-6 * cells * p, what="cells that are on")
    spread(found[:, None], cells * p * (1.0 - p), what="variance of the cells that are on")


@functools.cache
def whole() -> Carry:
    """Three subjects whose cells divide, die, mutate and switch."""
    return finished(LIVELY, 3, 900.0, 32)


LIVELY = Switching(n_clones=TWO_FOUNDERS.n_clones, division=0.4, kill=0.3, chance=0.02)


def test_books_balance_to_the_cell_and_cells_that_switch_are_not_born() -> None:
    end, n_clones = whole(), LIVELY.n_clones
    tally, start = end.tally, simulation(LIVELY, 3, 900.0, 32).carry().tally.cells
    cells = np.asarray(sum_by_clone(end.packets.counts[0], end.packets.clone, n_clones))
    net = (tally.births - tally.deaths[:, :, 0] + tally.gained - tally.lost) + (tally.arrived - tally.left)[:, :, 0]
    np.testing.assert_array_equal(start[:, :, 0] + net, cells)
    assert min(tally.births.min(), tally.arrived.min(), tally.left.min()) >= 0
    np.testing.assert_array_equal(tally.arrived.sum(axis=1), tally.left.sum(axis=1))
    assert tally.arrived[:, :2].sum() > 50
    assert tally.gained[:, :2].sum() == tally.lost.sum() == 0
    assert end.rows.clones.unplaced.sum() == end.rows.clones.joined.sum() == 0


def test_cells_are_what_they_have_switched_to() -> None:
    """Kind, clone row and trait agree; a cell that switched off is what it was; rows into which cells switched are in use."""
    packets, layout, table = whole().packets, LIVELY.layout, whole().rows.clones
    alive = np.asarray(total_count(packets)) > 0
    kind, clone, trait = (np.asarray(x)[alive] for x in (packets.kind, packets.clone, packets.traits.sensitivity))
    assert set((kind // 2).tolist()) == {0, 1, 2, 3}
    has = np.stack([layout.has(kind, m) for m in range(2)])
    assert trait == pytest.approx(np.prod(np.where(has, FACTORS[:, None], 1.0), axis=0), rel=1e-6)
    last = layout.mechanism_of[clone]
    assert np.all(has[last[last >= 0], np.flatnonzero(last >= 0)])
    assert np.array_equal(last < 0, ~has.any(axis=0))
    row = np.nonzero(alive)[0]
    assert np.all(table.origins[row, clone] > 0)
    used = (table.origins > 0) & (layout.mechanism_of >= 0)
    assert np.all(table.origins[np.arange(3)[:, None], np.where(used, table.parent, 0)] > 0)
    for r, mask in enumerate(alive):
        uid = (np.asarray(packets.uid_high)[r].astype(np.uint64) << np.uint64(32)) | np.asarray(packets.uid_low)[r]
        assert len(np.unique(uid[mask])) == mask.sum()


def test_bitwise_invariances() -> None:
    """A subject alone, with more places and a stop in between, is to the bit the subject in a batch."""
    wide = simulation(LIVELY, 1, 900.0, 32, first=1, capacity=320)
    wide.run_to(10)
    again = simulation(LIVELY, 1, 900.0, 32, first=1, carry=wide.carry(), step=10)
    again.run_to(again.grid.steps)
    alone, there = again.carry(), chosen(whole(), [1])
    assert differences((alone.tally, alone.rows, alone.stats), (there.tally, there.rows, there.stats)) == []
    mask = np.asarray(total_count(there.packets)) > 0
    for x, y in zip(jax.tree.leaves(alone.packets), jax.tree.leaves(there.packets), strict=True):
        assert np.array_equal(x[:, : mask.shape[1]][mask], y[mask])


def test_rows_to_which_cells_return() -> None:
    layout = CloneLayout(2, 3, 4)
    assert layout.row_of_kind[:2].tolist() == [0, 1]
    assert layout.mechanism_of[layout.row_of_kind[2:4]].tolist() == [0, 0]
    assert layout.row_of_kind[2:4].tolist() == layout.pooled_row[:2, 0].tolist()
    both = layout.row_of_kind[2 * 0b110]
    assert layout.mechanism_of[both] == 2
    assert both == layout.pooled_row[layout.start(1), 2]
