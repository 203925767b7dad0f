"""Checks of a drug that need more than one value, and of a drug in the host that it is given to."""

from __future__ import annotations

from collections.abc import Iterable

from abm.errors import nearest
from abm.parameters.drug import Drug, Pharmacokinetics
from abm.parameters.host import Host
from abm.pharmacology.covariates import needs_surface, no_kinetics

MEALS = ("fasting", "low_fat", "high_fat")
MOLAR_MASS_OF_UNITS = 1e6


def growth_problem(name: str, drug: Drug, readouts: Iterable[str], task: str) -> str | None:
    """Why a growth factor cannot act in the run; None if it can, or if the drug is none."""
    target, known = drug.targets.growth, list(readouts)
    if target is None:
        return None
    if target.readout not in known:
        return f"drugs.{name}.targets.growth.readout: the host has no count '{target.readout}'.{nearest(target.readout, known)} Allowed: {', '.join(known)}."
    if task == "claim_robustness":
        return f"drugs.{name}: is a growth factor, which the mean-field twin of the robustness study does not know; choose regimens without it."
    return None


def kinetics_problem(drug: Drug, host: Host) -> str | None:
    """Why the drug cannot be given in the host; None if it can."""
    key = drug.kinetics_key(host.species, host.age_group)
    if key is None:
        return no_kinetics(drug, host)
    if host.body_surface_m2 is None and needs_surface(drug.pharmacokinetics[key]):
        return "is scaled by the body surface, but host.body_surface_m2 = null; give it in m2, e.g. host.body_surface_m2=1.8."
    return None


def check_drug(name: str, drug: Drug) -> list[str]:
    """One line for everything in the drug that does not fit together."""
    problems = []
    for meal, factor in drug.food_bioavailability.items():
        if meal not in MEALS:
            problems.append(f"drugs.{name}.food_bioavailability: unknown meal '{meal}'.{nearest(meal, MEALS)} Allowed: {', '.join(MEALS)}.")
        elif factor < 0.0:
            problems.append(f"drugs.{name}.food_bioavailability.{meal} = {factor:g}: must not be negative.")
    if drug.dosed_in == "U" and drug.molar_mass_g_per_mol != MOLAR_MASS_OF_UNITS:
        problems.append(f"drugs.{name}.molar_mass_g_per_mol = {drug.molar_mass_g_per_mol:g}: a drug dosed in U needs 1e6, so that its concentrations are U/L.")
    for key, pk in drug.pharmacokinetics.items():
        problems += [f"drugs.{name}.pharmacokinetics.{key}.{problem}" for problem in _kinetics(pk)]
    return problems


def _kinetics(pk: Pharmacokinetics) -> list[str]:
    problems = []
    if pk.transit_compartments > 0 and pk.absorption_per_h is None:
        problems.append(f"transit_compartments = {pk.transit_compartments}: there is no absorption that they could delay; give absorption_per_h.")
    if pk.stages > 1 and pk.intercompartmental_l_per_h > 0.0:
        problems.append(f"stages = {pk.stages}: stages of the central compartment exchange with no other; intercompartmental_l_per_h must be 0.")
    if pk.metabolite is not None and pk.metabolite.first_pass_fraction > 0.0 and pk.absorption_per_h is None:
        problems.append("metabolite.first_pass_fraction: there is no absorption from which it could form; give absorption_per_h or 0.")
    return problems
