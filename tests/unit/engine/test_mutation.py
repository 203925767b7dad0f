"""Mutants in a light model whose cells differ: books, places, the clone table, bitwise invariances, laws.

Two founders and two mechanisms; every cell divides and dies at rates of its own, and a
mechanism multiplies its sensitivity.  Level of each check with chance as in `tests.false_alarm`.
"""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm
from scipy.stats import ks_2samp

from abm.engine.clones import CloneLayout, CloneTable, empty_table, rows_for, with_origins
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, Rule, kind_of, mutate, places_for
from abm.engine.packets import Packets, new_packets, sum_by_clone, total_count
from abm.engine.program import Carry, Rates, Subjects, Words, start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.engine.transition import constant_law
from abm.models.theory.program import OneColumn, replicate_keys
from abm.streams import stacked_words
from tests import seeds
from tests.false_alarm import Z, p_holds, student, within
from tests.small_trial import chosen, differences

DAYS, CELLS = 12.0, 600
FACTORS = np.array([0.25, 0.0], np.float32)
CHANCES = (0.02, 0.01)
SUBJECTS = 200
NO_OWN_ROWS = CloneLayout(2, 2, 0)


class Trait(NamedTuple):
    sensitivity: Any


class Rows(NamedTuple):
    clones: CloneTable


