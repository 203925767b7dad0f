"""Concentration of every drug in its matrix: of what acts, so of a metabolite where the drug acts through one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.readouts.registry import CURVE, readout
from abm.readouts.view import View


@readout
def concentrations(view: View) -> xr.Dataset:
    """Variable `concentration` (arm, subject, time, drug), nmol/L total in the drug's matrix; U/L for a drug that is dosed in U."""
    values = np.asarray(view.seen.concentration)
    array = xr.DataArray(values, dims=(*CURVE, "drug"), attrs={"units": "nmol/L"})
    return xr.Dataset({"concentration": array}, coords={"drug": list(view.drugs)})
