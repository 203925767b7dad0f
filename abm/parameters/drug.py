"""Parameters of a drug: how it is distributed and which targets it acts on.

Drugs act on targets, never on outcomes.  A target that a drug lacks is null.
"""

from __future__ import annotations

from abm.records import choice, count, named_parts, part, quantity, record, text


@record
class Metabolite:
    """One-compartment metabolite that is formed from the drug in proportion to its amount.

    Only `formed_fraction` over `volume_l` can be known from concentrations of the metabolite.
    Its clearance differs between subjects by the same factor as that of the drug.
    """

    acts_through: str = choice("What acts, and whose concentration the results show.", ("parent", "metabolite", "both"))
    formed_fraction: float = quantity("1", "Molar share of the drug's elimination that forms the metabolite.", low=0.0, high=1.0)
    first_pass_fraction: float = quantity("1", "Molar share of an absorbed dose that is metabolite already when it enters.", low=0.0, high=1.0)
    clearance_l_per_h: float = quantity("L/h", "Clearance of the metabolite, scaled like those of the drug.", low=0.0)
    volume_l: float = quantity("L", "Volume of the metabolite, scaled like those of the drug.", above=0.0)
    relative_potency: float = quantity("1", "Parent concentration of equal effect per concentration of metabolite; used where both act.", low=0.0, default=1.0)


@record
class Pharmacokinetics:
    """Linear compartment model in one species, or in one age group of it.

    Apparent parameters (CL/F, V/F) for oral drugs.  With `per_kg` or `per_m2` the clearances
    and volumes are per kilogram of body weight or per square metre of body surface.
    """

    scaling: str = choice("Whether parameters are per subject, kilogram or square metre.", ("per_subject", "per_kg", "per_m2"))
    clearance_l_per_h: float = quantity("L/h", "Clearance CL (or L/h/kg, L/h/m2).", low=0.0)
    central_volume_l: float = quantity("L", "Central volume V1 (or L/kg, L/m2).", above=0.0)
    intercompartmental_l_per_h: float = quantity("L/h", "Inter-compartmental clearance Q; 0 = one compartment.", low=0.0)
    peripheral_volume_l: float = quantity("L", "Peripheral volume V2 (or L/kg, L/m2); used when Q > 0.", above=0.0)
    absorption_per_h: float | None = quantity("1/h", "First-order absorption ka; null = into the central compartment.", above=0.0)
    bioavailability: float = quantity("1", "Bioavailability F, relative to the apparent parameters.", low=0.0, high=2.0)
    lag_h: float = quantity("h", "Absorption lag.", low=0.0)
    fraction_unbound: float = quantity("1", "Unbound fraction in the matrix of the concentration.", above=0.0, high=1.0)
    tissue_factor: float = quantity("1", "Free concentration at the cell over free concentration in the matrix.", above=0.0)
    clearance_cv: float = quantity("1", "Between-subject CV of clearance (log-normal).", low=0.0, high=3.0)
    volume_cv: float = quantity("1", "Between-subject CV of the central volume (log-normal).", low=0.0, high=3.0)
    clearance_surface_exponent: float = quantity("1", "CL is proportional to body surface to this power; 0 = not.", low=0.0, high=3.0, default=0.0)
    surface_reference_m2: float = quantity("m2", "Body surface at which CL is the value given; used when the exponent is above 0.", above=0.0, default=1.73)
    transit_compartments: int = count("Compartments that a dose passes before the depot; 0 = none.", low=0, high=20, default=0)
    transit_per_h: float = quantity("1/h", "Rate out of each transit compartment.", above=0.0, default=1.0)
    stages: int = count("Stages that the drug passes in the central compartment, all measured, each eliminated; 1 = no change.", low=1, high=20, default=1)
    stage_per_h: float = quantity("1/h", "Rate from a stage to the next, from the last one out; used with two or more stages.", above=0.0, default=1.0)
    metabolite: Metabolite | None = part("Metabolite; null = none that matters.", default=None)
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
    mtorc1_loss: float = quantity("1", "Share of mTORC1 activity that is lost at full drive, through GCN2.", low=0.0, high=1.0, default=0.0)


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
    progenitor_factor: float = quantity("1", "Hazard of a healthy dividing progenitor relative to a cycling leukaemic cell.", low=0.0, default=1.0)
    stem_cell_factor: float = quantity(
        "1", "Hazard of a healthy stem cell relative to that of another drug with the same hazard of quiescent cells.", low=0.0, default=1.0
    )
    family: str = choice("thiopurine: the hazard that resistance to thiopurines lowers.", ("cytotoxic", "thiopurine"), default="cytotoxic")


@record
class GrowthFactor:
    """Stimulation of the lineages of one blood count (G-CSF, for one): progenitors divide faster, maturing cells mature faster."""

    readout: str = text("Blood count whose lineages respond.")
    division_fold: float = quantity("1", "Factor on the division hazard of progenitors at saturation.", low=1.0)
    maturation_fold: float = quantity("1", "Factor on the rate of maturation at saturation.", low=1.0)
    ec50_nm: float = quantity("nmol/L", "Free concentration of half the effect.", above=0.0)
    hill: float = quantity("1", "Hill exponent.", above=0.0)


@record
class Targets:
    """What a drug acts on; null where it does not."""

    bh3: Bh3Mimetic | None = part("Pro-survival proteins.")
    mtorc1: Mtorc1Inhibitor | None = part("mTORC1.")
    stress: StressAgonist | None = part("Integrated stress response.")
    bim: BimInducer | None = part("BIM.")
    cytotoxic: Cytotoxic | None = part("DNA or tubulin.")
    growth: GrowthFactor | None = part("Receptors of a healthy lineage.", default=None)


@record
class Drug:
    """One drug."""

    label: str = text("Label in figures.")
    matrix: str = choice("Matrix of the concentration.", ("plasma", "blood", "medium"))
    molar_mass_g_per_mol: float = quantity("g/mol", "Molar mass.", above=0.0)
    dosed_in: str = choice("Unit of amounts.  U: an enzyme; concentrations and potencies are then U/L, with a molar mass of 1e6.", ("mg", "U"), default="mg")
    cyp3a_inhibitor_clearance_factor: float = quantity("1", "Factor on clearance beside a strong inhibitor of CYP3A.", above=0.0, high=1.0, default=1.0)
    food_bioavailability: dict[str, float] = named_parts("Factor on bioavailability by meal: fasting, low_fat, high_fat; none = no influence.", default={})
    pharmacokinetics: dict[str, Pharmacokinetics] = named_parts("By species (mouse, human), or by species and age group (human_child).")
    targets: Targets = part("Targets.")

    def kinetics_key(self, species: str, age_group: str) -> str | None:
        """Entry of `pharmacokinetics` for a host: that of its age group, else that of its species; None without either."""
        return next((key for key in (f"{species}_{age_group}", species) if key in self.pharmacokinetics), None)
