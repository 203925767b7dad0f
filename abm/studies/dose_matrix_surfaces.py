"""Surfaces of a dose matrix over leukaemias, with intervals over plates; curves of the single drugs; the summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.endpoints.dose_matrix import DEFINITIONS, SingleAgent, expected, mean_and_interval, single_agent
from abm.studies.dose_matrix_wells import Wells

LABELS = {"bliss": "Bliss", "hsa": "HSA", "loewe": "Loewe", "zip": "ZIP"}
_PLATE = ("leukaemia", "dose_a", "dose_b", "replicate")
_UNITS = {"leukaemia": "1", "drug": "1", "replicate": "1", "ic50_nm": "nmol/L", "largest_effect": "1", "half_effect_nm": "nmol/L", "hill": "1"}


def surfaces(wells: Wells, readings: dict[str, np.ndarray]) -> tuple[xr.Dataset, pd.DataFrame]:
    """(surfaces, single drugs).

    Args:
        readings: What every well shows, (arms, subjects) by name.

    Returns:
        Viability and excess over expectation over (leukaemia, dose_a, dose_b), and a table
        of the single drugs with one line for each leukaemia, drug and plate.
    """
    viability = wells.by_matrix(readings["viability"].reshape(-1))
    doses_a, doses_b = (np.array(d) for d in wells.doses)
    excess = {name: np.full(viability.shape, np.nan) for name in DEFINITIONS}
    lines = []
    for index, leukaemia in enumerate(wells.experiment.cohort.leukaemias):
        for replicate in range(viability.shape[3]):
            plate = viability[index, :, :, replicate]
            a, b = single_agent(doses_a, plate[:, 0]), single_agent(doses_b, plate[0])
            for name, values in expected(plate, doses_a, doses_b, a, b).items():
                excess[name][index, :, :, replicate] = values - plate
            names = (wells.settings.drug_a, wells.settings.drug_b)
            lines += [_line(leukaemia, drug, replicate + 1, found) for drug, found in zip(names, (a, b), strict=True)]
    table = pd.DataFrame(lines, columns=list(_UNITS))
    table.attrs["units"] = _UNITS
    return _dataset(wells, viability, excess), table


def _line(leukaemia: str, drug: str, replicate: int, found: SingleAgent) -> tuple[str, str, int, float, float, float, float]:
    """A line of the table; the numbers of a curve that was not fitted are NaN, an IC50 that was not reached is NaN."""
    ic50 = found.ic50_nm if np.isfinite(found.ic50_nm) else np.nan
    if found.curve is None:
        return leukaemia, drug, replicate, ic50, np.nan, np.nan, np.nan
    return leukaemia, drug, replicate, ic50, 1.0 - found.curve.e_max, found.curve.c, found.curve.h


def _dataset(wells: Wells, viability: np.ndarray, excess: dict[str, np.ndarray]) -> xr.Dataset:
    settings = wells.settings
    data: dict[str, Any] = {
        "viability": (_PLATE, viability, _about("Viable cells over those of the untreated well of the plate")),
        "drug_a": ((), settings.drug_a, _about("First drug")),
        "drug_b": ((), settings.drug_b, _about("Second drug")),
    }
    data |= _with_interval("viability_mean", "Viability, mean over plates", viability, "viability")
    for name, values in excess.items():
        data |= _with_interval(f"excess_{name}", f"Viability expected by {LABELS[name]} less the observed one, mean over plates", values)
    coords = {
        "leukaemia": list(wells.experiment.cohort.leukaemias),
        "dose_a": ("dose_a", wells.doses[0], {"units": "nmol/L", "long_name": f"Concentration of {settings.drug_a} in the medium"}),
        "dose_b": ("dose_b", wells.doses[1], {"units": "nmol/L", "long_name": f"Concentration of {settings.drug_b} in the medium"}),
        "replicate": np.arange(1, viability.shape[3] + 1),
    }
    found = xr.Dataset(data, coords=coords)
    found["leukaemia"].attrs.update(_about("Leukaemia"))
    found["replicate"].attrs.update(_about("Plate"))
    return found


def _with_interval(name: str, long_name: str, values: np.ndarray, stem: str | None = None) -> dict[str, Any]:
    mean, low, high = mean_and_interval(values)
    parts = {
        name: (mean, ""),
        f"{stem or name}_low": (low, ", lower end of its 95 % interval"),
        f"{stem or name}_high": (high, ", upper end of its 95 % interval"),
    }
    return {key: (_PLATE[:3], array, _about(long_name + what)) for key, (array, what) in parts.items()}


def _about(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}


def summarise(matrix: xr.Dataset, single: pd.DataFrame) -> dict[str, Any]:
    """Per leukaemia: IC50 of each drug alone, and the largest and mean excess by every definition."""
    return {
        str(name): {
            "ic50_nm": {str(drug): _ic50(rows["ic50_nm"].to_numpy()) for drug, rows in single[single["leukaemia"] == name].groupby("drug", sort=False)},
            "excess": {definition: _excess(matrix.sel(leukaemia=name), definition) for definition in DEFINITIONS},
        }
        for name in matrix["leukaemia"].values
    }


def _ic50(values: np.ndarray) -> dict[str, float | int | None]:
    """Geometric mean over plates, its 95 % interval, and how many plates reach it; the mean is null unless all do."""
    reached = np.isfinite(values)
    if not reached.all():
        return {"mean": None, "low": None, "high": None, "reached": int(reached.sum()), "n": len(values)}
    mean, low, high = (float(np.exp(x)) for x in mean_and_interval(np.log(values)))
    return {"mean": mean, "low": low, "high": high, "reached": len(values), "n": len(values)}


def _excess(matrix: xr.Dataset, definition: str) -> dict[str, Any]:
    mean = matrix[f"excess_{definition}"].values
    if np.isnan(mean).all():  # too few concentrations for a curve
        return {"largest": None, "low": None, "high": None, "at_nm": None, "mean": None}
    i, j = np.unravel_index(np.nanargmax(mean), mean.shape)
    low, high = (float(matrix[f"excess_{definition}_{end}"].values[i, j]) for end in ("low", "high"))
    at = {str(matrix["drug_a"].item()): float(matrix["dose_a"].values[i]), str(matrix["drug_b"].item()): float(matrix["dose_b"].values[j])}
    return {"largest": float(mean[i, j]), "low": low, "high": high, "at_nm": at, "mean": float(np.nanmean(mean))}
