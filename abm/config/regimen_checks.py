"""Checks of the regimens that the arms use: events, tracks, visits and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from abm.config.drug_checks import check_drug, growth_problem, kinetics_problem
from abm.config.schema import shown
from abm.errors import nearest, unknown_name
from abm.parameters.blood_product import BloodProduct
from abm.parameters.experiment import Experiment
from abm.parameters.lineage import LEUKOCYTES, follows_leukocytes
from abm.parameters.regimen import Condition, DoseEvent, DosingRule, Regimen
from abm.pharmacology.regimen import is_skipped
from abm.units import HOURS_PER_DAY

_TOLERANCE = 1e-6
SHARES = ("human_cd45_fraction", "blast_fraction", "mrd")
"""Readouts in [0, 1] that every host has."""
CONCENTRATION = "concentration"
UNITS_OF_ENZYME = ("U", "U_per_m2")


def check_regimens(experiment: Experiment, problems: list[str]) -> None:
    """Append one line to `problems` for everything that does not fit; a regimen that no arm uses may name what it likes."""
    for name in dict.fromkeys(arm.regimen for arm in experiment.arms.values()):
        if name in experiment.regimens:
            regimen, key = experiment.regimens[name], f"regimens.{name}"
            for index, event in enumerate(regimen.events):
                problems += _drug_problems(experiment, event, f"{key}.events[{index}]")
                problems += _event_problems(event, f"{key}.events[{index}]")
                problems += _unknown(f"{key}.events[{index}].tracks", event.tracks, regimen.tracks, "track")
            problems += [f"{key}.tracks: '{track}' is listed twice." for track in dict.fromkeys(regimen.tracks) if list(regimen.tracks).count(track) > 1]
            for drug in dict.fromkeys(event.drug for event in regimen.events if event.drug in experiment.drugs):
                growth = growth_problem(drug, experiment.drugs[drug], _counts(experiment), experiment.task)
                found = [*check_drug(drug, experiment.drugs[drug]), *([growth] if growth else [])]
                problems += [line for line in found if line not in problems]
            problems += _visit_problems(experiment, regimen, key)
            problems += _rule_problems(experiment, regimen, key)
            problems += _transfusion_problems(experiment, regimen, key)
    check_products(experiment, problems)


def check_products(experiment: Experiment, problems: list[str]) -> None:
    """Blood products of the arms: cells that the host has, and one product for each of its lineages."""
    used = dict.fromkeys(p for arm in experiment.arms.values() if arm.regimen in experiment.regimens for p in experiment.regimens[arm.regimen].products)
    here = [lineage.population_name for lineage in experiment.lineages.values() if lineage.species == experiment.host.species]
    taken: dict[str, str] = {}
    for name in used:
        if name not in experiment.products:
            problems.append(str(unknown_name("product", name, experiment.products, noun="blood product")))
            continue
        product = experiment.products[name]
        problems += _product_problems(experiment, product, f"products.{name}")
        if product.is_graft:
            continue
        population = product.population
        problems += _unknown(f"products.{name}.population", [population], here, f"population of blood cells of the host ({experiment.host.species})")
        if population in taken:
            problems.append(
                f"products.{name}: adds to {population}, as '{taken[population]}' does; one product for each kind of cells can be given in one run."
            )
        taken.setdefault(population, name)
    if used and experiment.task == "claim_robustness":
        problems.append("transfusions: the robustness study compares with a mean-field twin, which is not transfused; choose regimens without them.")


def _product_problems(experiment: Experiment, product: BloodProduct, key: str) -> Iterator[str]:
    """A graft needs stem cells to join; what else is given needs a life in the blood."""
    if product.is_graft:
        species = experiment.host.species
        if not any(pool.followed and pool.species == species for pool in experiment.stem_cells.values()):
            yield f"{key}: is a graft, and stem cells of this host ({species}) are not followed; set stem_cells.NAME.followed=true."
        if product.life_days is not None:
            yield f"{key}.life_days = {product.life_days:g}: a graft lives as the host's own cells; set it to null."
        return
    if product.life_days is None:
        yield f"{key}.life_days: is missing; how long do {product.population} of a donor live in the blood?"
    if product.progenitors_per_unit:
        yield f"{key}.progenitors_per_unit = {product.progenitors_per_unit:g}: only a graft (population: stem_cells) holds progenitors."


def readouts(experiment: Experiment) -> list[str]:
    """Readouts that a rule can ask for: blood counts of the host's lineages, shares of cells, concentrations."""
    lineages = [lineage for lineage in experiment.lineages.values() if lineage.species == experiment.host.species]
    leukocytes = [LEUKOCYTES] if follows_leukocytes(lineages) else []
    return [*_counts(experiment), *leukocytes, *SHARES, CONCENTRATION]


