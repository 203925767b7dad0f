"""Parameters of a regimen: events as pharmacometricians write them."""

from __future__ import annotations

from abm.records import choice, count, listing, quantity, record, text


@record
class DoseEvent:
    """One line of a regimen; `additional` doses follow `interval_days` apart.

    Days off within a pattern are written with `skip_days`.
    """

    drug: str = text("Drug given.")
    day: float = quantity("d", "Day of the first dose; day 0 is randomisation.", low=0.0)
    amount: float = quantity("amount_unit", "Amount of one dose.", low=0.0)
    amount_unit: str = choice("Unit of the amount.", ("mg", "mg_per_kg"))
    duration_h: float = quantity("h", "Infusion time; 0 = bolus or oral.", low=0.0)
    interval_days: float = quantity("d", "Interval ii between doses.", above=0.0)
    additional: int = count("Number addl of doses after the first.", low=0)
    skip_days: list[float] = listing("Days on which the dose is left out (missed doses).")


@record
class Regimen:
    """What is given, when, until when."""

    label: str = text("Label in figures.")
    events: list[DoseEvent] = listing("Dose events.")


@record
class Arm:
    """One arm: a regimen given to every subject of the arm."""

    regimen: str = text("Name of the regimen.")
