"""Minimal residual disease: the leukaemic share of the nucleated marrow cells, exact; `abm.readouts.laboratory` says what an assay reads of it."""

from __future__ import annotations

import xarray as xr

from abm.readouts.blood import blast_fraction
from abm.readouts.registry import CURVE, readout
from abm.readouts.view import View

MRD = "mrd"


@readout
def residual_disease(view: View) -> xr.Dataset:
    """Variable `mrd` (arm, subject, time) of patients: the exact share, whatever an assay could see of it."""
    if view.host.species != "human":
        return xr.Dataset()
    return xr.Dataset({MRD: (CURVE, blast_fraction(view.tissue_cells(), view.host))})
