"""Which doses a regimen gives."""

from __future__ import annotations

from typing import Any

import pytest

from abm.parameters.regimen import DoseEvent, Regimen
from abm.pharmacology.regimen import Dose, expand


def event(**changes: Any) -> DoseEvent:
    values: dict[str, Any] = {
        "drug": "venetoclax",
        "day": 0.0,
        "amount": 100.0,
        "amount_unit": "mg",
        "duration_h": 0.0,
        "interval_days": 1.0,
        "additional": 0,
        "skip_days": [],
    }
    return DoseEvent(**(values | changes))


def doses(*events: DoseEvent, until_day: float = 1e9, weight_kg: float = 0.025) -> tuple[Dose, ...]:
    return expand(Regimen(label="", events=list(events)), until_day=until_day, weight_kg=weight_kg)


def test_one_event_is_one_dose_with_its_units_converted() -> None:
    given = doses(event(day=2.5, amount=4.0, amount_unit="mg_per_kg", duration_h=3.0))
    assert given == (Dose(time_days=2.5, drug="venetoclax", amount_mg=4.0 * 0.025, duration_days=0.125),)


def test_additional_doses_follow_at_the_interval_without_drift() -> None:
    times = [dose.time_days for dose in doses(event(day=1.0, interval_days=0.1, additional=1000))]
    assert len(times) == 1001
    assert times[1000] == 101.0


@pytest.mark.parametrize("until_day", [3.0, 3.0 + 1e-12, 2.1])
def test_doses_at_or_after_the_end_of_treatment_are_not_given(until_day: float) -> None:
    assert [dose.time_days for dose in doses(event(additional=100), until_day=until_day)] == [0.0, 1.0, 2.0]


def test_a_whole_number_skips_all_doses_of_that_day() -> None:
    times = [dose.time_days for dose in doses(event(day=0.25, interval_days=0.5, additional=5, skip_days=[1]))]
    assert times == [0.25, 0.75, 2.25, 2.75]


def test_another_number_skips_the_dose_at_that_moment() -> None:
    times = [dose.time_days for dose in doses(event(day=0.25, interval_days=0.5, additional=5, skip_days=[1.25]))]
    assert times == [0.25, 0.75, 1.75, 2.25, 2.75]


def test_five_days_on_two_off_by_missed_doses() -> None:
    times = [dose.time_days for dose in doses(event(additional=13, skip_days=[5, 6, 12, 13]))]
    assert times == [0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 8.0, 9.0, 10.0, 11.0]


def test_doses_of_nothing_are_left_out() -> None:
    assert doses(event(amount=0.0, additional=5), event(drug="everolimus", amount=0.0, amount_unit="mg_per_kg")) == ()
    assert doses() == ()


def test_doses_are_sorted_by_time_and_drug_whatever_the_order_of_events() -> None:
    first, second = event(additional=2), event(drug="everolimus", interval_days=2.0, additional=1)
    names = [(dose.time_days, dose.drug) for dose in doses(first, second)]
    assert names == [(0.0, "everolimus"), (0.0, "venetoclax"), (1.0, "venetoclax"), (2.0, "everolimus"), (2.0, "venetoclax")]
    assert doses(second, first) == doses(first, second)
