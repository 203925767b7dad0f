"""Forecast of a trial."""

from __future__ import annotations

import math

import jax

from abm.parameters.experiment import Experiment
from abm.studies.forecast.course import arm_courses_of, run_twin, starts
from abm.studies.forecast.memory import memory_forecast
from abm.studies.forecast.packets import expected_mutants, packet_forecast
from abm.studies.forecast.record import Forecast, PacketForecast, Start, Verdict
from abm.studies.forecast.speed import run_time
from abm.studies.forecast.steps import step_forecast
from abm.studies.forecast.stored_probe import recent_probe
from abm.studies.forecast.verdicts import course_verdicts, memory_verdicts, mutant_verdicts, start_verdicts, step_verdicts, time_verdicts


def trial_forecast(experiment: Experiment) -> Forecast:
    """Forecast of every part of a trial."""
    run = run_twin(experiment)
    start = starts(experiment, run)
    courses = arm_courses_of(experiment, run, start)
    step = step_forecast(experiment, run, start, courses)
    packets = packet_forecast(experiment)
    mutants = expected_mutants(experiment, run)
    days = lead_in_days(experiment, start)
    memory = memory_forecast(experiment, packets, days)
    verdicts: list[Verdict] = [
        *memory_verdicts(experiment, memory, packets),
        *step_verdicts(experiment, step),
        *start_verdicts(experiment, start),
        *course_verdicts(experiment, courses),
        *mutant_verdicts(experiment, mutants),
    ]
    # What cannot be run need not be timed.
    refused = any(verdict.level == "refused" for verdict in verdicts)
    time = None if refused else run_time(experiment, packets, days, recent_probe(experiment))
    if time is not None:
        verdicts += time_verdicts(time)
    cohort = experiment.cohort
    return Forecast(
        task="trial",
        name=experiment.experiment_name,
        size=f"{_who(experiment)} x {len(experiment.arms)} arms ({cohort.design}) = {packets.rows} rows",
        step=step,
        starts=start,
        courses=courses,
        packets=packets,
        mutants=mutants,
        memory=memory,
        time=time,
        notes=tuple(_notes(experiment, packets)),
        verdicts=tuple(sorted(verdicts, key=lambda v: v.level != "refused")),
    )


def _who(experiment: Experiment) -> str:
    """Who takes part, in words."""
    cohort = experiment.cohort
    if cohort.mix:
        return f"{cohort.subjects} subjects of a mix of {len(cohort.mix)} leukaemias"
    return f"{len(cohort.leukaemias)} leukaemias x {cohort.subjects} subjects"


def lead_in_days(experiment: Experiment, start: tuple[Start, ...]) -> float:
    """Days that the lead-in lasts: until the slowest subjects have qualified."""
    longest = experiment.trial.lead_in_max_days
    return max(longest if math.isnan(s.late_day) else s.late_day for s in start)


def _notes(experiment: Experiment, packets: PacketForecast) -> list[str]:
    devices = jax.devices()[: experiment.engine.devices]
    if packets.rows < len(devices):
        return [f"{packets.rows} rows leave {len(devices) - packets.rows} of {len(devices)} devices idle"]
    return []
