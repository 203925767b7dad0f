"""Settings of a run: resolution, cohort, the course of a trial, what is recorded."""

from __future__ import annotations

from abm.records import choice, count, listing, named_parts, part, quantity, record, text


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
    off_drug_dt_hours: float | None = quantity(
        "h", "Step before treatment and once drugs have washed out, two to a window; null = dt_hours.", above=0.0, high=24.0 * 14, default=None
    )
    washout_days: float | None = quantity(
        "d", "Days from the end of treatment until off_drug_dt_hours is used again; null = only before treatment.", low=0.0, default=None
    )
    devices: int | None = count("Devices (CPU cores) over which subjects are spread; null = all.", low=1)


@record
class Variability:
    """How subjects differ: CVs of log-normal factors with mean 1, one draw of each factor per subject."""

    growth: float = quantity("1", "CV of the pace of the leukaemia: net growth, death and re-entry into the cycle alike.", low=0.0, high=3.0, default=0.0)
    start_burden: float = quantity("1", "CV of the burden at which the trial starts (start_rule burden).", low=0.0, high=3.0, default=0.0)
    chemosensitivity: float = quantity("1", "CV of the factor on cytotoxic hazards of leukaemic cells.", low=0.0, high=3.0, default=0.0)
    tolerance: float = quantity("1", "CV of the factor on the hazards of switching to reversible states, as persisters.", low=0.0, high=10.0, default=0.0)
    bim: float = quantity("1", "CV of the leukaemia's mean BIM, its priming.", low=0.0, high=3.0, default=0.0)
    set_point: float = quantity("1", "CV of the leukaemia's mean mTORC1 set point.", low=0.0, high=3.0, default=0.0)
    bmf_competence: float = quantity("1", "CV of the leukaemia's mean BMF competence; a BMF-null one stays null.", low=0.0, high=3.0, default=0.0)


@record
class Cohort:
    """Who takes part."""

    subjects: int = count("Subjects per leukaemia; with a mix, subjects in all.", low=1)
    leukaemias: list[str] = listing("Names of the leukaemias; with a mix, those of the mix.")
    mix: dict[str, float] = named_parts("Share of each leukaemia, from which every subject draws its own; {} = equally many of each.", default={})
    chemosensitivity: float = quantity(
        "1", "Mean factor on cytotoxic hazards of leukaemic cells in this cohort, e.g. below 1 in patients treated before.", above=0.0, default=1.0
    )
    bim_response: float = quantity(
        "1", "Share of the induction of BIM by glucocorticoids that leukaemias of this cohort feel, of that of each.", low=0.0, high=1.0, default=1.0
    )
    variability: Variability = part("How subjects differ.", default=Variability())
    resistance: list[str] = listing("Names of the mechanisms of resistance that can arise; none = no mutation.")
    design: str = choice("twin: every subject lives in every arm; parallel: every arm has its own subjects.", ("twin", "parallel"))

    @property
    def size(self) -> int:
        """Subjects of an arm."""
        return self.subjects if self.mix else self.subjects * len(self.leukaemias)


@record
class Trial:
    """Course of the trial.  Day 0 is randomisation."""

    start_rule: str = choice(
        "Randomised at start_human_cd45_percent, at start_burden_cells, or at once.", ("human_cd45", "burden", "injection"), default="human_cd45"
    )
    start_burden_cells: float | None = quantity(
        "cells", "Leukaemic cells at which a subject is randomised (start_rule burden); null = the host's at diagnosis.", above=0.0, default=None
    )
    start_human_cd45_percent: float = quantity(
        "%", "hCD45 in blood at which a mouse is randomised (start_rule human_cd45); 0 = at injection.", low=0.0, high=100.0
    )
    lead_in_max_days: float = quantity("d", "Days after the start of the lead-in within which a subject must qualify.", above=0.0)
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
