"""All readouts of a view as one data set: the list of readouts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.readouts.blood import blood_counts
from abm.readouts.cell_state import cell_states
from abm.readouts.concentrations import concentrations
from abm.readouts.mrd import residual_disease
from abm.readouts.populations import populations
from abm.readouts.view import View

READOUTS = (populations, blood_counts, residual_disease, cell_states, concentrations)


def series(view: View) -> xr.Dataset:
    """Every readout over (arm, subject, time)."""
    coords = {
        "arm": list(view.arms),
        "subject": list(view.subjects),
        "time": ("time", np.asarray(view.times, float), {"units": "d"}),
        "leukaemia": ("subject", list(view.leukaemias)),
    }
    return xr.merge([xr.Dataset(coords=coords), *(readout(view) for readout in READOUTS)], join="exact", combine_attrs="override")
