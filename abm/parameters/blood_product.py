"""Parameters of a blood product: what one unit brings into the blood and how long it lives there."""

from __future__ import annotations

from abm.records import quantity, record, text


@record
class BloodProduct:
    """One product for transfusion."""

    label: str = text("Label in figures.")
    population: str = text("Population of the host's blood cells that it adds to, e.g. platelets.")
    cells_per_unit: float = quantity("cells", "Cells in one unit.", above=0.0, high=1e14)
    recovery: float = quantity("1", "Share of them that is in the blood after the transfusion.", above=0.0, high=1.0)
    life_days: float = quantity("d", "Mean life of these in the blood.", above=0.0)