@dataclasses.dataclass(frozen=True)
class Light(OneColumn):
    """Cells divide at 0.4 per day and die at 0.1 and, from day 4, at 0.8 times their sensitivity."""

    layout: CloneLayout = NO_OWN_ROWS
    chances: tuple[float, float] = CHANCES

    @property
    def table(self) -> np.ndarray:
        return self.layout.chances(self.chances)

    def step(self, params: Any, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        h32 = h.astype(jnp.float32)
        division = jnp.full(packets.clone.shape, np.float32(0.4))
        left = jnp.asarray(unmutated(self.table.sum(axis=0), "one"), jnp.float32)[kind_of(packets)]
        death = np.float32(0.1) + jnp.where(k >= 16, np.float32(0.8), np.float32(0.0)) * packets.traits.sensitivity
        return rows, packets.fast, Rates(constant_law(division * left, death, h32), division * h32, jnp.zeros_like(division))

    def mutate(self, params: Any, rows: Rows, packets: Packets, words: Words, days: jax.Array, day: jax.Array) -> tuple[Any, Packets, Mutations]:
        def inherit(traits: Trait, fast: Any, mechanism: np.ndarray) -> tuple[Trait, Any]:
            return Trait(traits.sensitivity * FACTORS[mechanism][None, :]), fast

        exposure = jnp.full(packets.clone.shape, 0.4) * days
        packets, clones, made = mutate(Rule(self.layout, "one", False, inherit), packets, rows.clones, exposure, jnp.asarray(self.table), words, day)
        return Rows(clones), packets, made

    def coordinate(self, params: Any, packets: Packets) -> jax.Array:
        sensitivity: jax.Array = packets.traits.sensitivity
        return sensitivity


def simulation(
    subjects: int, packets: int, *, own: int = 3, capacity: int | None = None, carry: Carry | None = None, step: int = 0, seed: int = 1,
    chances: tuple[float, float] = CHANCES, first: int = 0, alike: bool = False,
) -> Simulation:  # fmt: skip
    model = Light(layout=CloneLayout(2, 2, own), n_clones=CloneLayout(2, 2, own).n_clones, chances=chances)
    keys = replicate_keys(seeds.seed(seed), "light", first + subjects)[first:]
    grid = make_grid(DAYS, 6.0, 12.0, 24.0)
    if carry is None:
        n = min(packets, CELLS)
        counts = np.diff(np.arange(n + 1) * CELLS // n).astype(float)
        clone = np.where(np.arange(n) % 8 == 0, 1, 0).astype(np.int32)
        strata = np.ones(n) if alike else np.exp(0.5 * np.sin(np.arange(n) * 2.4) * 1.2)
        shape = (subjects, n)
        traits = Trait(np.broadcast_to(strata.astype(np.float32), shape))
        made = new_packets(
            [np.broadcast_to(counts, shape)], np.broadcast_to(clone, shape), traits, (), capacity or 2 * packets + 48, np.broadcast_to(clone, shape)
        )
        carry = start_carry(model, made, Rows(empty_table(model.layout, subjects)))
    return Simulation(model, packets, (), (), keys, carry, grid, devices=1, step=step)


@functools.cache
def whole() -> Carry:
    """Three subjects with 32 packets after twelve days."""
    s = simulation(3, 32)
    s.run_to(s.grid.steps)
    return s.carry()


def live(packets: Packets) -> np.ndarray:
    return np.asarray(total_count(packets)) > 0


def test_books_balance_to_the_cell_and_mutants_are_not_born() -> None:
    end, layout = whole(), CloneLayout(2, 2, 3)
    tally, start = end.tally, simulation(3, 32).carry().tally.cells
    cells = np.asarray(sum_by_clone(end.packets.counts[0], end.packets.clone, layout.n_clones))
    np.testing.assert_array_equal(cells, tally.cells[:, :, 0])
    np.testing.assert_array_equal(start[:, :, 0] + tally.births - tally.deaths[:, :, 0] + tally.gained - tally.lost, cells)
    assert tally.births.min() >= 0
    assert tally.gained[:, :2].sum() == tally.lost.sum() == 0
    assert tally.gained.sum(axis=1).min() >= 5
    assert end.rows.clones.unplaced.sum() == end.rows.clones.joined.sum() == 0


def test_cells_are_what_their_mechanisms_make_them() -> None:
    """Kind, clone row and trait of every packet agree, double mutants too; uids are unique."""
    packets, layout = whole().packets, CloneLayout(2, 2, 3)
    mask = live(packets)
    kind, clone, sensitivity = (np.asarray(x)[mask] for x in (packets.kind, packets.clone, packets.traits.sensitivity))
    assert set((kind // 2).tolist()) == {0, 1, 2, 3}
    has = np.stack([layout.has(kind, m) for m in range(2)])
    last = layout.mechanism_of[clone]
    assert np.all(has[last[last >= 0], np.flatnonzero(last >= 0)])
    assert np.array_equal(last < 0, ~has.any(axis=0))
    assert np.all(sensitivity[has[1]] == 0.0)
    founders = set(np.unique(np.asarray(simulation(1, 32).carry().packets.traits.sensitivity)).tolist())
    assert set(np.unique(sensitivity[~has.any(axis=0)]).tolist()) <= founders
    assert set(np.unique(sensitivity[has[0] & ~has[1]]).tolist()) <= {float(np.float32(f) * np.float32(0.25)) for f in founders}
    uid = (np.asarray(packets.uid_high).astype(np.uint64) << np.uint64(32)) | np.asarray(packets.uid_low)
    for row, alive in zip(uid, mask, strict=True):
        assert len(np.unique(row[alive])) == alive.sum()


def test_the_table_tells_where_mutants_came_from() -> None:
    table, layout, tally = whole().rows.clones, CloneLayout(2, 2, 3), whole().tally
    used = table.origins > 0
    assert np.array_equal(used[:, :2], np.ones((3, 2), bool))
    assert table.parent[:, 0].tolist() == [-1] * 3
    for row, clone in zip(*np.nonzero(used), strict=True):
        parent = table.parent[row, clone]
        assert clone == 0 or (0 <= parent < layout.n_clones and table.origins[row, parent] > 0)
        if clone >= 2:
            assert layout.mechanism_of[parent] != layout.mechanism_of[clone]
            assert 0.0 < table.birth_day[row, clone] < DAYS
            assert layout.pooled[clone] or table.origins[row, clone] == 1
    assert np.all(used[:, 2:].astype(int) <= (tally.gained[:, 2:] > 0).astype(int))
    pooled = layout.pooled & (layout.mechanism_of >= 0)
    np.testing.assert_array_equal(table.origins[:, pooled], tally.gained[:, pooled])


def test_rows_of_extinct_clones_are_used_again_unless_they_have_descendants() -> None:
    layout = CloneLayout(1, 1, 2)
    table = jax.tree.map(jnp.asarray, empty_table(layout, 1))
    mothers, mechanisms = np.array([0, 0, 0]), np.array([0, 0, 0])

    def arise(table: CloneTable, cells: list[float], origins: list[float], day: float) -> tuple[list[int], CloneTable]:
        number = jnp.asarray([origins], jnp.float64)
        target = rows_for(layout, table, jnp.asarray([cells], jnp.float64), number, mothers, mechanisms)
        return np.asarray(target)[0].tolist(), with_origins(layout, table, target, number, mothers, jnp.float64(day))

    target, table = arise(table, [9.0, 0.0, 0.0, 0.0], [1.0, 3.0, 1.0], 1.0)
    assert target == [1, 3, 2]
    assert np.asarray(table.origins)[0].tolist() == [1, 1, 1, 3]
    target, table = arise(table, [9.0, 0.0, 4.0, 1.0], [1.0, 0.0, 1.0], 2.0)
    assert (target[0], target[2]) == (1, 3)
    assert np.asarray(table.birth_day)[0].tolist() == [0.0, 2.0, 1.0, 1.0]
    assert np.asarray(table.origins)[0].tolist() == [1, 1, 1, 4]
    child = table._replace(parent=table.parent.at[0, 2].set(1))
    assert arise(child, [9.0, 0.0, 4.0, 1.0], [1.0, 0.0, 0.0], 3.0)[0][0] == 3


def test_layout_of_the_table() -> None:
    layout = CloneLayout(2, 3, 4)
    assert layout.n_clones == 2 + 3 * (4 + 2 + 2) == len(layout.mechanism_of) == len(layout.pooled)
    shared = {(c, m): layout.pooled_row[c, m] for c in range(layout.n_clones) for m in range(3) if layout.mechanism_of[c] != m}
    for (clone, m), row in shared.items():
        assert layout.pooled[row]
        assert layout.mechanism_of[row] == m
        for (other, n), same in shared.items():
            alike = clone == other if min(layout.mechanism_of[[clone, other]]) < 0 else layout.mechanism_of[clone] == layout.mechanism_of[other]
            assert (same == row) == (m == n and alike)
    assert layout.chances([0.1, 0.2, 0.3])[:, [0, 1, 2, 15]].tolist() == [[0.1, 0.1, 0.0, 0.0], [0.2, 0.2, 0.2, 0.0], [0.3, 0.3, 0.3, 0.0]]
    assert CloneLayout(2).n_clones == 2


def test_bitwise_invariances() -> None:
    """A subject alone, with more places and a stop in between, is to the bit the subject in a batch."""
    wide = simulation(1, 32, first=1, capacity=256)
    wide.run_to(20)
    again = simulation(1, 32, first=1, capacity=256, carry=wide.carry(), step=20)
    again.run_to(again.grid.steps)
    alone, there = again.carry(), chosen(whole(), [1])
    assert differences((alone.tally, alone.rows, alone.stats), (there.tally, there.rows, there.stats)) == []
    mask = live(there.packets)
    for x, y in zip(jax.tree.leaves(alone.packets), jax.tree.leaves(there.packets), strict=True):
        assert np.array_equal(x[:, : mask.shape[1]][mask], y[mask])
    assert not live(alone.packets)[:, mask.shape[1] :].any()


def outcomes(own: int, packets: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mutant cells on day 12, day on which there were 600 of them or infinity, double mutants), cells of a clone being alike."""
    s = simulation(SUBJECTS, packets, own=own, seed=seed, alike=True)
    layout, day = CloneLayout(2, 2, own), np.full(SUBJECTS, np.inf)
    for step in range(4, s.grid.steps + 1, 4):
        s.run_to(step)
        cells = s.observe(_cells)
        mutants = cells[:, 2:].sum(axis=1)
        day = np.where((mutants >= 600) & np.isinf(day), s.grid.times[step], day)
    packed = s.carry().packets
    double = np.where(np.asarray(packed.kind) // layout.founders == 3, np.asarray(total_count(packed)), 0.0).sum(axis=1)
    return mutants, day, double


def _cells(params: Any, carry: Carry) -> jax.Array:
    return jnp.sum(carry.tally.cells, axis=2)


def expected_cells() -> np.ndarray:
    """Cells of the four sets of mechanisms on day 12, from the linear equations of their means."""
    mean = np.array([CELLS, 0.0, 0.0, 0.0])
    u, v = CHANCES
    sensitivity = np.array([1.0, FACTORS[0], FACTORS[1], FACTORS[0] * FACTORS[1]])
    arises = 0.4 * np.array([[0, 0, 0, 0], [u, 0, 0, 0], [v, 0, 0, 0], [0, v, u, 0]])
    for days, kill in ((4.0, 0.0), (8.0, 0.8)):
        own = np.diag(0.4 * np.array([1 - u - v, 1 - v, 1 - u, 1.0]) - 0.1 - kill * sensitivity)
        mean = expm((own + arises) * days) @ mean
    return mean


def test_rows_and_packets_do_not_change_the_law() -> None:
    """No own rows and 12 packets against 6 own rows and 48: mutants, the day of relapse, double mutants, and exact means."""
    few, many = outcomes(0, 12, seed=5), outcomes(6, 48, seed=6)
    p_holds([ks_2samp(few[i], many[i], method="asymp").pvalue for i in (0, 1)], "mutants, day of relapse")
    assert 0.2 < np.isfinite(few[1]).mean() < 0.99
    exact = expected_cells()
    for mutants, _, double in (few, many):
        # Windows of 12 hours leave 0.2 % in the mean of what arises.
        student(mutants, float(exact[1:].sum()), allowed=2e-3 * float(exact[1:].sum()), what="mutants")
        student(double, float(exact[3]), allowed=4e-3 * float(exact[3]), what="double mutants")


def test_mutants_inherit_from_mothers_in_proportion() -> None:
    """Packets that emit many mutants: the groups keep the expected number of cells of every state and lose none."""
    layout = CloneLayout(1, 1, 0)
    rows, n = 2000, 12
    counts = np.broadcast_to(np.arange(1.0, n + 1.0) * 1e4, (rows, n))
    made = new_packets(
        [counts], np.zeros((rows, n), np.int32), Trait(np.broadcast_to(np.arange(n, dtype=np.float32), (rows, n))), (), 32, np.zeros((rows, n), np.int32)
    )
    model = Light(layout=layout, n_clones=layout.n_clones)
    subjects = replicate_keys(seeds.seed(3), "x", rows)
    s = Simulation(model, 32, (), (), subjects, start_carry(model, made, Rows(empty_table(layout, rows))), make_grid(1.0, 12.0, 24.0, 24.0), devices=1)

    def once(params: Any, carry: Carry) -> Any:
        def words(streams: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
            keys = jnp.asarray(subjects)
            return stacked_words(keys[:, 0], keys[:, 1], 2, jnp.uint32(1), streams, carry.packets.uid_high, carry.packets.uid_low)

        rule = Rule(layout, "one", False, lambda traits, fast, mechanism: (traits, fast))
        exposure = jnp.full(carry.packets.clone.shape, 1e-3)
        packets, table, mutations = mutate(rule, carry.packets, carry.rows.clones, exposure, jnp.asarray(layout.chances([0.5])), words, jnp.float64(1.0))
        return packets.counts[0], packets.traits.sensitivity, packets.clone, table.origins, mutations.gained

    after, trait, clone, origins, gained = s.observe(once)
    mutants = np.where(clone == 1, after, 0.0)
    np.testing.assert_array_equal(mutants.sum(axis=1), gained[:, 1])
    np.testing.assert_array_equal(origins[:, 1], gained[:, 1])
    assert np.array_equal(np.where(clone == 0, after, 0.0)[:, :n], counts)
    expected = counts[0].sum() * 5e-4
    within(gained[:, 1].mean(), expected, np.sqrt(expected / rows), what="mutants")
    assert ((mutants > 0).sum(axis=1) == 4).all()
    mean = (mutants * trait).sum(axis=1) / mutants.sum(axis=1)
    truth = float(np.sum(np.arange(n) * counts[0]) / counts[0].sum())
    student(mean, truth, what="mean state of the mutants")
    # The bound resolves a fiftieth of the range of the states.
    assert Z * mean.std() / np.sqrt(rows) < 0.22


def test_clones_that_arise_later_find_a_place_however_many_mutants_would_like_one() -> None:
    """Mutants that can join a packet of their clone take half of the free places at most; those of a new clone come first, window by window."""
    capacity, living = 16, 8
    clone = np.zeros((1, capacity), np.int32)
    lacking = 0
    for new_clone in (1, 2, 3):
        packets: Any = SimpleNamespace(clone=jnp.asarray(clone), counts=(jnp.asarray((np.arange(capacity) < living).astype(float)[None]),))
        target = jnp.asarray([[0] * 12 + [new_clone]], jnp.int32)
        places = places_for(packets, target, jnp.ones((1, 13), bool), 4, alike=False)
        placed = np.asarray(places.new)[0]
        lacking += int(np.asarray(places.lacking).sum())
        taken = placed[placed < capacity]
        assert placed[12] < capacity
        assert len(set(taken.tolist())) == len(taken)
        assert len(taken) - 1 == (capacity - living - 1) // 2
        assert (np.asarray(places.host)[0][placed == capacity] == 0).all()
        living += len(taken)
        clone[0, taken] = np.asarray(target)[0][placed < capacity]
    assert lacking == 0
