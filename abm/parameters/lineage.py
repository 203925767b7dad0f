"""Parameters of a healthy lineage: progenitors, three transit stages, blood.

In the deterministic limit with a direct effect on proliferation the chain is the
model of Friberg et al. 2002 (doi:10.1200/JCO.2002.02.140).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from abm.parameters.cell import CellTraits
from abm.records import choice, part, quantity, record, text


@record
class Lineage:
    """One healthy lineage of one species."""

    label: str = text("Label in figures.")
    species: str = choice("Species.", ("mouse", "human"))
    readout: str = text("Name of the blood count in the results.")
    readout_units: str = text("Unit of the blood count, e.g. 1e9/L.")
    baseline: float = quantity("readout_units", "Blood count of a healthy subject.", above=0.0)
    cells_per_unit: float = quantity("1/L per readout unit", "Cells per litre of blood for one readout unit.", above=0.0)
    progenitors: CellTraits = part("Traits of the dividing progenitors.")
    blood_cells: CellTraits | None = part("Traits of the blood cells if drugs can kill them there; null if not.")
    transit_time_days: float = quantity("d", "Mean transit time from progenitor to blood (4 / k_tr).", above=0.0)
    blood_life_days: float = quantity("d", "Mean life in the blood.", above=0.0)
    feedback_exponent: float = quantity("1", "Exponent gamma of the feedback (baseline / count)^gamma on division.", low=0.0, high=2.0)
    feedback_max: float = quantity("1", "Largest feedback factor.", low=1.0)
    niche_exponent: float = quantity("1", "Exponent nu of the feedback (progenitors at rest / progenitors)^nu on division.", low=0.0, high=2.0, default=0.0)
    upstream_fraction: float = quantity("1", "Share of progenitor production that is fed from stem cells.", low=0.0, high=1.0)
    yield_per_cell: float = quantity("1", "Blood cells that one maturing cell releases.", low=1.0)
    white_cell_share: float = quantity("1", "Share of blood leukocytes that this lineage makes up (0 = not a leukocyte).", low=0.0, high=1.0)
    circulating_fraction: float = quantity(
        "1", "Share of the blood cells that a count sees; the others, marginal or in tissue, exchange with them at once.", above=0.0, high=1.0, default=1.0
    )
    cytotoxic_factor: float = quantity("1", "Cytotoxic hazard of a dividing progenitor relative to that of a dividing leukaemic cell.", low=0.0, default=1.0)
    bim_response: float = quantity("1", "Share of a drug's induction of BIM that its cells feel.", low=0.0, high=1.0, default=1.0)
    population: str | None = text("Name of its cells among the populations; null = the readout.", default=None)

    @property
    def population_name(self) -> str:
        """Name of its cells among the populations."""
        return self.population or self.readout


LEUKOCYTES = "leukocytes"
"""Blood count of all healthy leukocytes."""


def follows_leukocytes(lineages: Iterable[Lineage]) -> bool:
    """Whether `LEUKOCYTES` are counted: more than one of their lineages is followed."""
    return sum(lineage.white_cell_share > 0.0 for lineage in lineages) > 1


def by_readout(lineages: Mapping[str, Lineage]) -> dict[str, list[Lineage]]:
    """Lineages of each blood count, which is their sum."""
    counts: dict[str, list[Lineage]] = {}
    for lineage in lineages.values():
        counts.setdefault(lineage.readout, []).append(lineage)
    return counts