def _counts(experiment: Experiment) -> list[str]:
    """Blood counts of the host's lineages."""
    return list(dict.fromkeys(lineage.readout for lineage in experiment.lineages.values() if lineage.species == experiment.host.species))


def _drug_problems(experiment: Experiment, event: DoseEvent, key: str) -> Iterator[str]:
    host = experiment.host
    if event.drug not in experiment.drugs:
        yield str(unknown_name(f"{key}.drug", event.drug, experiment.drugs, noun="drug"))
        return
    drug = experiment.drugs[event.drug]
    problem, kinetics = kinetics_problem(drug, host), drug.kinetics_key(host.species, host.age_group)
    if problem:
        yield f"{key}.drug = {event.drug}: {problem}"
    elif event.steady_state and kinetics is not None:
        pk = drug.pharmacokinetics[kinetics]
        if pk.clearance_l_per_h == 0.0:
            yield f"{key}.steady_state = true: '{event.drug}' is not eliminated, so it has no steady state."
        elif event.interval_days * HOURS_PER_DAY < event.duration_h + pk.lag_h + _TOLERANCE:
            yield f"{key}.steady_state = true: lag and infusion must be over before the next dose, {event.interval_days:g} d later."
    if (event.amount_unit in UNITS_OF_ENZYME) != (drug.dosed_in == "U"):
        yield f"{key}.amount_unit = {event.amount_unit}: '{event.drug}' is dosed in {drug.dosed_in}."
    if event.amount_unit.endswith("_per_m2") and host.body_surface_m2 is None:
        yield f"{key}.amount_unit = {event.amount_unit}: the host has no body surface; set host.body_surface_m2 or give the amount in another unit."


def _event_problems(event: DoseEvent, key: str) -> Iterator[str]:
    """What does not fit within one event."""
    if any(day < 0 for day in event.skip_days):
        yield f"{key}.skip_days = {list(event.skip_days)}: days count from randomisation, day 0."
    if event.duration_h > event.interval_days * HOURS_PER_DAY and (event.additional > 0 or event.steady_state):
        yield f"{key}.duration_h = {event.duration_h:g}: an infusion must end before the next one, {event.interval_days:g} d later."
    if any(factor < 0 for factor in event.ramp_factors):
        yield f"{key}.ramp_factors = {list(event.ramp_factors)}: factors of at least 0 are needed."
    if event.ramp_interval_days is not None and not event.ramp_factors:
        yield f"{key}.ramp_interval_days = {event.ramp_interval_days:g}: there are no ramp_factors that it could apply to."
    last = event.additional * event.interval_days
    if event.cycles > 1 and event.cycle_days is None:
        yield f"{key}.cycles = {event.cycles}: cycle_days, the length of a cycle, is missing."
    elif event.cycles > 1 and event.cycle_days is not None and event.cycle_days <= last:
        yield f"{key}.cycle_days = {event.cycle_days:g}: the last dose of a cycle is given {last:g} d after its first; a cycle must be longer."
    if event.steady_state and (event.ramp_factors or is_skipped(event.day, event.skip_days)):
        yield f"{key}.steady_state = true: the first dose must be a full one that is given; leave out ramp_factors and skip_days = {event.day:g}."


def _visit_problems(experiment: Experiment, regimen: Regimen, key: str) -> Iterator[str]:
    """Visits must lie at ends of windows, where to look at the cells changes nothing."""
    hours = max(experiment.engine.window_hours, experiment.engine.dt_hours)
    times = {f"{key}.visit_days": regimen.visit_days, f"{key}.visit_start_day": [regimen.visit_start_day]}
    times[f"{key}.visit_interval_days"] = [] if regimen.visit_interval_days is None else [regimen.visit_interval_days]
    times[f"{key}.transfusions"] = [day for given in regimen.transfusions for day in (given.day, given.interval_days)]
    times |= {f"{key}.rules.{name}.delay_days": [rule.delay_days] for name, rule in regimen.rules.items()}
    for where, days in times.items():
        for day in days:
            ratio = day * HOURS_PER_DAY / hours
            if day < 0 or abs(ratio - round(ratio)) > _TOLERANCE * max(1.0, ratio):
                yield f"{where} = {day:g}: must be a multiple of {hours / HOURS_PER_DAY:g} d, the window (engine.window_hours = {hours:g})."
    if regimen.rules and not regimen.visit_days and regimen.visit_interval_days is None:
        yield f"{key}.rules: are evaluated at visits, and there are none; set {key}.visit_days or {key}.visit_interval_days."
    known = readouts(experiment)
    for name, assay in regimen.assays.items():
        yield from _unknown(f"{key}.assays", [name], known, "readout")
        if assay.cells_assayed is not None and name not in SHARES:
            yield f"{key}.assays.{name}.cells_assayed = {assay.cells_assayed:g}: cells are counted only for a share ({', '.join(SHARES)}); use cv."


