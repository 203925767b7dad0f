"""Parameters of the machinery inside a cell, shared by leukaemic and healthy cells.

The equations that use them stand in `abm.biology`, one mechanism per module.
"""

from __future__ import annotations

from abm.records import part, quantity, record


@record
class Mtorc1:
    """mTORC1 activity and the loss of it that a cell feels (`abm.biology.mtorc1`)."""

    relaxation_per_hour: float = quantity("1/h", "Rate k_m at which activity follows its target.", above=0.0)
    loss_half_point: float = quantity("1", "Loss of activity Phi_K at which Phi is one half (healthy activity = 1).", above=0.0)
    loss_steepness: float = quantity("1", "Hill exponent of Phi in the loss.", low=1.0, high=12.0)


@record
class Stress:
    """Integrated stress response (`abm.biology.stress`)."""

    basal: float = quantity("1", "Stress s0 of an unperturbed cell.", low=0.0, high=1.0)
    gain: float = quantity("1", "Stress sigma added at full loss of mTORC1 activity; 0 switches the response off.", low=0.0)
    rate_per_hour: float = quantity("1/h", "Rate k_s at which stress follows its drive.", above=0.0)


@record
class Bmf:
    """Induction of BMF by stress (`abm.biology.bmf`)."""

    basal_nm: float = quantity("nmol/L", "BMF of a competent cell without stress, B0.", low=0.0)
    induced_nm: float = quantity("nmol/L", "BMF added at full induction, B1.", low=0.0)
    stress_half_point: float = quantity("1", "Stress at half induction.", above=0.0)
    stress_hill: float = quantity("1", "Hill exponent of the induction.", low=1.0, high=12.0)
    rate_per_hour: float = quantity("1/h", "Turnover rate k_b of BMF.", above=0.0)
    direct_fraction: float = quantity("1", "Share of the induction that needs no stress response (eIF4E route).", low=0.0, high=1.0)


@record
class Mcl1:
    """Loss of MCL-1 under mTORC1 block (`abm.biology.apoptosis`)."""

    loss_fraction: float = quantity("1", "Share of MCL-1 lost at full Phi; 0 holds MCL-1.", low=0.0, high=1.0)


@record
class Bh3Binding:
    """Binding of the pooled activator (BIM and BMF) to the pro-survival proteins."""

    kd_bcl2_nm: float = quantity("nmol/L", "Dissociation constant from BCL-2.", above=0.0)
    kd_bclxl_nm: float = quantity("nmol/L", "Dissociation constant from BCL-XL.", above=0.0)
    kd_mcl1_nm: float = quantity("nmol/L", "Dissociation constant from MCL-1.", above=0.0)


@record
class Apoptosis:
    """From free activator to the hazard of death (`abm.biology.apoptosis`)."""

    half_activator_nm: float = quantity("nmol/L", "Free activator p50 at half of the maximal hazard.", above=0.0)
    hill: float = quantity("1", "Steepness n_p of pore formation.", low=1.0, high=12.0)
    max_per_day: float = quantity("1/d", "Maximal hazard h_max.", low=0.0)
    stress_per_day: float = quantity("1/d", "Hazard per unit of stress that needs no pore, h_ISR.", low=0.0)


@record
class Proliferation:
    """Slowing of division by loss of mTORC1 activity (`abm.biology.proliferation`)."""

    slowing_max: float = quantity("1", "Fraction g_max of the division hazard lost at full Phi.", low=0.0, high=1.0)


@record
class Amounts:
    """Amounts of the BCL-2 family and how they differ between cells (`abm.biology.heredity`)."""

    reference_nm: float = quantity("nmol/L", "Amount A_ref to which all amounts are relative.", above=0.0)
    cv: float = quantity("1", "Between-cell coefficient of variation of each amount.", low=0.0, high=2.0)
    cv_size: float = quantity("1", "Coefficient of variation of the factor that all amounts of a cell share.", low=0.0, high=2.0)
    redraw_probability: float = quantity("1", "Probability that a daughter redraws its amounts and set point at division.", low=0.0, high=1.0)


@record
class Cell:
    """All machinery inside a cell."""

    mtorc1: Mtorc1 = part("mTORC1 activity.")
    stress: Stress = part("Integrated stress response.")
    bmf: Bmf = part("Induction of BMF.")
    mcl1: Mcl1 = part("Loss of MCL-1.")
    bh3: Bh3Binding = part("BH3 binding.")
    apoptosis: Apoptosis = part("Hazard of death.")
    proliferation: Proliferation = part("Slowing of division.")
    amounts: Amounts = part("Amounts and their spread.")


@record
class CellTraits:
    """Mean traits of one kind or clone of cells, relative to `amounts.reference_nm` where amounts."""

    bcl2: float = quantity("A_ref", "Amount of BCL-2.", low=0.0)
    bclxl: float = quantity("A_ref", "Amount of BCL-XL.", low=0.0)
    mcl1: float = quantity("A_ref", "Amount of MCL-1 at full mTORC1 activity.", low=0.0)
    bim: float = quantity("A_ref", "Amount of BIM, the priming of the cell.", low=0.0)
    bmf_competence: float = quantity("1", "BMF competence beta; 0 in BMF-null cells.", low=0.0)
    bmf_competence_cv: float = quantity("1", "Between-cell coefficient of variation of the competence.", low=0.0, high=2.0)
    set_point: float = quantity("1", "mTORC1 activity m* of an undisturbed cell (healthy = 1).", above=0.0)
    set_point_cv: float = quantity("1", "Between-cell coefficient of variation of the set point.", low=0.0, high=2.0)
