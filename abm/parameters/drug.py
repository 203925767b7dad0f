"""Parameters of a drug: how it is distributed and which targets it acts on.

Drugs act on targets, never on outcomes.  A target that a drug lacks is null.
"""

from __future__ import annotations

from abm.records import choice, named_parts, part, quantity, record, text


@record
class Pharmacokinetics:
    """Linear one- or two-compartment model with first-order absorption in one species.

    Apparent parameters (CL/F, V/F) for oral drugs.  With `per_kg` the clearances and
    volumes are per kilogram of body weight.
    """

    scaling: str = choice("Whether parameters are per subject or per kilogram.", ("per_subject", "per_kg"))
    clearance_l_per_h: float = quantity("L/h", "Clearance CL (or L/h/kg).", low=0.0)
    central_volume_l: float = quantity("L", "Central volume V1 (or L/kg).", above=0.0)
    intercompartmental_l_per_h: float = quantity("L/h", "Inter-compartmental clearance Q; 0 = one compartment.", low=0.0)
    peripheral_volume_l: float = quantity("L", "Peripheral volume V2 (or L/kg); used when Q > 0.", above=0.0)
    absorption_per_h: float | None = quantity("1/h", "First-order absorption ka; null = into the central compartment.", above=0.0)
    bioavailability: float = quantity("1", "Bioavailability F, relative to the apparent parameters.", low=0.0, high=2.0)
    lag_h: float = quantity("h", "Absorption lag.", low=0.0)
    fraction_unbound: float = quantity("1", "Unbound fraction in the matrix of the concentration.", above=0.0, high=1.0)
    tissue_factor: float = quantity("1", "Free concentration at the cell over free concentration in the matrix.", above=0.0)
    clearance_cv: float = quantity("1", "Between-subject CV of clearance (log-normal).", low=0.0, high=3.0)
    volume_cv: float = quantity("1", "Between-subject CV of the central volume (log-normal).", low=0.0, high=3.0)
    cns_penetration: float | None = quantity(
        "1", "Share of the free concentration that reaches the CNS; null = as conf/resistance says.", low=0.0, default=None
    )


@record
class Bh3Mimetic:
    """Competitive occupancy of the BH3 groove."""

    ki_bcl2_nm: float = quantity("nmol/L", "Cell-effective Ki on BCL-2 (free).", above=0.0)
    ki_bclxl_nm: float = quantity("nmol/L", "Ki on BCL-XL (free).", above=0.0)
    ki_mcl1_nm: float = quantity("nmol/L", "Ki on MCL-1 (free).", above=0.0)


@record
class Mtorc1Inhibitor:
    """Tight binding: dO/dt = k_off [ (C/IC50)(1 - O) - O ]."""

    ic50_nm: float = quantity("nmol/L", "Free concentration of half occupancy.", above=0.0)
    koff_per_h: float = quantity("1/h", "Rate at which inhibition is lost.", above=0.0)
    max_inhibition: float = quantity("1", "Share Imax of the activity lost at full occupancy.", low=0.0, high=1.0)


@record
class StressAgonist:
    """Additive drive of the integrated stress response."""

    max_drive: float = quantity("1", "Drive at saturation.", low=0.0)
    ec50_nm: float = quantity("nmol/L", "Free concentration of half drive.", above=0.0)
    hill: float = quantity("1", "Hill exponent.", above=0.0)


@record
class BimInducer:
    """Induction of BIM (glucocorticoids)."""

    max_fold: float = quantity("1", "Fold of BIM at saturation.", low=1.0)
    ec50_nm: float = quantity("nmol/L", "Free concentration of half induction.", above=0.0)
    hill: float = quantity("1", "Hill exponent.", above=0.0)


@record
class Cytotoxic:
    """Hazard of death from damage to DNA or tubulin."""

    max_per_day: float = quantity("1/d", "Hazard at saturation.", low=0.0)
    ec50_nm: float = quantity("nmol/L", "Free concentration of half the hazard.", above=0.0)
    hill: float = quantity("1", "Hill exponent.", above=0.0)
    quiescent_factor: float = quantity("1", "Hazard of a quiescent cell relative to a cycling one.", low=0.0, high=1.0)


@record
class Targets:
    """What a drug acts on; null where it does not."""

    bh3: Bh3Mimetic | None = part("Pro-survival proteins.")
    mtorc1: Mtorc1Inhibitor | None = part("mTORC1.")
    stress: StressAgonist | None = part("Integrated stress response.")
    bim: BimInducer | None = part("BIM.")
    cytotoxic: Cytotoxic | None = part("DNA or tubulin.")


@record
class Drug:
    """One drug."""

    label: str = text("Label in figures.")
    matrix: str = choice("Matrix of the concentration.", ("plasma", "blood", "medium"))
    molar_mass_g_per_mol: float = quantity("g/mol", "Molar mass.", above=0.0)
    pharmacokinetics: dict[str, Pharmacokinetics] = named_parts("By species: mouse, human.")
    targets: Targets = part("Targets.")
