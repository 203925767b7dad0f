"""All readouts of a view as one data set."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.readouts.registry import CURVE, all_readouts
from abm.readouts.view import View


def series(view: View) -> xr.Dataset:
    """Every readout over (arm, subject, time).

    Raises:
        ValueError: A readout gives a variable that does not begin with these axes, or that another gives.
    """
    coords = {
        "arm": list(view.arms),
        "subject": list(view.subjects),
        "time": ("time", np.asarray(view.times, float), {"units": "d"}),
        "leukaemia": ("subject", list(view.leukaemias)),
    }
    parts: list[xr.Dataset] = []
    owner: dict[str, str] = {}
    for name, readout in all_readouts().items():
        part = readout(view)
        for variable, array in part.data_vars.items():
            if array.dims[: len(CURVE)] != CURVE:
                raise ValueError(f"readout '{name}': '{variable}' has the axes {array.dims}; they must begin with {CURVE}")
            if str(variable) in owner:
                raise ValueError(f"readout '{name}': '{variable}' is a variable of '{owner[str(variable)]}'")
            owner[str(variable)] = name
        parts.append(part)
    return xr.merge([xr.Dataset(coords=coords), *parts], join="exact", combine_attrs="override")
