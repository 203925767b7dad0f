"""Units of the model and the few conversions between them.

Inside the model time is in days, concentration in nmol/L, amounts of drug in mg,
cells are counts.  A key or field in another unit carries it as a suffix
(`clearance_l_per_h`); the conversion happens where the record is used.
"""

from __future__ import annotations

HOURS_PER_DAY = 24.0


def hours_to_days(hours: float) -> float:
    """Days in `hours`."""
    return hours / HOURS_PER_DAY


def mg_per_l_to_nmol_per_l(molar_mass_g_per_mol: float) -> float:
    """Factor from mg/L to nmol/L for a molar mass in g/mol."""
    return 1e6 / molar_mass_g_per_mol
