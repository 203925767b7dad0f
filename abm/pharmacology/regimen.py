"""From the events of a regimen to the list of doses that are given.

An event is written as pharmacometricians write it: a first dose, an interval `ii`
and a number `addl` of further doses.  The k-th dose is given at day + k * ii, which is
computed by multiplication, so that late doses carry no accumulated rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from abm.parameters.regimen import DoseEvent, Regimen
from abm.units import hours_to_days

SAME_MOMENT_DAYS = 1e-9
"""Two moments closer than this (86 microseconds) are the same."""


class Dose(NamedTuple):
    """One dose as it is given; tuples sort by time, then drug."""

    time_days: float
    drug: str
    amount_mg: float
    duration_days: float


def expand(regimen: Regimen, *, until_day: float, weight_kg: float) -> tuple[Dose, ...]:
    """Return every dose of a regimen, sorted by time and then by drug.

    Args:
        regimen: Events of the regimen.
        until_day: Doses at or after this day are not given.  An infusion that has begun is completed.
        weight_kg: Body weight for amounts per kilogram.

    Returns:
        The doses.  Doses of nothing are left out, so that a zero dose is the same as no dose;
        neither the order of the events nor an event without doses has an influence.
    """
    return tuple(sorted(dose for event in regimen.events for dose in _doses(event, until_day, weight_kg) if dose.amount_mg > 0.0))


def is_skipped(time_days: float, skip_days: list[float]) -> bool:
    """Whether a dose is left out: a whole number names all doses of that day, another number the dose at that moment."""
    for skipped in skip_days:
        whole_day = float(skipped).is_integer() and math.floor(time_days + SAME_MOMENT_DAYS) == int(skipped)
        if whole_day or abs(time_days - skipped) < SAME_MOMENT_DAYS:
            return True
    return False


def _doses(event: DoseEvent, until_day: float, weight_kg: float) -> Iterator[Dose]:
    amount_mg = event.amount * weight_kg if event.amount_unit == "mg_per_kg" else float(event.amount)
    for repeat in range(event.additional + 1):
        time_days = event.day + repeat * event.interval_days
        if time_days >= until_day - SAME_MOMENT_DAYS:
            return
        if not is_skipped(time_days, event.skip_days):
            yield Dose(time_days, event.drug, amount_mg, hours_to_days(event.duration_h))
