"""Bitwise invariances and exact books of the xenograft model, on two subjects and 48 packets; devices and batches: M2 in `tests/theory/test_metamorphic.py`."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from abm.engine.packets import sum_by_clone, total_count
from abm.engine.program import Carry
from abm.engine.simulate import make_grid, segments_between
from abm.parameters.regimen import Arm, Regimen
from tests.small_trial import chosen, differences, run_small, small_experiment, small_simulation


@pytest.fixture(scope="module")
def whole() -> Carry:
    """Two subjects in two arms after four days: rows vehicle 0, 1, combination 0, 1."""
    return run_small(small_experiment(blood=True))


def test_something_happens(whole: Carry) -> None:
    """What the other tests compare has births, deaths, moves, merges, splits and an effect."""
    assert whole.tally.births.min() >= 0
    for numbers in (whole.tally.births[:, 0], whole.tally.deaths.sum((1, 2)), whole.stats.merges, whole.stats.splits):
        assert numbers.min() > 0
    assert whole.tally.moves[:, 0].sum((1, 2)).min() > 0
    assert whole.tally.cells[2:].sum() < 0.5 * whole.tally.cells[:2].sum()
    assert differences(chosen(whole, [0]), chosen(whole, [1]))


def test_leukaemic_cells_balance_to_the_cell(whole: Carry) -> None:
    packets, tally = whole.packets, whole.tally
    start = small_simulation(small_experiment(blood=True)).carry().tally.cells
    columns = np.stack([np.asarray(sum_by_clone(c, packets.clone, 2)) for c in packets.counts], axis=2)
    np.testing.assert_array_equal(columns, tally.cells)
    net = tally.moves.sum(axis=2) - tally.moves.sum(axis=3)
    born = np.zeros_like(tally.cells)
    born[:, :, 0] = tally.births
    np.testing.assert_array_equal(start + born - tally.deaths + net, tally.cells)
    for counts in packets.counts:
        assert np.array_equal(counts, np.rint(counts))
        assert counts.min() >= 0.0


def test_healthy_cells_balance_to_the_cell(whole: Carry) -> None:
    start, end = (c.rows.healthy for c in (small_simulation(small_experiment(blood=True)).carry(), whole))
    cells = [np.stack([np.asarray(x).sum(axis=2) for x in (s.progenitors, s.transit, s.blood)], axis=2) for s in (start, end)]
    np.testing.assert_array_equal(cells[0] + end.births - end.deaths + end.gained - end.lost, cells[1])
    assert end.births[:, :, 0].min() > 0
    # What matures is released or still maturing.
    np.testing.assert_array_equal(end.lost[:, :, 0], end.gained[:, :, 1])


def test_never_more_packets_than_the_resolution_after_packing(whole: Carry) -> None:
    assert np.all((np.asarray(total_count(whole.packets)) > 0).sum(axis=1) <= 48)
    assert whole.stats.packets.max() <= 48


def test_uids_are_unique(whole: Carry) -> None:
    uid = (whole.packets.uid_high.astype(np.uint64) << np.uint64(32)) | whole.packets.uid_low
    for row, n in zip(uid, np.asarray(total_count(whole.packets)), strict=True):
        live = row[n > 0]
        assert len(np.unique(live)) == len(live)


def test_subject_alone_is_the_subject_in_a_batch(whole: Carry) -> None:
    alone = run_small(small_experiment(blood=True, subjects=1))
    assert differences(alone, chosen(whole, [0, 2])) == []


def test_subjects_are_the_same_among_many(whole: Carry) -> None:
    """Twenty-four rows in one batch, more than those to which few rows are padded: a program of another shape."""
    many = run_small(small_experiment(blood=True, subjects=12), batches=1)
    assert differences(chosen(many, [0, 1, 12, 13]), whole) == []


def test_arm_alone_is_the_arm_in_a_trial(whole: Carry) -> None:
    one = run_small(small_experiment(blood=True, arms=("combination",)))
    assert differences((one.packets, one.tally, one.stats), (lambda c: (c.packets, c.tally, c.stats))(chosen(whole, [2, 3]))) == []
    assert differences(one.rows.healthy, chosen(whole, [2, 3]).rows.healthy) == []


def test_arms_may_be_renamed_and_reordered(whole: Carry) -> None:
    given = small_experiment(blood=True)
    turned = dataclasses.replace(given, arms={"b": given.arms["combination"], "a": given.arms["vehicle"]})
    found = chosen(run_small(turned), [2, 3, 0, 1])
    # Where an arm's doses stand in the plan follows the order of the arms.
    assert differences(found._replace(rows=found.rows._replace(track=whole.rows.track)), whole) == []


def test_zero_dose_is_vehicle(whole: Carry) -> None:
    given = small_experiment(blood=True)
    combination = given.regimens["combination"]
    nothing = Regimen(label="nothing", events=[dataclasses.replace(e, amount=0.0) for e in combination.events])
    with_nothing = dataclasses.replace(given, regimens=given.regimens | {"nothing": nothing}, arms=given.arms | {"combination": Arm(regimen="nothing")})
    carry = run_small(with_nothing)
    cells = (carry.packets, carry.tally, carry.stats, carry.rows.healthy)
    picked = chosen(whole, [0, 1, 0, 1])
    assert differences(cells, (picked.packets, picked.tally, picked.stats, picked.rows.healthy)) == []


def test_pieces_and_looks_change_nothing(whole: Carry) -> None:
    """Stops at the ends of windows, with a look at each."""
    simulation = small_simulation(small_experiment(blood=True))
    for step in (0, 12, 12, 36, 60, simulation.grid.steps):
        simulation.run_to(step)
        simulation.observe(lambda params, carry: carry.tally.cells)
    assert differences(simulation.carry(), whole) == []


def test_saved_state_continues_to_the_same_bits(whole: Carry) -> None:
    first = small_simulation(small_experiment(blood=True))
    first.run_to(48)
    second = small_simulation(small_experiment(blood=True), carry=first.carry(), step=48)
    second.run_to(second.grid.steps)
    assert differences(second.carry(), whole) == []


def test_longer_follow_up_begins_with_the_shorter(whole: Carry) -> None:
    longer = small_simulation(small_experiment(blood=True), days=5.0)
    longer.run_to(longer.grid.index(4.0))
    assert differences(longer.carry(), whole) == []


def test_capacity_and_rows_on_their_own_change_nothing(whole: Carry) -> None:
    """Twice the places, and a batch for each of the four rows: the live packets and all books are the same to the bit."""
    wide = run_small(small_experiment(blood=True), capacity=2 * whole.packets.clone.shape[1], batches=4)
    assert differences((wide.tally, wide.stats, wide.rows), (whole.tally, whole.stats, whole.rows)) == []
    live = np.asarray(total_count(whole.packets)) > 0
    for x, y in zip(
        (wide.packets.uid_low, wide.packets.clone, *wide.packets.counts, *jax.tree.leaves(wide.packets.traits), *wide.packets.fast),
        (whole.packets.uid_low, whole.packets.clone, *whole.packets.counts, *jax.tree.leaves(whole.packets.traits), *whole.packets.fast),
        strict=True,
    ):
        assert np.array_equal(x[:, : live.shape[1]][live], y[live])
    assert np.asarray(total_count(wide.packets))[:, live.shape[1] :].sum() == 0.0


def test_finished_rows_stay_as_they_are(whole: Carry) -> None:
    simulation = small_simulation(small_experiment(blood=True))
    simulation.run_to(48)
    before = simulation.carry()
    simulation.freeze(np.array([False, True, False, False]))
    simulation.run_to(72)
    simulation.freeze(np.array([False, False, False, True]))
    later = simulation.carry()
    simulation.run_to(simulation.grid.steps)
    after = simulation.carry()
    assert differences(chosen(after, [1]), chosen(before, [1])) == []
    assert differences(chosen(after, [3]), chosen(later, [3])) == []
    assert differences(chosen(later, [3]), chosen(before, [3])) != []
    assert differences(chosen(after, [0, 2]), chosen(whole, [0, 2])) == []


def test_moves_cover_whole_windows_in_their_middle() -> None:
    """Moves in the middle of windows, packing at its own multiples, draws before both and at the ends of windows; stops add draws, never moves."""
    grid = make_grid(3.0, 1.0, 12.0, 24.0, extra_days=(1.3,))
    hours = grid.times * 24.0
    assert grid.window_days == 0.5
    assert hours[grid.moves].round(6).tolist() == [6, 18, 30, 42, 54, 66]
    assert hours[grid.drawn].round(6).tolist() == [6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 72]
    assert hours[grid.pack].round(6).tolist() == [24, 48, 72]
    assert np.any(np.isclose(grid.times, 1.3))
    whole = segments_between(grid, 0, grid.steps)
    pieces = [s for a, b in ((0, 5), (5, 5), (5, 31), (31, grid.steps)) for s in segments_between(grid, a, b)]
    assert [s.stop for s in pieces if s.moves] == [s.stop for s in whole if s.moves]
    assert [s.stop for s in pieces if s.pack] == [s.stop for s in whole if s.pack]
    assert [s.start for s in pieces] == [0, *(s.stop for s in pieces[:-1])]
    assert segments_between(grid, 7, 7) == []
    one = make_grid(2.0, 24.0, 12.0, 24.0)
    assert one.moves.tolist() == one.drawn.tolist() == [False, True, True]
    assert one.window_days == 1.0
