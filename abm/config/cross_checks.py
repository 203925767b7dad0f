"""Checks that need more than one value: names that must exist, times that must fit together."""

from __future__ import annotations

from collections.abc import Mapping

from abm.config.dose_matrix_checks import DISH, check_dose_matrix
from abm.config.measured_files import check_measured
from abm.config.regimen_checks import check_regimens
from abm.errors import unknown_name
from abm.parameters.experiment import Experiment
from abm.parameters.host import Host
from abm.parameters.leukaemia import Growth
from abm.units import HOURS_PER_DAY

_TOLERANCE = 1e-6
# Shares may be rounded to three digits.
_ROUNDED = 2e-3
# Every set of mechanisms is a kind of cells with means of its own.
MOST_MECHANISMS = 8


def cross_check(experiment: Experiment, problems: list[str]) -> None:
    """Append one line to `problems` for everything that does not fit together."""
    _check_task(experiment, problems)
    check_measured(experiment, problems)
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
    _check_mix(experiment, problems)
    _check_start(experiment, problems)
    _check_resistance(experiment, problems)
    _check_lineages(experiment, problems)
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


def _check_mix(experiment: Experiment, problems: list[str]) -> None:
    mix = experiment.cohort.mix
    if not mix:
        return
    problems += [f"cohort.mix.{name} = {share:g}: a share of 0 to 1 is needed." for name, share in mix.items() if not 0.0 <= share <= 1.0]
    total = sum(mix.values())
    if abs(total - 1.0) > _ROUNDED:
        problems.append(f"cohort.mix: the shares add up to {total:g}; they must add up to 1. A leukaemia is left out with a share of 0.")
    if experiment.task == "claim_robustness":
        problems.append("cohort.mix: the robustness study compares given leukaemias; choose cohort.mix={} and cohort.leukaemias=[...].")


def _check_start(experiment: Experiment, problems: list[str]) -> None:
    """The rule of the start, and burdens that a leukaemia can reach."""
    trial, host = experiment.trial, experiment.host
    if host.founder_cells != round(host.founder_cells):
        problems.append(f"host.founder_cells = {host.founder_cells:g}: a whole number of cells is needed.")
    _check_past(experiment, problems)
    if trial.start_rule != "burden":
        return
    if experiment.task == "claim_robustness":
        problems.append("trial.start_rule = burden: the robustness study starts at a share of human CD45; choose trial.start_rule=human_cd45.")
    level = trial.start_burden_cells or host.diagnosis_burden
    if level is None:
        problems.append("trial.start_burden_cells = null: the host has no burden at diagnosis; give the leukaemic cells at which the trial starts.")
        return
    for name in experiment.cohort.leukaemias:
        if name in experiment.leukaemias and level >= (most := _levels_off_at(experiment.leukaemias[name].growth, host)):
            problems.append(
                f"trial.start_burden_cells = {level:g}: leukaemia '{name}' levels off at {most:.2g} cells, where divisions only replace deaths;"
                " start below that, or raise host.carrying_capacity."
            )


def _check_past(experiment: Experiment, problems: list[str]) -> None:
    """Founders among which mutants are drawn must be able to grow from one cell."""
    host = experiment.host
    mutating = any(experiment.mechanisms[name].mutation_per_division > 0.0 for name in experiment.cohort.resistance if name in experiment.mechanisms)
    if host.founder_cells <= 1.0 or not mutating:
        return
    for name in experiment.cohort.leukaemias:
        if name in experiment.leukaemias and host.founder_cells >= (most := _levels_off_at(experiment.leukaemias[name].growth, host)):
            problems.append(
                f"host.founder_cells = {host.founder_cells:g}: leukaemia '{name}' levels off at {most:.2g} cells, so that it cannot have grown to that"
                " from one cell, with mutation (cohort.resistance) on the way; begin with fewer, or raise host.carrying_capacity."
            )


