"""Quantiles over leukaemic cells of their mTORC1 activity, stress, BMF and free activator."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.models.observation import QUANTILES, STATES
from abm.readouts.registry import CURVE, readout
from abm.readouts.view import View

# Names in the results; inside the model stress is the name of the state.
_NAMES = {"mtorc1": "mtorc1", "stress": "isr", "bmf": "bmf", "activator": "free_activator"}


@readout
def cell_states(view: View) -> xr.Dataset:
    """Variables (arm, subject, time, quantile), float32; NaN where no leukaemic cell is left."""
    values = np.asarray(view.seen.quantiles)
    dims = (*CURVE, "quantile")
    return xr.Dataset({_NAMES[name]: (dims, values[..., i, :]) for i, name in enumerate(STATES)}, coords={"quantile": list(QUANTILES)})
