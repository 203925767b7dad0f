"""Residual disease of patients at their visits, as the assay of the trial reads it."""

from __future__ import annotations

import xarray as xr

from abm.endpoints.registry import ROW, Material, endpoint
from abm.readouts.mrd import read_mrd


def visit_name(day: float) -> str:
    """Name of the endpoint of a visit: `mrd_day_33`, `mrd_day_7_5`."""
    return f"mrd_day_{day:g}".replace(".", "_")


@endpoint
def residual_disease_at_visits(material: Material) -> xr.Dataset:
    """`mrd_day_<day>`, the share of leukaemic cells among those assayed, and `mrd_day_<day>_negative`: below the limit of detection."""
    readout = material.experiment.readout
    if "mrd" not in material.series or not readout.mrd_days:
        return xr.Dataset()
    assay = material.experiment.assays[readout.mrd_assay]
    exact, keys = material.series["mrd"].transpose(*ROW, "time"), material.view.keys
    data = {}
    for day in readout.mrd_days:
        share = exact.sel(time=day, method="nearest").values
        reading = read_mrd(share.ravel(), assay, keys.reshape(-1, 2), day)
        data[visit_name(day)] = (ROW, reading.share.reshape(share.shape))
        data[f"{visit_name(day)}_negative"] = (ROW, reading.below_limit.reshape(share.shape))
    return xr.Dataset(data)
