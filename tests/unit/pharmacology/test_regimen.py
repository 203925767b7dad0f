"""Which doses a regimen gives."""

from __future__ import annotations

from typing import Any

import pytest

from abm.parameters.regimen import DoseEvent, Regimen
from abm.pharmacology.regimen import Dose, expand, track_names


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


def doses(*events: DoseEvent, until_day: float = 1e9, weight_kg: float = 0.025, body_surface_m2: float | None = None) -> tuple[Dose, ...]:
    return expand(Regimen(label="", events=list(events)), until_day=until_day, weight_kg=weight_kg, body_surface_m2=body_surface_m2)


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


def amounts(*events: DoseEvent, **settings: Any) -> list[tuple[float, float]]:
    return [(dose.time_days, dose.amount_mg) for dose in doses(*events, **settings)]


def test_what_is_not_written_has_its_natural_meaning() -> None:
    short = DoseEvent(drug="venetoclax", day=2.0, amount=5.0, amount_unit="mg")
    assert doses(short) == (Dose(2.0, "venetoclax", 5.0, 0.0),)


def test_amounts_per_square_metre_are_scaled_and_capped() -> None:
    vincristine = event(amount=1.5, amount_unit="mg_per_m2", max_amount_mg=2.0)
    assert amounts(vincristine, body_surface_m2=1.0) == [(0.0, 1.5)]
    assert amounts(vincristine, body_surface_m2=1.8) == [(0.0, 2.0)]
    assert amounts(event(amount=2500.0, amount_unit="U_per_m2", max_amount_mg=3750.0), body_surface_m2=1.2) == [(0.0, 3000.0)]
    assert amounts(event(amount=100.0, amount_unit="mg_per_kg", max_amount_mg=2.0)) == [(0.0, 2.0)]
    with pytest.raises(ValueError, match="body surface is not known"):
        doses(vincristine)


def test_ramp_of_one_dose_each() -> None:
    ramp = event(amount=400.0, ramp_factors=[0.25, 0.5], additional=3)
    assert amounts(ramp) == [(0.0, 100.0), (1.0, 200.0), (2.0, 400.0), (3.0, 400.0)]


def test_weekly_ramp_of_a_daily_drug() -> None:
    ramp = event(amount=400.0, ramp_factors=[0.05, 0.125, 0.25, 0.5], ramp_interval_days=7.0, additional=29)
    assert [amount for _, amount in amounts(ramp)] == [20.0] * 7 + [50.0] * 7 + [100.0] * 7 + [200.0] * 7 + [400.0] * 2


def test_a_missed_dose_does_not_hold_up_the_ramp_and_a_factor_of_nothing_gives_no_dose() -> None:
    ramp = event(ramp_factors=[0.0, 0.5, 0.75], additional=3, skip_days=[1])
    assert amounts(ramp) == [(2.0, 75.0), (3.0, 100.0)]


def test_the_cap_holds_before_the_ramp() -> None:
    assert amounts(event(amount=800.0, max_amount_mg=400.0, ramp_factors=[0.25], additional=1)) == [(0.0, 100.0), (1.0, 400.0)]


def test_cycles_of_21_of_28_days_and_of_4_days_on_3_off() -> None:
    assert [t for t, _ in amounts(event(day=1.0, additional=20, cycles=3, cycle_days=28.0))] == [
        1.0 + cycle * 28 + day for cycle in range(3) for day in range(21)
    ]
    assert [t for t, _ in amounts(event(additional=3, cycles=100, cycle_days=7.0), until_day=16.0)] == [0, 1, 2, 3, 7, 8, 9, 10, 14, 15]


def test_the_ramp_is_for_the_first_cycle() -> None:
    cycles = event(ramp_factors=[0.5], additional=1, cycles=2, cycle_days=7.0)
    assert amounts(cycles) == [(0.0, 50.0), (1.0, 100.0), (7.0, 100.0), (8.0, 100.0)]


def test_only_the_first_dose_of_all_follows_a_steady_state() -> None:
    given = doses(event(interval_days=2.0, additional=1, steady_state=True, cycles=2, cycle_days=7.0))
    assert [dose.steady_interval_days for dose in given] == [2.0, 0.0, 0.0, 0.0]


def test_a_track_gets_its_own_events_and_those_of_all() -> None:
    common, high, both = event(amount=1.0), event(day=1.0, amount=2.0, tracks=["high"]), event(day=2.0, amount=3.0, tracks=["high", "standard"])
    regimen = Regimen(label="", events=[common, high, both], tracks=["standard", "intermediate", "high"])

    def on(track: str | None) -> list[float]:
        return [dose.amount_mg for dose in expand(regimen, until_day=9.0, weight_kg=1.0, track=track)]

    assert (on("standard"), on("intermediate"), on("high")) == ([1.0, 3.0], [1.0], [1.0, 2.0, 3.0])
    assert on(None) == on("standard")
    assert track_names(regimen) == ("standard", "intermediate", "high")
    assert track_names(Regimen(label="")) == ("",)