def _levels_off_at(growth: Growth, host: Host) -> float:
    """Burden at which divisions of cycling cells only replace deaths, cells; cells in the blood do not divide."""
    d, enter = growth.death_per_day, growth.quiescent_to_cycling_per_day
    rho = growth.quiescent_fraction / (1.0 - growth.quiescent_fraction)
    leave = (growth.net_per_day + enter + d) * rho
    division = growth.net_per_day + d + leave - enter * rho
    needed = d * (1.0 + leave / max(enter + d, 1e-300))

    def grows(burden: float) -> bool:
        out = host.egress_at_half_cd45_per_day * (burden / host.burden_at_half_cd45) ** host.egress_exponent
        in_tissue = 1.0 / (1.0 + out * host.blood_residence_days)
        return division * (1.0 - burden / host.carrying_capacity) * in_tissue > needed

    low, high = 0.0, host.carrying_capacity
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if grows(middle) else (low, middle)
    return low


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
    apart = [name for name in known if experiment.mechanisms[name].compartment != "marrow"]
    if len(apart) > 1:
        problems.append(f"cohort.resistance: {' and '.join(apart)} are compartments of their own; one can act in one run.")
    if chosen and experiment.task == "claim_robustness":
        problems.append(f"cohort.resistance = {chosen}: the robustness study compares with a mean-field twin without mutation; choose cohort.resistance=[].")


def _check_lineages(experiment: Experiment, problems: list[str]) -> None:
    """Lineages of one species that add up to one count, and names of their populations."""
    here = {name: lineage for name, lineage in experiment.lineages.items() if lineage.species == experiment.host.species}
    named: dict[str, str] = {}
    for name, lineage in here.items():
        first = next(other for other in here.values() if other.readout == lineage.readout)
        if lineage.readout_units != first.readout_units:
            problems.append(
                f"lineages.{name}.readout_units = {lineage.readout_units}: lineages that share the readout '{lineage.readout}' add up"
                f" and need one unit; another one has {first.readout_units}."
            )
        if lineage.population_name in named:
            problems.append(
                f"lineages.{name}.population = {lineage.population_name}: is the name of the cells of '{named[lineage.population_name]}' too;"
                " give lineages that share a readout populations of their own."
            )
        named.setdefault(lineage.population_name, name)
    pools = [name for name, pool in experiment.stem_cells.items() if pool.followed and pool.species == experiment.host.species]
    if len(pools) > 1:
        problems.append(f"stem_cells: {', '.join(pools)} are all followed; one pool feeds the lineages of a species. Choose stem_cells.NAME.followed=false.")


def _check_course(experiment: Experiment, problems: list[str]) -> None:
    trial = experiment.trial
    if trial.treatment_days > trial.follow_up_days:
        problems.append(f"trial.treatment_days = {trial.treatment_days:g}: is after the last day, trial.follow_up_days = {trial.follow_up_days:g}.")
    if trial.start_rule == "human_cd45" and trial.event_human_cd45_percent <= trial.start_human_cd45_percent:
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
    elif experiment.assays[readout.mrd_assay].limit_of_detection > 1.0:
        problems.append(f"assays.{readout.mrd_assay}.limit_of_detection = {experiment.assays[readout.mrd_assay].limit_of_detection:g}: a share, at most 1.")
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
    off_drug = engine.off_drug_dt_hours
    if off_drug is None:
        return
    if not _is_multiple(off_drug, 0.5 * engine.window_hours):
        half = 0.5 * engine.window_hours
        problems.append(
            f"engine.off_drug_dt_hours = {off_drug:g}: must be a multiple of half of engine.window_hours, {half:g}; its windows are two steps long."
        )
    if not _is_multiple(experiment.readout.interval_hours, off_drug):
        interval = experiment.readout.interval_hours
        problems.append(f"readout.interval_hours = {interval:g}: must be a multiple of engine.off_drug_dt_hours = {off_drug:g}.")


def _is_multiple(coarse: float, fine: float) -> bool:
    ratio = coarse / fine
    return ratio >= 1.0 - _TOLERANCE and abs(ratio - round(ratio)) < _TOLERANCE
