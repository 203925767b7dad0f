"""Parameters of the pool of haematopoietic stem cells that feeds every healthy lineage of a species."""

from __future__ import annotations

from abm.parameters.cell import CellTraits
from abm.records import choice, flag, part, quantity, record, text


@record
class StemCells:
    """Haematopoietic stem cells of one species (`abm.models.stem_cells`)."""

    label: str = text("Label in figures.")
    species: str = choice("Species.", ("mouse", "human"))
    followed: bool = flag("Whether the pool is followed; false = lineages are fed at a constant rate.")
    cells: float = quantity("cells", "Stem cells of a healthy subject.", above=0.0)
    division_interval_days: float = quantity("d", "Mean time between two divisions of a stem cell at rest.", above=0.0)
    feedback_exponent: float = quantity("1", "Exponent of the feedback (cells at rest / cells) on self-renewing division.", low=0.0, high=4.0)
    feedback_max: float = quantity("1", "Largest feedback factor.", low=1.0)
    cytotoxic_factor: float = quantity("1", "Cytotoxic hazard relative to that of a quiescent leukaemic cell.", low=0.0)
    bim_response: float = quantity("1", "Share of a drug's induction of BIM that stem cells feel.", low=0.0, high=1.0, default=1.0)
    traits: CellTraits = part("Traits of the stem cells.")
