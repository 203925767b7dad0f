"""What a forecast says: plain numbers, each with its unit."""

from __future__ import annotations

import dataclasses
from typing import Literal

Level = Literal["warning", "refused"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Something that is wrong with a planned run, and what to set instead."""

    level: Level
    text: str
    advice: str  # overrides, or words where no key helps


@dataclasses.dataclass(frozen=True)
class Hazard:
    """A rate of the model against the interval that must resolve it."""

    name: str
    per_day: float
    where: str  # leukaemia and arm in which it is largest, or empty
    interval: str  # step | draw | window
    product: float  # rate x interval, 1
    law: str  # how the engine deals with it


@dataclasses.dataclass(frozen=True)
class StepForecast:
    """Steps, windows and what they resolve."""

    asked_hours: float  # engine.dt_hours
    used_hours: float  # after sub-stepping
    window_hours: float
    packing_hours: float
    hazards: tuple[Hazard, ...]
    births_per_draw: float  # expected divisions of a cycling cell between two draws, 1
    most_births_per_draw: float  # up to which the sampler is exact, 1
    longest_window_hours: float  # at which that is reached
    error_log10: float  # largest error of the burden by the step over the treatment, log10
    error_where: str
    window_error_log10: float  # error of the burden by the windows over the whole simulation, log10


@dataclasses.dataclass(frozen=True)
class Start:
    """Randomisation of one leukaemia; days since injection, NaN where it is never reached."""

    leukaemia: str
    seeded: float  # cells
    burden: float  # cells at randomisation
    day: float
    early_day: float  # of a subject whose leukaemia divides faster than 95 % of them
    late_day: float  # ... slower than 95 % of them


@dataclasses.dataclass(frozen=True)
class ArmCourse:
    """Expected course of one leukaemia in one arm, a typical subject."""

    leukaemia: str
    arm: str
    peak: float  # cells, from randomisation on
    peak_day: float
    reduction_log10: float  # at the end of treatment, below the burden at randomisation; negative = growth
    cells_per_packet: float  # at the peak
    effective_packets: float  # that carry the cells at the end of treatment
    sampling_log10: float  # standard deviation of the log10 burden then, by finitely many packets


@dataclasses.dataclass(frozen=True)
class PacketForecast:
    """Resolution."""

    resolution: int
    capacity: int
    rows: int  # subjects x arms
    lead_in_rows: int
    clone_rows: int
    own_rows: int  # of single origins
    pooled_rows: int
    shares: dict[str, dict[str, float]]  # packets of each clone at the start, by leukaemia


@dataclasses.dataclass(frozen=True)
class Mutants:
    """Expected mutations of one mechanism in one leukaemia of a typical subject."""

    leukaemia: str
    mechanism: str
    per_division: float
    before: float  # expected mutations from injection to randomisation
    chance_before: float  # of at least one of them
    cells_at_start: float  # expected mutant cells at randomisation, were they as fit as their mothers
    during: dict[str, float]  # expected mutations from randomisation to the end of treatment, by arm


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes."""

    state: int  # of all rows
    per_row: int
    working: int  # copies and temporaries beside the state
    output: int  # series, lead-in and snapshots in memory
    process: int  # Python, JAX and compiled programs
    peak: int
    total: int  # of the machine, or what its limits leave of it
    available: int  # now
    device: str
    device_peak: int  # on an accelerator, else 0
    device_total: int


@dataclasses.dataclass(frozen=True)
class RunTime:
    """Work and time."""

    lead_in_steps: float
    trial_steps: float
    unit: str  # of the steps
    rate: float  # steps per second
    low_seconds: float
    high_seconds: float
    basis: str  # what the estimate rests on


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a run will be like, before it is run; parts that make no sense for a task are None or empty."""

    task: str
    name: str
    size: str
    step: StepForecast | None = None
    starts: tuple[Start, ...] = ()
    courses: tuple[ArmCourse, ...] = ()
    packets: PacketForecast | None = None
    mutants: tuple[Mutants, ...] = ()
    memory: Memory | None = None
    time: RunTime | None = None
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the run cannot be done as planned."""
        return any(verdict.level == "refused" for verdict in self.verdicts)
