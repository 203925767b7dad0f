"""Residual disease of patients at their visits, as the assay of the trial reads it."""

from __future__ import annotations

import xarray as xr

from abm.endpoints.registry import ROW, Material, endpoint
from abm.readouts.laboratory import measured
from abm.readouts.mrd import MRD


def visit_names(day: float) -> tuple[str, str]:
    """Names of the endpoints of a visit: `mrd_day_33` and `mrd_negative_day_33`."""
    suffix = f"day_{day:g}".replace(".", "_")
    return f"mrd_{suffix}", f"mrd_negative_{suffix}"


@endpoint
def residual_disease_at_visits(material: Material) -> xr.Dataset:
    """`mrd_day_<day>`, the share of leukaemic cells among those assayed, and `mrd_negative_day_<day>`: below the limit of detection."""
    readout = material.experiment.readout
    if MRD not in material.series or not readout.mrd_days:
        return xr.Dataset()
    assay = material.experiment.assays[readout.mrd_assay]
    exact, keys = material.series[MRD].transpose(*ROW, "time"), material.view.keys
    data = {}
    for day in readout.mrd_days:
        share = exact.sel(time=day, method="nearest").values
        reading = measured(share.ravel(), assay, keys.reshape(-1, 2), MRD, day)
        for name, values in zip(visit_names(day), reading, strict=True):
            data[name] = (ROW, values.reshape(share.shape))
    return xr.Dataset(data)
