"""Parameters of a regimen: events as pharmacometricians write them, tracks, and rules that change what is given."""

from __future__ import annotations

from abm.parameters.clinic import Assay
from abm.records import choice, count, flag, listing, named_parts, part, quantity, record, text

AMOUNT_UNITS = ("mg", "mg_per_kg", "mg_per_m2", "U", "U_per_m2")
"""Units of an amount; U are units of enzyme, for a drug whose pharmacokinetics are in units."""


@record
class DoseEvent:
    """One line of a regimen; `additional` doses follow `interval_days` apart, and the whole is repeated `cycles` times.

    Days off within a pattern are written with `skip_days` or as a cycle.
    """

    drug: str = text("Drug given.")
    day: float = quantity("d", "Day of the first dose; day 0 is randomisation.", low=0.0)
    amount: float = quantity("amount_unit", "Amount of one dose.", low=0.0)
    amount_unit: str = choice("Unit of the amount.", AMOUNT_UNITS)
    max_amount_mg: float | None = quantity("mg", "Largest amount of one dose, in mg (in U for a drug in units); null = no cap.", above=0.0, default=None)
    duration_h: float = quantity("h", "Infusion time; 0 = bolus or oral.", low=0.0, default=0.0)
    interval_days: float = quantity("d", "Interval ii between doses.", above=0.0, default=1.0)
    additional: int = count("Number addl of doses after the first.", low=0, default=0)
    steady_state: bool = flag("ss: before the first dose the drug stands as after infinitely many doses of the interval.", default=False)
    ramp_factors: list[float] = listing("Factors on the first doses (ramp-up); later doses are full.", default=())
    ramp_interval_days: float | None = quantity("d", "Time for which each ramp factor holds; null = one dose each.", above=0.0, default=None)
    cycles: int = count("How often the event is given in all.", low=1, default=1)
    cycle_days: float | None = quantity("d", "Length of a cycle; needed for more than one.", above=0.0, default=None)
    skip_days: list[float] = listing("Days on which the dose is left out (missed doses).", default=())
    route: str = text("Route, for the reader; how a drug is absorbed is said by its pharmacokinetics.", default="")
    tracks: list[str] = listing("Tracks on which the event is given; none = on every track.", default=())


@record
class Transfusion:
    """Units of a blood product on given days; `additional` more follow `interval_days` apart."""

    product: str = text("Blood product given.")
    day: float = quantity("d", "Day of the first transfusion; day 0 is randomisation.", low=0.0)
    units: float = quantity("units", "Units given each time; a child is given a part of one.", above=0.0, high=100.0)
    interval_days: float = quantity("d", "Interval between transfusions.", above=0.0, default=1.0)
    additional: int = count("Number of transfusions after the first.", low=0, default=0)


@record
class EventFile:
    """A table of events in the way of NONMEM, read when the configuration is read."""

    path: str = text("File (CSV), relative to the working directory.")
    time_unit: str = choice("Unit of TIME, II, DUR and of the time in RATE.", ("days", "hours"), default="hours")
    amount_unit: str = choice("Unit of AMT.", AMOUNT_UNITS, default="mg")
    compartments: list[str] = listing("Drug of CMT 1, 2, ...; not needed with a column DRUG.", default=())
    subject: str | None = text("ID whose lines are read; null = the only one.", default=None)


@record
class Condition:
    """What must be read: at least `above`, less than `below`, or both."""

    readout: str = text("Name of a readout.")
    above: float | None = quantity("readout", "The reading is at least this; null = no bound.", low=0.0, default=None)
    below: float | None = quantity("readout", "The reading is less than this; null = no bound.", low=0.0, default=None)
    drug: str | None = text("Drug whose concentration is read; null for other readouts.", default=None)


@record
class DosingRule:
    """A rule that is evaluated at visits, for each subject of the arm."""

    when: Condition = part("When the rule acts.")
    then: str = choice("What it does.", ("hold", "reduce", "resume", "stop", "switch", "transfuse"))
    drugs: list[str] = listing("Drugs that it is about; none = all of the regimen.", default=())
    until: Condition | None = part("hold: doses are given again from the visit where this is read; null = never by this rule.", default=None)
    resume_factor: float = quantity("1", "hold, resume: factor on the doses that follow the hold.", low=0.0, high=1.0, default=1.0)
    reduce_factor: float | None = quantity("1", "reduce: factor on all later doses; needed there.", low=0.0, high=1.0, default=None)
    track: str | None = text("switch: the track of the later doses.", default=None)
    product: str | None = text("transfuse: the blood product.", default=None)
    units: float | None = quantity("units", "transfuse: units given at every visit at which the rule acts; needed there.", above=0.0, high=100.0, default=None)
    on_days: list[float] = listing("Visits at which the rule is evaluated; none = all.", default=())
    from_day: float = quantity("d", "First day on which the rule is evaluated.", low=0.0, default=0.0)
    to_day: float | None = quantity("d", "Last day on which the rule is evaluated; null = no last one.", low=0.0, default=None)
    on_tracks: list[str] = listing("Tracks on which the rule is evaluated; none = all.", default=())
    delay_days: float = quantity("d", "Time from the visit to the decision.", low=0.0, default=0.0)


@record
class Regimen:
    """What is given, when, until when, and which readings change it."""

    label: str = text("Label in figures.")
    events: list[DoseEvent] = listing("Dose events.", default=())
    events_file: EventFile | None = part("Table of further events; null = none.", default=None)
    transfusions: list[Transfusion] = listing("Transfusions on given days; others are given by rules.", default=())
    tracks: list[str] = listing("Names of the tracks; a subject starts on the first.", default=())
    visit_days: list[float] = listing("Days of visits.", default=())
    visit_start_day: float = quantity("d", "First of the regular visits.", low=0.0, default=0.0)
    visit_interval_days: float | None = quantity("d", "Interval of regular visits; null = none.", above=0.0, default=None)
    assays: dict[str, Assay] = named_parts("How readouts are measured, by readout; others are read without error.", default={})
    rules: dict[str, DosingRule] = named_parts("Rules by name, evaluated in this order.", default={})

    @property
    def products(self) -> list[str]:
        """Blood products that may be given, by name."""
        by_rules = [rule.product for rule in self.rules.values() if rule.product is not None]
        return list(dict.fromkeys([*(transfusion.product for transfusion in self.transfusions), *by_rules]))


@record
class Arm:
    """One arm: a regimen given to every subject of the arm."""

    regimen: str = text("Name of the regimen.")
