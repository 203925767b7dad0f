"""Parameters of a host: body, carrying capacity, trafficking, crowding of the marrow."""

from __future__ import annotations

from abm.records import choice, flag, quantity, record, text


@record
class Host:
    """The body that a leukaemia lives in."""

    label: str = text("Label in figures.")
    species: str = choice("Species.", ("mouse", "human", "dish"))
    age_group: str = choice("Age group.", ("child", "adult"), default="adult")
    weight_kg: float = quantity("kg", "Body weight.", above=0.0)
    body_surface_m2: float | None = quantity("m2", "Body surface; null where no dose and no drug is scaled by it.", above=0.0, default=None)
    cyp3a_inhibitor: bool = flag("Whether a strong inhibitor of CYP3A is taken throughout.", default=False)
    food: str = choice("Meal with which oral drugs are taken.", ("fasting", "low_fat", "high_fat"), default="low_fat")
    blood_volume_l: float = quantity("L", "Blood volume.", above=0.0)
    carrying_capacity: float = quantity("cells", "Leukaemic burden at which division stops, K.", above=0.0)
    injected_cells: float = quantity("cells", "Leukaemic cells injected.", low=0.0, default=0.0)
    seeding_fraction: float = quantity("1", "Share of the injected cells that seed.", low=0.0, high=1.0, default=1.0)
    founder_cells: float = quantity("cells", "Leukaemic cells that the host's own leukaemia is grown from, whole.", low=0.0, high=1e15, default=0.0)
    diagnosis_burden: float | None = quantity("cells", "Leukaemic cells at diagnosis; null where nothing is diagnosed.", above=0.0, default=None)
    blood_residence_days: float = quantity("d", "Mean stay of a leukaemic cell in the blood before it returns to tissue.", above=0.0)
    egress_at_half_cd45_per_day: float = quantity(
        "1/d", "Hazard of leaving tissue at the burden where half of the blood leukocytes are leukaemic (in a mouse: human).", low=0.0
    )
    burden_at_half_cd45: float = quantity("cells", "Burden at which half of the blood leukocytes are leukaemic (in a mouse: human).", above=0.0)
    egress_exponent: float = quantity("1", "Exponent of the burden in the egress hazard.", low=0.0, high=3.0)
    crowding_half_burden: float = quantity("cells", "Burden that halves the healthy cells of the marrow, for the share of blasts.", above=0.0)
    production_half_burden: float | None = quantity(
        "cells", "Burden that halves the production of healthy progenitors; null = crowding_half_burden.", above=0.0, default=None
    )
    marrow_nucleated_cells: float = quantity("cells", "Nucleated cells of the healthy marrow.", above=0.0)
    marrow_share: float = quantity("1", "Share of the leukaemia in tissue that sits in the marrow.", above=0.0, high=1.0)
    growth_cv: float = quantity("1", "Between-subject CV of the leukaemia's division hazard alone (log-normal).", low=0.0, high=1.0)

    @property
    def halving_burden(self) -> float:
        """Leukaemic cells that halve the production of healthy progenitors."""
        return self.crowding_half_burden if self.production_half_burden is None else self.production_half_burden

    @property
    def expected_founders(self) -> float:
        """Leukaemic cells expected at the start of the lead-in: those that seed, and the founders."""
        return self.injected_cells * self.seeding_fraction + self.founder_cells
