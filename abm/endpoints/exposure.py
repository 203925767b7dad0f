"""Exposure to every drug: area under the curve, peak and trough over the whole run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.endpoints.registry import ROW, Material, endpoint
from abm.readouts.view import View


def exposures(view: View) -> xr.Dataset:
    """`auc_<drug>` (nmol/L day, exact), `c_max_<drug>` at the ends of steps, `c_trough_<drug>` before the last dose."""
    data = {}
    for index, drug in enumerate(view.drugs):
        for name, values, units in (("auc", view.seen.auc, "nmol/L d"), ("c_max", view.seen.c_max, "nmol/L"), ("c_trough", view.seen.c_trough, "nmol/L")):
            data[f"{name}_{drug}"] = xr.DataArray(np.asarray(values)[:, :, -1, index], dims=ROW, attrs={"units": units})
    return xr.Dataset(data)


@endpoint
def exposure(material: Material) -> xr.Dataset:
    """`exposures` of a trial."""
    return exposures(material.view)
