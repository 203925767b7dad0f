"""Room in plans: like runs have tables of one shape, and no number that a step reads is another."""

from __future__ import annotations

import jax
import numpy as np

from abm.pharmacology.exposure import ExposurePlan
from abm.pharmacology.plan_shapes import with_room
from abm.pharmacology.regimen import Dose
from tests.unit.pharmacology.closed_forms import EVEROLIMUS, PACLITAXEL, Course, course, every, plan_for

ORAL = every(24.0, 3, 10.0, drug="everolimus")
INFUSED = every(24.0, 2, 400.0, drug="paclitaxel", start_h=1.0, duration_h=3.3)


def plan(hours: int, *arms: tuple[Dose, ...]) -> ExposurePlan:
    """Two subjects in the first two arms, steps of an hour."""
    return plan_for([[EVEROLIMUS, PACLITAXEL]] * 2, arms, np.arange(hours + 1.0), track_of_row=[0, 1], drugs=["everolimus", "paclitaxel"])


def shapes(given: ExposurePlan) -> list[tuple[int, ...]]:
    return [np.shape(x) for x in jax.tree.leaves(given)]


def test_follow_up_arms_and_kinds_of_dose_do_not_show_in_the_shapes() -> None:
    short, long = plan(30, ORAL, ()), plan(200, ORAL, INFUSED, (*ORAL, *INFUSED))
    assert shapes(short) != shapes(long)
    assert shapes(with_room(short)) == shapes(with_room(long))


def test_beyond_its_room_a_plan_grows_by_powers_of_two() -> None:
    grown = with_room(plan(257, *[ORAL] * 5))
    assert grown.entry_input.shape[:2] == (512, 8)
    assert shapes(with_room(grown)) == shapes(grown)


def test_room_changes_no_number() -> None:
    tight = plan(60, ORAL, INFUSED)
    wide = course(with_room(tight), [0, 1])
    for name, found, part in zip(Course._fields, wide, course(tight, [0, 1]), strict=True):
        assert np.array_equal(found[: len(part)], part), name
        assert part.any(), name
