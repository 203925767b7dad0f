"""Parameters of a product for transfusion or transplantation: what one unit brings into the blood or the marrow."""

from __future__ import annotations

from abm.records import quantity, record, text

STEM_CELLS = "stem_cells"
"""Population of the host's stem cells, to which a graft adds."""


@record
class BloodProduct:
    """One product: cells of the blood, or a graft of stem cells and progenitors."""

    label: str = text("Label in figures.")
    population: str = text("Population of the host's blood cells that it adds to, e.g. platelets; stem_cells = a graft.")
    cells_per_unit: float = quantity("cells", "Cells of this population in one unit.", above=0.0, high=1e14)
    recovery: float = quantity("1", "Share of the cells that reaches the blood, or of a graft the marrow.", above=0.0, high=1.0)
    life_days: float | None = quantity("d", "Mean life of these in the blood; null for a graft, which lives as the host's own cells.", above=0.0, default=None)
    progenitors_per_unit: float = quantity(
        "cells", "Progenitors in one unit of a graft; each lineage gets them in proportion to its own at rest.", low=0.0, high=1e14, default=0.0
    )

    @property
    def is_graft(self) -> bool:
        """Whether it goes to the marrow."""
        return self.population == STEM_CELLS
