"""Typical pharmacokinetics of a drug in a host: body size, age group, meal, inhibitor of CYP3A.

All of these are known before a subject is drawn; what is left between subjects is
`clearance_cv` and `volume_cv` of `abm.pharmacology.compartments.individual_parameters`.
"""

from __future__ import annotations

import dataclasses

from abm.errors import InputError
from abm.parameters.drug import Drug, Pharmacokinetics
from abm.parameters.host import Host


def host_pharmacokinetics(drug: Drug, host: Host) -> Pharmacokinetics:
    """Parameters of a typical subject in this host, per subject.

    Clearances and volumes are multiplied by the weight or the body surface, the clearance of the drug by
    (body surface / reference)^exponent and, beside an inhibitor, by its factor; bioavailability by the factor of the meal.
    A meal that the drug does not name has the factor 1.  Metabolites are cleared as without an inhibitor.

    Raises:
        InputError: If the drug has no parameters for the host, or the body surface is needed and not known.
    """
    key = drug.kinetics_key(host.species, host.age_group)
    if key is None:
        raise InputError(no_kinetics(drug, host))
    pk = drug.pharmacokinetics[key]
    size = _size(pk, host)
    clearance = pk.clearance_l_per_h * size * _surface_power(pk, host)
    if host.cyp3a_inhibitor:
        clearance *= drug.cyp3a_inhibitor_clearance_factor
    metabolite = pk.metabolite
    if metabolite is not None:
        metabolite = dataclasses.replace(metabolite, clearance_l_per_h=metabolite.clearance_l_per_h * size, volume_l=metabolite.volume_l * size)
    return dataclasses.replace(
        pk,
        scaling="per_subject",
        clearance_l_per_h=clearance,
        central_volume_l=pk.central_volume_l * size,
        intercompartmental_l_per_h=pk.intercompartmental_l_per_h * size,
        peripheral_volume_l=pk.peripheral_volume_l * size,
        bioavailability=pk.bioavailability * drug.food_bioavailability.get(host.food, 1.0),
        clearance_surface_exponent=0.0,
        metabolite=metabolite,
    )


def needs_surface(pk: Pharmacokinetics) -> bool:
    """Whether the body surface enters the parameters."""
    return pk.scaling == "per_m2" or pk.clearance_surface_exponent > 0.0


def no_kinetics(drug: Drug, host: Host) -> str:
    """Why a drug cannot be given in a host."""
    known = ", ".join(drug.pharmacokinetics) or "none"
    return f"has no pharmacokinetics for the host's species '{host.species}' (it has: {known})."


def _size(pk: Pharmacokinetics, host: Host) -> float:
    if pk.scaling == "per_kg":
        return host.weight_kg
    return _surface(host) if pk.scaling == "per_m2" else 1.0


def _surface_power(pk: Pharmacokinetics, host: Host) -> float:
    if pk.clearance_surface_exponent == 0.0:
        return 1.0
    ratio: float = _surface(host) / pk.surface_reference_m2
    return ratio**pk.clearance_surface_exponent


def _surface(host: Host) -> float:
    if host.body_surface_m2 is None:
        raise InputError("host.body_surface_m2 = null: a drug of the run is scaled by the body surface; give it in m2.")
    return host.body_surface_m2
