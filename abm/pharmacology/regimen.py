"""From the events of a regimen to the list of doses that are given.

An event is written as pharmacometricians write it: a first dose, an interval `ii`, a number
`addl` of further doses and cycles of the whole.  Dose k of cycle c is given at
day + c * cycle + k * ii, which is computed by multiplication, so that late doses carry no
accumulated rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from abm.parameters.regimen import DoseEvent, Regimen
from abm.units import hours_to_days

SAME_MOMENT_DAYS = 1e-9
"""Two moments closer than this (86 microseconds) are the same."""


class Dose(NamedTuple):
    """One dose as it is given; tuples sort by time, then drug."""

    time_days: float
    drug: str
    amount_mg: float  # in U for a drug in units
    duration_days: float
    steady_interval_days: float = 0.0  # > 0: infinitely many such doses at this interval were given before


def track_names(regimen: Regimen) -> tuple[str, ...]:
    """Tracks of a regimen; one without tracks has a single one, without a name."""
    return tuple(regimen.tracks) or ("",)


def expand(regimen: Regimen, *, until_day: float, weight_kg: float, body_surface_m2: float | None = None, track: str | None = None) -> tuple[Dose, ...]:
    """Return every dose of a regimen on one track, sorted by time and then by drug.

    Args:
        regimen: Events of the regimen.
        until_day: Doses at or after this day are not given.  An infusion that has begun is completed.
        weight_kg: Body weight for amounts per kilogram.
        body_surface_m2: Body surface for amounts per square metre; needed only for those.
        track: Name of the track; None = the one on which subjects start.

    Returns:
        The doses.  Doses of nothing are left out, so that a zero dose is the same as no dose;
        neither the order of the events nor an event without doses has an influence.

    Raises:
        ValueError: If an amount is per square metre and the body surface is not known.
    """
    chosen = track_names(regimen)[0] if track is None else track
    given = [event for event in regimen.events if not event.tracks or chosen in event.tracks]
    return tuple(sorted(dose for event in given for dose in _doses(event, until_day, weight_kg, body_surface_m2) if dose.amount_mg > 0.0))


def is_skipped(time_days: float, skip_days: Sequence[float]) -> bool:
    """Whether a dose is left out: a whole number names all doses of that day, another number the dose at that moment."""
    for skipped in skip_days:
        whole_day = float(skipped).is_integer() and math.floor(time_days + SAME_MOMENT_DAYS) == int(skipped)
        if whole_day or abs(time_days - skipped) < SAME_MOMENT_DAYS:
            return True
    return False


def _full_amount(event: DoseEvent, weight_kg: float, body_surface_m2: float | None) -> float:
    """Amount of a full dose before the cap."""
    if event.amount_unit == "mg_per_kg":
        return event.amount * weight_kg
    if event.amount_unit in ("mg_per_m2", "U_per_m2"):
        if body_surface_m2 is None:
            raise ValueError(f"'{event.drug}' is dosed per square metre, but the body surface is not known")
        return event.amount * body_surface_m2
    return float(event.amount)


def _ramp(event: DoseEvent, number: int, since_days: float) -> float:
    """Factor on the dose with this number, given so long after the first."""
    step = number if event.ramp_interval_days is None else math.floor(since_days / event.ramp_interval_days + SAME_MOMENT_DAYS)
    return float(event.ramp_factors[step]) if step < len(event.ramp_factors) else 1.0


def _doses(event: DoseEvent, until_day: float, weight_kg: float, body_surface_m2: float | None) -> Iterator[Dose]:
    full = _full_amount(event, weight_kg, body_surface_m2)
    for cycle in range(event.cycles):
        for repeat in range(event.additional + 1):
            since = cycle * (event.cycle_days or 0.0) + repeat * event.interval_days
            time_days = event.day + since
            if time_days >= until_day - SAME_MOMENT_DAYS:
                return
            if is_skipped(time_days, event.skip_days):
                continue
            number = cycle * (event.additional + 1) + repeat
            amount = min(full, event.max_amount_mg or math.inf) * _ramp(event, number, since)
            steady = event.interval_days if event.steady_state and number == 0 else 0.0
            yield Dose(time_days, event.drug, amount, hours_to_days(event.duration_h), steady)
