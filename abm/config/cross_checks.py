"""Checks that need more than one value: names that must exist, times that must fit together."""

from __future__ import annotations

from collections.abc import Mapping

from abm.config.dose_matrix_checks import DISH, check_dose_matrix
from abm.config.regimen_checks import check_regimens
from abm.errors import unknown_name
from abm.parameters.experiment import Experiment
from abm.units import HOURS_PER_DAY

_TOLERANCE = 1e-6
# Every set of mechanisms is a kind of cells with means of its own.
MOST_MECHANISMS = 8


def cross_check(experiment: Experiment, problems: list[str]) -> None:
    """Append one line to `problems` for everything that does not fit together."""
    _check_task(experiment, problems)
    if experiment.resume and experiment.overwrite:
        problems.append("resume = true, overwrite = true: choose one; resume keeps what is there, overwrite replaces it.")
    if experiment.task == "theory":
        return
    if experiment.task == "dose_matrix":
        check_dose_matrix(experiment, problems)
        _check_cohort(experiment, problems)
        _check_grid(experiment, problems)
        return
    if experiment.host.species == DISH:
        problems.append(f"host.species = {DISH}: nothing but a dose matrix is run in a dish; choose another host, or experiment=dose_matrix.")
    _check_arms(experiment, problems)
    check_regimens(experiment, problems)
    _check_cohort(experiment, problems)
    _check_resistance(experiment, problems)
    _check_course(experiment, problems)
    _check_visits(experiment, problems)
    _check_grid(experiment, problems)


def _check_task(experiment: Experiment, problems: list[str]) -> None:
    needs = {"theory": experiment.theory, "claim_robustness": experiment.robustness, "dose_matrix": experiment.dose_matrix}
    keys = {"theory": "theory", "claim_robustness": "robustness", "dose_matrix": "dose_matrix"}
    for task, value in needs.items():
        if task == experiment.task and value is None:
            problems.append(f"task = {task}: the keys under '{keys[task]}' are missing. Choose an experiment that sets them: experiment=...")
        if task != experiment.task and value is not None:
            problems.append(f"{keys[task]}: is set, but task = {experiment.task} does not read it. Choose task={task} or {keys[task]}=null.")


def _check_arms(experiment: Experiment, problems: list[str]) -> None:
    if not experiment.arms:
        problems.append("arms: at least one arm is needed, e.g. '+arms.vehicle={regimen: vehicle}'.")
    for name, arm in experiment.arms.items():
        if arm.regimen not in experiment.regimens:
            problems.append(str(unknown_name(f"arms.{name}.regimen", arm.regimen, experiment.regimens, noun="regimen")))


def _check_cohort(experiment: Experiment, problems: list[str]) -> None:
    chosen = experiment.cohort.leukaemias
    if not chosen:
        problems.append("cohort.leukaemias = []: at least one leukaemia is needed.")
    for name in chosen:
        if name not in experiment.leukaemias:
            problems.append(str(unknown_name("cohort.leukaemias", name, experiment.leukaemias, noun="leukaemia")))
    for name in {name for name in chosen if list(chosen).count(name) > 1}:
        problems.append(f"cohort.leukaemias: '{name}' is listed twice; raise cohort.subjects for more of it.")
    for name, leukaemia in experiment.leukaemias.items():
        total = sum(subclone.fraction for subclone in leukaemia.subclones.values())
        if total > 1.0 + _TOLERANCE:
            problems.append(f"leukaemias.{name}.subclones: the fractions add up to {total:g}; at most 1 is left for them.")


def _check_resistance(experiment: Experiment, problems: list[str]) -> None:
    chosen = list(experiment.cohort.resistance)
    known = [name for name in chosen if name in experiment.mechanisms]
    problems += [str(unknown_name("cohort.resistance", name, experiment.mechanisms, noun="mechanism of resistance")) for name in chosen if name not in known]
    problems += [f"cohort.resistance: '{name}' is listed twice." for name in dict.fromkeys(chosen) if chosen.count(name) > 1]
    if len(chosen) > MOST_MECHANISMS:
        problems.append(f"cohort.resistance: {len(chosen)} mechanisms are listed; at most {MOST_MECHANISMS} can act in one run.")
    total = sum(experiment.mechanisms[name].mutation_per_division for name in known)
    if total > 1.0 + _TOLERANCE:
        problems.append(f"cohort.resistance: the probabilities mutation_per_division add up to {total:g}; at most 1 is left for a division.")
    if chosen and experiment.task == "claim_robustness":
        problems.append(f"cohort.resistance = {chosen}: the robustness study compares with a mean-field twin without mutation; choose cohort.resistance=[].")


def _check_course(experiment: Experiment, problems: list[str]) -> None:
    trial = experiment.trial
    if trial.treatment_days > trial.follow_up_days:
        problems.append(f"trial.treatment_days = {trial.treatment_days:g}: is after the last day, trial.follow_up_days = {trial.follow_up_days:g}.")
    if trial.event_human_cd45_percent <= trial.start_human_cd45_percent:
        problems.append(
            f"trial.event_human_cd45_percent = {trial.event_human_cd45_percent:g}: must be above trial.start_human_cd45_percent"
            f" = {trial.start_human_cd45_percent:g}, or every subject has its event on day 0."
        )
    for day in experiment.readout.cell_snapshot_days:
        if not 0 <= day <= trial.follow_up_days:
            problems.append(f"readout.cell_snapshot_days: day {day:g} is outside the trial, 0 to {trial.follow_up_days:g}.")


def _check_visits(experiment: Experiment, problems: list[str]) -> None:
    """Visits of the assay of residual disease are times of the series."""
    readout, window = experiment.readout, max(experiment.engine.window_hours, experiment.engine.dt_hours)
    if readout.mrd_assay not in experiment.assays:
        problems.append(str(unknown_name("readout.mrd_assay", readout.mrd_assay, experiment.assays, noun="assay")))
    for day in readout.mrd_days:
        if not 0 <= day <= experiment.trial.follow_up_days:
            problems.append(f"readout.mrd_days: day {day:g} is outside the trial, 0 to {experiment.trial.follow_up_days:g}.")
        elif day > 0 and not _is_multiple(day * HOURS_PER_DAY, window):
            problems.append(f"readout.mrd_days: day {day:g} is {day * HOURS_PER_DAY:g} h, which must be a multiple of the engine's window of {window:g} h.")


def _check_grid(experiment: Experiment, problems: list[str]) -> None:
    """The readout, packing, switching and stepping grids must nest."""
    engine = experiment.engine
    hours: Mapping[str, float] = {
        "readout.interval_hours": experiment.readout.interval_hours,
        "engine.packing_hours": engine.packing_hours,
        "engine.window_hours": engine.window_hours,
        "engine.dt_hours": engine.dt_hours,
    }
    pairs = [
        ("readout.interval_hours", "engine.window_hours"),
        ("engine.packing_hours", "engine.window_hours"),
    ]
    pairs.append(("engine.window_hours", "engine.dt_hours") if engine.dt_hours <= engine.window_hours else ("readout.interval_hours", "engine.dt_hours"))
    for coarse, fine in pairs:
        if not _is_multiple(hours[coarse], hours[fine]):
            problems.append(f"{coarse} = {hours[coarse]:g}: must be a multiple of {fine} = {hours[fine]:g}.")


def _is_multiple(coarse: float, fine: float) -> bool:
    ratio = coarse / fine
    return ratio >= 1.0 - _TOLERANCE and abs(ratio - round(ratio)) < _TOLERANCE
