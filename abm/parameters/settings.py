"""Settings of a run: resolution, cohort, the course of a trial, what is recorded."""

from __future__ import annotations

from abm.records import choice, count, listing, quantity, record, text


@record
class EngineSettings:
    """Numerical settings.  None of them is biology; refining them must not change a conclusion."""

    packets: int = count("Resolution: packets per subject.", low=1, high=1_000_000)
    dt_hours: float = quantity("h", "Step.  The engine sub-steps where the law is not exact.", above=0.0, high=24.0 * 14)
    window_hours: float = quantity("h", "Interval of moves between cycling, quiescent and blood and of mutation (part of the model).", above=0.0)
    packing_hours: float = quantity("h", "Interval of merging and splitting, a multiple of the window (part of the model).", above=0.0)
    clones: int = count("Rows of the clone table in which a single mutation of a mechanism is followed; later ones share rows.", low=0, high=64)
    strata: int = count("Trait strata of each healthy progenitor population.", low=1, high=4096)
    chunk_days: float = quantity("d", "Simulated time between two reports of progress and possible checkpoints.", above=0.0)
    checkpoint_minutes: float = quantity("min", "Wall time between two checkpoints.", above=0.0)
    devices: int | None = count("Devices (CPU cores) over which subjects are spread; null = all.", low=1)


@record
class Cohort:
    """Who takes part."""

    subjects: int = count("Subjects per leukaemia.", low=1)
    leukaemias: list[str] = listing("Names of the leukaemias.")
    resistance: list[str] = listing("Names of the mechanisms of resistance that can arise; none = no mutation.")
    design: str = choice("twin: every subject lives in every arm; parallel: every arm has its own subjects.", ("twin", "parallel"))


@record
class Trial:
    """Course of the trial.  Day 0 is randomisation."""

    start_human_cd45_percent: float = quantity("%", "hCD45 in blood at which a mouse is randomised; 0 = at injection.", low=0.0, high=100.0)
    lead_in_max_days: float = quantity("d", "Days after injection within which a mouse must qualify.", above=0.0)
    treatment_days: float = quantity("d", "Day on which treatment ends; later doses are not given.", above=0.0)
    follow_up_days: float = quantity("d", "Last day of the simulation.", above=0.0)
    event_human_cd45_percent: float = quantity("%", "hCD45 in blood that is the event of event-free survival.", above=0.0, high=100.0)
    clearance_cells: float = quantity("cells", "Leukaemic cells at or below which a subject counts as cleared.", low=0.0)


@record
class Readout:
    """What is recorded."""

    interval_hours: float = quantity("h", "Interval of the series.", above=0.0)
    cell_snapshot_days: list[float] = listing("Days on which all packets are stored.")
    mrd_days: list[float] = listing("Visits at which residual disease is assayed in patients.")
    mrd_assay: str = text("Name of the assay of residual disease.")
