"""Every rate that a step, a window or a packing must resolve, and the errors that they leave."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from abm.biology.proliferation import balanced_growth
from abm.biology.trafficking import BLOOD, CYCLING, QUIESCENT
from abm.engine.transition import MAX_BIRTHS_PER_STEP
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.studies.forecast.course import TwinRun, growth_factors
from abm.studies.forecast.randomisation import egress_per_day, fastest_maturation_per_day
from abm.studies.forecast.record import ArmCourse, Hazard, Start, StepForecast
from abm.studies.grids import step_hours
from abm.units import HOURS_PER_DAY

EXACT = "exact at any step"
RELAXED = "exact for constant input, else 2nd order"
MATRIX = "exact matrix exponential, split in 2nd order"
DRAWN = "law of births and deaths exact at any step"
_LN10 = float(np.log(10.0))


def step_forecast(experiment: Experiment, run: TwinRun, start: tuple[Start, ...], courses: tuple[ArmCourse, ...]) -> StepForecast:
    """Rates, intervals and errors of a trial."""
    engine, used = experiment.engine, step_hours(experiment)
    # A window is a whole number of steps, and never shorter than one.
    window = max(engine.window_hours, used)
    between_draws = max(0.5 * window, used)
    fastest = max(balanced_growth(experiment.leukaemias[name].growth)[0] for name in run.leukaemias)
    errors = run.error_log10
    worst = int(np.argmax(errors)) if len(errors) else 0
    return StepForecast(
        asked_hours=engine.dt_hours,
        used_hours=used,
        window_hours=window,
        packing_hours=engine.packing_hours,
        hazards=tuple(_step_hazards(experiment, run, used) + _window_hazards(experiment, run, courses, window, between_draws)),
        births_per_draw=fastest * between_draws / HOURS_PER_DAY,
        most_births_per_draw=MAX_BIRTHS_PER_STEP,
        longest_window_hours=2.0 * HOURS_PER_DAY * MAX_BIRTHS_PER_STEP / fastest if fastest > 0.0 else np.inf,
        error_log10=float(errors[worst]),
        error_where=" under ".join(run.rows[worst]),
        window_error_log10=max(window_error(experiment, experiment.leukaemias[s.leukaemia], s, window) for s in start),
    )


def _hazard(name: str, per_day: float, where: str, interval: str, hours: float, law: str) -> Hazard:
    return Hazard(name, float(per_day), where, interval, float(per_day) * hours / HOURS_PER_DAY, law)


def _largest(run: TwinRun, values: np.ndarray) -> tuple[float, str]:
    """Largest of values (steps, rows) along the trial, and where it is."""
    by_row = np.asarray(values).max(axis=0)
    row = int(np.argmax(by_row))
    return float(by_row[row]), " under ".join(run.rows[row])


def _step_hazards(experiment: Experiment, run: TwinRun, used: float) -> list[Hazard]:
    """What a step must resolve; hazards that drugs change are the largest that the twin met."""
    cell, looks = experiment.cell, run.trial.looks
    death, under = _largest(run, looks.death)
    unbinding, bound = _largest(run, looks.unbinding)
    cytotoxic, killed = _largest(run, looks.cytotoxic)
    baseline = max(experiment.leukaemias[name].growth.death_per_day for name in run.leukaemias)
    # The twin is a typical subject; 95 % of the others divide more slowly than this.
    division, dividing = _largest(run, np.maximum(looks.division, run.lead_in.looks.division.max(initial=0.0)))
    found = [
        _hazard("mTORC1 follows its block", cell.mtorc1.relaxation_per_hour * HOURS_PER_DAY, "", "step", used, RELAXED),
        _hazard("stress response", cell.stress.rate_per_hour * HOURS_PER_DAY, "", "step", used, RELAXED),
        _hazard("turnover of BMF", cell.bmf.rate_per_hour * HOURS_PER_DAY, "", "step", used, RELAXED),
        _hazard("drug binds and leaves mTORC1", unbinding, bound, "step", used, RELAXED),
        _hazard("division", division, dividing, "step", used, DRAWN),
        _hazard("baseline death", baseline, "", "step", used, DRAWN),
        _hazard("apoptosis", death, under, "step", used, DRAWN),
        _hazard("cytotoxic kill", cytotoxic, killed, "step", used, DRAWN),
        _hazard("maturation of blood", fastest_maturation_per_day(experiment), "", "step", used, RELAXED),
    ]
    # Hazards are differences of sums in the twin: what rounding leaves of nothing is nothing.
    return [hazard for hazard in found if hazard.per_day > 1e-12]


def _window_hazards(experiment: Experiment, run: TwinRun, courses: tuple[ArmCourse, ...], window: float, between_draws: float) -> list[Hazard]:
    """What a window must resolve."""
    host = experiment.host
    growth = [experiment.leukaemias[name].growth for name in run.leukaemias]
    switching = max(balanced_growth(g)[1] + g.quiescent_to_cycling_per_day for g in growth)
    fastest = max(courses, key=lambda c: c.peak)
    egress = egress_per_day(host, fastest.peak)
    where = f"{fastest.leukaemia} under {fastest.arm}"
    subject = max(balanced_growth(g)[0] for g in growth) * float(growth_factors(host.growth_cv)[-1])
    return [
        _hazard("division between draws, a fast subject", subject, "", "draw", between_draws, f"sampler exact up to {MAX_BIRTHS_PER_STEP:g}"),
        _hazard("cycling to quiescent and back", switching, "", "window", window, MATRIX),
        _hazard("egress to the blood", egress, where, "window", window, MATRIX),
        _hazard("return from the blood", 1.0 / host.blood_residence_days, "", "window", window, MATRIX),
    ]


def window_error(experiment: Experiment, leukaemia: Leukaemia, start: Start, window_hours: float) -> float:
    """Error of log10 burden that windows leave over the whole simulation of an undisturbed leukaemia.

    Growth and moves alternate: half a window of growth, the moves of a whole window, half a
    window of growth.  Both are linear at the burden of randomisation, so the growth rate of
    the product is compared with that of the exact exponential of their sum.
    """
    growth, host = leukaemia.growth, experiment.host
    b_max, leave = balanced_growth(growth)
    out, home = egress_per_day(host, max(start.burden, 1.0)), 1.0 / host.blood_residence_days
    moves = np.zeros((3, 3))
    moves[QUIESCENT, CYCLING], moves[CYCLING, QUIESCENT] = leave, growth.quiescent_to_cycling_per_day
    moves[BLOOD, [CYCLING, QUIESCENT]] = out
    moves[[CYCLING, QUIESCENT], BLOOD] = home * (1.0 - growth.quiescent_fraction), home * growth.quiescent_fraction
    moves -= np.diag(moves.sum(axis=0))
    grows = np.diag([b_max - growth.death_per_day, -growth.death_per_day, -growth.death_per_day])
    days = window_hours / HOURS_PER_DAY
    exact = np.log(np.abs(np.linalg.eigvals(expm((grows + moves) * days))).max()) / days
    half = expm(grows * (0.5 * days))
    split = np.log(np.abs(np.linalg.eigvals(half @ expm(moves * days) @ half)).max()) / days
    before = start.day if np.isfinite(start.day) else experiment.trial.lead_in_max_days
    return float(abs(split - exact) * (before + experiment.trial.follow_up_days) / _LN10)
