"""Grafts: stem cells and progenitors of a donor that settle in a subject's marrow.

They are from then on the subject's own, with its traits and feedback; the books show them
as gained.  Progenitors bring the counts back within weeks, stem cells feed them for life.
Does not model: the donor's lymphocytes and what they do to the leukaemia and to the host,
rejection, mixed chimerism, deaths of the procedure other than those of low counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from abm.models.donors import cells_of, dealt
from abm.models.healthy import HealthyState
from abm.parameters.blood_product import BloodProduct


class Graft(NamedTuple):
    """Cells that settle in the marrow of one row; whole numbers."""

    row: int
    stem_cells: float
    progenitors: float


def graft_of(product: BloodProduct, units: float, row: int) -> Graft:
    """What `units` of a product bring to the marrow of a row."""
    return Graft(row, cells_of(product, units), float(np.rint(units * product.progenitors_per_unit * product.recovery)))


def engraft(state: HealthyState, grafts: Iterable[Graft], at_rest: np.ndarray) -> HealthyState:
    """The cells (NumPy arrays, just drawn) after grafts; `at_rest` are the progenitors of each lineage at rest, (lineages,)."""
    stem, progenitors, gained = np.array(state.stem.cells), np.array(state.progenitors), np.array(state.gained)
    stem_gained, strata = np.array(state.stem.gained), progenitors.shape[2]
    for graft in grafts:
        stem[graft.row, 0] += dealt(graft.stem_cells, strata)
        stem_gained[graft.row] += graft.stem_cells
        upto = np.rint(np.concatenate([[0.0], np.cumsum(at_rest)]) * (graft.progenitors / at_rest.sum()))
        for lineage, cells in enumerate(np.diff(upto)):
            progenitors[graft.row, lineage] += dealt(cells, strata)
            gained[graft.row, lineage, 0] += cells
    pool: Any = state.stem._replace(cells=stem, gained=stem_gained)
    marrow: dict[str, Any] = {"progenitors": progenitors, "gained": gained, "stem": pool}
    return state._replace(**marrow)
