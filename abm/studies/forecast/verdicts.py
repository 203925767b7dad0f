"""What is wrong with a planned trial, and what to set instead."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from abm.parameters.experiment import Experiment
from abm.studies.forecast.record import ArmCourse, Memory, Mutants, PacketForecast, RunTime, Start, StepForecast, Verdict
from abm.units import HOURS_PER_DAY

# Counts are whole numbers in float64: exact below this.
MOST_CELLS = 2.0**53
# log10 of a burden that a step or a window may be off; a tenth of what trials tell apart (0.5 log10).
TOLERATED_LOG10 = 0.05
# Standard deviation of a log10 burden that too few packets may cause.
TOLERATED_SAMPLING_LOG10 = 0.2
# Share of the sampler's limit, and of the free memory, from which on to warn.
NEARLY = 0.8
# Expected mutations in a whole cohort below which resistance will hardly be seen.
HARDLY = 0.05
_NICE_HOURS = (24.0, 12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.1)


def step_verdicts(experiment: Experiment, step: StepForecast) -> Iterator[Verdict]:
    """Steps and windows."""
    limit, window = step.most_births_per_draw, f"{step.window_hours:g} h"
    shorter = _advised_window(experiment, step.longest_window_hours)
    if step.births_per_draw > limit:
        text = f"windows of {window}: a cycling cell divides {step.births_per_draw:.2g} times between two draws, the sampler is exact up to {limit:g}"
        yield Verdict("refused", text, shorter)
    elif any(h.interval == "draw" and h.law.startswith("sampler") and h.product > limit for h in step.hazards):
        yield Verdict("warning", f"windows of {window}: subjects that divide fast are beyond the sampler's limit of {limit:g} births per draw", shorter)
    elif step.births_per_draw > NEARLY * limit:
        yield Verdict("warning", f"windows of {window} are close to the longest at which the sampler is exact, {step.longest_window_hours:.3g} h", shorter)
    if step.window_error_log10 > TOLERATED_LOG10:
        text = f"windows of {window} shift an undisturbed burden by {step.window_error_log10:.2g} log10 over the simulation"
        yield Verdict("warning", text, _advised_window(experiment, step.window_hours * math.sqrt(TOLERATED_LOG10 / step.window_error_log10)))
    if step.error_log10 > TOLERATED_LOG10:
        wanted = step.used_hours * math.sqrt(TOLERATED_LOG10 / step.error_log10)
        text = f"steps of {step.used_hours:g} h: the burden is off by up to {step.error_log10:.2g} log10 ({step.error_where}) against an infinitely fine step"
        yield Verdict("warning", text, f"engine.dt_hours={_nice(wanted, experiment.engine.window_hours):g}")


def _advised_window(experiment: Experiment, longest: float) -> str:
    """Override for the longest usual window that is short enough and fits the other grids."""
    engine, readout = experiment.engine, experiment.readout
    for hours in _NICE_HOURS:
        if hours <= longest and hours < engine.window_hours and all(_fits(whole, hours) for whole in (engine.packing_hours, readout.interval_hours)):
            step = "" if _fits(hours, engine.dt_hours) else f" engine.dt_hours={_nice(engine.dt_hours, hours):g}"
            return f"engine.window_hours={hours:g}{step}"
    return f"engine.window_hours below {longest:.2g}"


def _fits(whole: float, part: float) -> bool:
    ratio = whole / part
    return ratio >= 1.0 - 1e-9 and abs(ratio - round(ratio)) < 1e-9


def _nice(longest: float, window: float) -> float:
    """Longest usual number of hours up to `longest` that divides the window."""
    return next((hours for hours in _NICE_HOURS if hours <= longest and _fits(window, hours)), longest)


def start_verdicts(experiment: Experiment, starts: tuple[Start, ...]) -> Iterator[Verdict]:
    """Subjects that never qualify."""
    trial = experiment.trial
    limit, given = trial.lead_in_max_days, trial.start_burden_cells or experiment.host.diagnosis_burden
    by_burden = trial.start_rule == "burden" and given is not None
    level = f"{given:.2g} cells" if by_burden else f"{trial.start_human_cd45_percent:g} % human CD45"
    key = "trial.start_burden_cells" if by_burden else "trial.start_human_cd45_percent"
    for s in starts:
        if math.isnan(s.day):
            text = f"'{s.leukaemia}' is not expected to reach {level} within {limit:g} d ({s.burden:.2g} cells by then)"
            yield Verdict("warning", text, f"trial.lead_in_max_days={2 * limit:g} or a lower {key}")
        elif math.isnan(s.late_day):
            text = f"some subjects of '{s.leukaemia}' will not reach {level} within {limit:g} d (half need {s.day:.3g} d)"
            yield Verdict("warning", text, f"trial.lead_in_max_days={math.ceil(1.5 * limit):g}")


def course_verdicts(experiment: Experiment, courses: tuple[ArmCourse, ...]) -> Iterator[Verdict]:
    """Largest populations, and kills too deep for the packets."""
    peak = max(courses, key=lambda c: c.peak)
    if peak.peak > MOST_CELLS:
        yield Verdict("refused", f"{peak.peak:.2g} cells are expected ({peak.leukaemia} under {peak.arm}); counts are exact below 2^53 = 9.0e15", "host")
    worst = max(courses, key=lambda c: c.sampling_log10)
    if worst.sampling_log10 > TOLERATED_SAMPLING_LOG10:
        text = (
            f"the kill of {worst.leukaemia} under {worst.arm} rests on about {worst.effective_packets:.0f} of {experiment.engine.packets} packets: "
            f"its depth varies by {worst.sampling_log10:.2g} log10 by that alone"
        )
        more = experiment.engine.packets * (worst.sampling_log10 / TOLERATED_SAMPLING_LOG10) ** 2
        yield Verdict("warning", text, f"engine.packets={2 ** math.ceil(math.log2(more))}")


def mutant_verdicts(experiment: Experiment, mutants: tuple[Mutants, ...]) -> Iterator[Verdict]:
    """Mechanisms that will hardly arise."""
    subjects = experiment.cohort.size / max(len(experiment.cohort.leukaemias), 1)
    for mechanism in experiment.cohort.resistance:
        expected = sum(m.before + max(m.during.values(), default=0.0) for m in mutants if m.mechanism == mechanism) * subjects
        if mutants and expected < HARDLY:
            text = f"'{mechanism}' arises {expected:.2g} times in the whole cohort: no subject will show it"
            yield Verdict("warning", text, f"cohort.subjects={math.ceil(experiment.cohort.subjects / max(expected, 1e-12)):.2g} for one, or another mechanism")


def memory_verdicts(experiment: Experiment, memory: Memory, packets: PacketForecast) -> Iterator[Verdict]:
    """Memory of the machine and of the accelerator."""
    room = max(memory.total - memory.process, 1)
    needed = memory.peak - memory.process
    if memory.peak > memory.total:
        yield Verdict("refused", f"{gib(memory.peak)} of memory are needed, this machine has {gib(memory.total)}", _smaller(experiment, room / needed))
    elif memory.peak > NEARLY * memory.available:
        yield Verdict("warning", f"{gib(memory.peak)} of memory are needed, {gib(memory.available)} are free now", _smaller(experiment, 0.5 * room / needed))
    if memory.device_total and memory.device_peak > memory.device_total:
        text = f"{gib(memory.device_peak)} are needed on {memory.device}, there are {gib(memory.device_total)}"
        yield Verdict("refused", text, _smaller(experiment, memory.device_total / memory.device_peak))


def _smaller(experiment: Experiment, factor: float) -> str:
    """Override that brings memory down by a factor: fewer packets while there are many, else fewer subjects."""
    packets = int(experiment.engine.packets * 0.8 * factor)
    if packets >= 64:
        return f"engine.packets={2 ** int(math.log2(packets))}"
    return f"cohort.subjects={max(1, int(experiment.cohort.subjects * 0.8 * factor))}"


def time_verdicts(time: RunTime) -> Iterator[Verdict]:
    """Runs of days."""
    if time.low_seconds > HOURS_PER_DAY * 3600.0:
        text = f"at least {time.low_seconds / 86400.0:.2g} days on this machine"
        yield Verdict("warning", text, "fewer engine.packets or cohort.subjects, an accelerator, or a checkpointed job of a cluster (resume=true)")


def gib(number: float) -> str:
    """Bytes for a reader."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    power = min(int(np.log2(max(number, 1.0)) // 10), len(units) - 1)
    return f"{number / 1024.0**power:.3g} {units[power]}"
