"""How fast leukaemic cells die at the worst: a stand-in for the risk of tumour lysis."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.endpoints.registry import ROW, Material, endpoint


@endpoint
def tumour_lysis(material: Material) -> xr.Dataset:
    """Largest number of leukaemic cells that die per day between two looks, and the day on which that interval begins.

    It is a proxy: neither uric acid nor the kidneys are modelled.  Looks further apart average over longer.
    For patients `tumour_lysis_risk` says whether it reached the limit of the clinic.
    """
    series = material.series
    dead = series["deaths"].sel(population="leukaemia").transpose(*ROW, "time").values.astype(float)
    days = series["time"].values
    if len(days) < 2:
        return xr.Dataset()
    per_day = np.diff(dead, axis=2) / np.diff(days)
    worst = per_day.argmax(axis=2)
    found = xr.Dataset({"tumour_lysis_cells_per_day": (ROW, per_day.max(axis=2)), "tumour_lysis_day": (ROW, days[worst])})
    limit = material.experiment.clinic.tumour_lysis_cells_per_day
    if material.human and limit is not None:
        found["tumour_lysis_risk"] = (ROW, per_day.max(axis=2) >= limit)
    return found
