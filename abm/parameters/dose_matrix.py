"""Keys of a dose matrix: two drugs, their concentrations, the culture."""

from __future__ import annotations

from abm.parameters.leukaemia import Growth
from abm.records import listing, part, quantity, record, text


@record
class DoseMatrix:
    """One dose matrix: every concentration of one drug with every concentration of another."""

    drug_a: str = text("First drug.")
    drug_b: str = text("Second drug.")
    doses_a_nm: list[float] = listing("Concentrations of the first drug in the medium, total, rising, nmol/L; 0 is added where it is missing.")
    doses_b_nm: list[float] = listing("Concentrations of the second drug in the medium, total, rising, nmol/L; 0 is added where it is missing.")
    hours: float = quantity("h", "When the wells are read.", above=0.0, high=240.0)
    washout_h: float | None = quantity("h", "When the medium is replaced by one without drugs; null = never.", above=0.0)
    serum_fraction: float = quantity("1", "Share of serum in the medium.", low=0.0, high=1.0)
    growth: Growth = part("Balanced growth in the dish, in the place of the leukaemias' own.")


def with_zero(doses_nm: list[float]) -> list[float]:
    """The concentrations with 0 first."""
    given = [float(dose) for dose in doses_nm]
    return given if 0.0 in given else [0.0, *given]


def well_name(drug_a: str, dose_a_nm: float, drug_b: str, dose_b_nm: float) -> str:
    """What is in a well, e.g. 'venetoclax 100 nM + everolimus 3 nM'; it depends on nothing but that."""
    parts = [f"{drug} {dose:.12g} nM" for drug, dose in ((drug_a, dose_a_nm), (drug_b, dose_b_nm)) if dose > 0.0]
    return " + ".join(parts) or "untreated"