def _rule_problems(experiment: Experiment, regimen: Regimen, key: str) -> Iterator[str]:
    given = sorted({event.drug for event in regimen.events})
    for name, rule in regimen.rules.items():
        where = f"{key}.rules.{name}"
        yield from _unknown(f"{where}.drugs", rule.drugs, given, "drug of the regimen")
        yield from _unknown(f"{where}.on_tracks", rule.on_tracks, regimen.tracks, "track")
        for day in rule.on_days:
            if not is_visit(regimen, day):
                yield f"{where}.on_days: there is no visit on day {day:g}; add it to {key}.visit_days."
        yield from _action_problems(rule, regimen, where)
        for part, condition in (("when", rule.when), ("until", rule.until)):
            if condition is not None:
                yield from _condition_problems(experiment, condition, given, f"{where}.{part}")


def is_visit(regimen: Regimen, day: float) -> bool:
    """Whether a regimen has a visit on a day."""
    listed = any(abs(day - other) < _TOLERANCE for other in regimen.visit_days)
    if listed or regimen.visit_interval_days is None:
        return listed
    ratio = (day - regimen.visit_start_day) / regimen.visit_interval_days
    return ratio > -_TOLERANCE and abs(ratio - round(ratio)) < _TOLERANCE


def _transfusion_problems(experiment: Experiment, regimen: Regimen, key: str) -> Iterator[str]:
    """Transfusions that lie after the last day."""
    for index, given in enumerate(regimen.transfusions):
        if given.day > experiment.trial.follow_up_days:
            yield f"{key}.transfusions[{index}].day = {given.day:g}: is after the last day, trial.follow_up_days = {experiment.trial.follow_up_days:g}."


def _action_problems(rule: DosingRule, regimen: Regimen, where: str) -> Iterator[str]:
    """Keys that the action needs or does not read."""
    if rule.then == "reduce" and rule.reduce_factor is None:
        yield f"{where}.reduce_factor: is missing; by which factor are the doses reduced?"
    if rule.then != "reduce" and rule.reduce_factor is not None:
        yield f"{where}.reduce_factor = {rule.reduce_factor:g}: only 'then: reduce' reads it (after a hold: resume_factor)."
    if rule.then == "switch":
        if rule.track is None:
            yield f"{where}.track: is missing; to which track are subjects switched?"
        else:
            yield from _unknown(f"{where}.track", [rule.track], regimen.tracks, "track")
        if rule.drugs:
            yield f"{where}.drugs = {list(rule.drugs)}: a track is switched as a whole; leave the drugs out."
    elif rule.track is not None:
        yield f"{where}.track = {rule.track}: only 'then: switch' reads it."
    if rule.then == "transfuse":
        if rule.product is None or rule.units is None:
            yield f"{where}: 'then: transfuse' needs product and units, e.g. product: platelets, units: 1."
        if rule.drugs:
            yield f"{where}.drugs = {list(rule.drugs)}: a blood product is given, no drug; leave the drugs out."
    elif rule.product is not None or rule.units is not None:
        yield f"{where}: only 'then: transfuse' reads product and units."
    if rule.until is not None and rule.then != "hold":
        yield f"{where}.until: only 'then: hold' reads it."
    if rule.resume_factor != 1.0 and rule.then not in ("hold", "resume"):
        yield f"{where}.resume_factor = {rule.resume_factor:g}: only 'then: hold' and 'then: resume' read it."


def _condition_problems(experiment: Experiment, condition: Condition, given: list[str], where: str) -> Iterator[str]:
    yield from _unknown(f"{where}.readout", [condition.readout], readouts(experiment), f"readout of the host ({experiment.host.species})")
    if condition.above is None and condition.below is None:
        yield f"{where}: a bound is needed, above or below."
    if condition.above is not None and condition.below is not None and condition.above >= condition.below:
        yield f"{where}.above = {condition.above:g}: must be less than below = {condition.below:g}, or it is never met."
    if condition.readout == CONCENTRATION:
        yield from _unknown(f"{where}.drug", ["null" if condition.drug is None else condition.drug], given, "drug of the regimen")
    elif condition.drug is not None:
        yield f"{where}.drug = {condition.drug}: only the readout 'concentration' belongs to a drug."


def _unknown(key: str, names: Iterable[str], allowed: Iterable[str], noun: str) -> list[str]:
    known = list(allowed)
    listed = ", ".join(known) or "none"
    return [f"{key}: unknown {noun} '{shown(name)}'.{nearest(name, known)} Allowed: {listed}." for name in names if name not in known]
