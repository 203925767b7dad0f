"""Parameters of a leukaemia: its traits, its kinetics and the subclones it arrives with."""

from __future__ import annotations

from abm.parameters.cell import CellTraits
from abm.records import named_parts, part, quantity, record, text


@record
class Growth:
    """Balanced growth of an undisturbed leukaemia far below its carrying capacity."""

    net_per_day: float = quantity("1/d", "Net growth rate of the population.")
    death_per_day: float = quantity("1/d", "Baseline death hazard d0 of every cell.", low=0.0)
    quiescent_fraction: float = quantity("1", "Share of quiescent cells in balanced growth.", low=0.0, high=0.99)
    quiescent_to_cycling_per_day: float = quantity("1/d", "Hazard at which a quiescent cell re-enters the cycle.", low=0.0)


@record
class TraitFactors:
    """What sets cells apart from those they descend from."""

    bcl2_factor: float = quantity("1", "Multiplies BCL-2.", low=0.0)
    bclxl_factor: float = quantity("1", "Multiplies BCL-XL.", low=0.0)
    mcl1_factor: float = quantity("1", "Multiplies MCL-1.", low=0.0)
    bim_factor: float = quantity("1", "Multiplies BIM.", low=0.0)
    bmf_competence_factor: float = quantity("1", "Multiplies BMF competence.", low=0.0)
    set_point_factor: float = quantity("1", "Multiplies the mTORC1 set point.", above=0.0)
    bcl2_ki_factor: float = quantity("1", "Multiplies the Ki of BH3 mimetics on BCL-2 (G101V: 180).", above=0.0)
    mtorc1_response: float = quantity("1", "Share of the mTORC1 inhibition that the cells feel.", low=0.0, high=1.0)
    death_factor: float = quantity("1", "Multiplies the apoptosis hazard (BAX loss < 1).", low=0.0)
    division_factor: float = quantity("1", "Multiplies the division hazard (1 - fitness cost).", low=0.0)
    cytotoxic_factor: float = quantity("1", "Multiplies the cytotoxic hazards (efflux, persister < 1).", low=0.0, default=1.0)
    bim_response: float = quantity("1", "Share of the induction of BIM by drugs that the cells feel (NR3C1 loss: 0).", low=0.0, high=1.0, default=1.0)
    thiopurine_response: float = quantity("1", "Share of the thiopurine hazards that the cells feel (NT5C2 < 1).", low=0.0, high=1.0, default=1.0)
    baseline_death_factor: float = quantity("1", "Multiplies the baseline death hazard (persister < 1).", low=0.0, default=1.0)


@record
class Subclone(TraitFactors):
    """A subclone that is part of the leukaemia when it is injected or diagnosed.

    Factors multiply the leukaemia's own traits.
    """

    fraction: float = quantity("1", "Share of the leukaemia's cells at the start.", low=0.0, high=1.0)
    mechanism: str = text("Name of the mechanism that sets it apart.")


@record
class Leukaemia:
    """One leukaemia, as engrafted in a mouse or diagnosed in a patient."""

    label: str = text("Label in figures.")
    traits: CellTraits = part("Mean traits of the founder clone.")
    growth: Growth = part("Growth when undisturbed.")
    subclones: dict[str, Subclone] = named_parts("Subclones present from the start.")
    bim_response: float = quantity("1", "Share of the induction of BIM by glucocorticoids that its cells feel.", low=0.0, high=1.0, default=1.0)
