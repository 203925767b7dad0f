"""Minimal residual disease: the leukaemic share of the nucleated marrow cells, exact and as an assay reads it.

An assay looks at a number M of cells.  Of these, Poisson(M x share) are leukaemic, so what it
reports scatters about the exact share, and below its limit of detection it reports
nothing that can be relied on.  The uniform behind a reading belongs to the subject and
the day: it is the same in every arm and for every assay, and a larger share never reads lower.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import poisson

from abm.parameters.clinic import Assay
from abm.readouts.blood import blast_fraction
from abm.readouts.view import View
from abm.streams import subject_uniforms


class Reading(NamedTuple):
    """What an assay reports; arrays of one shape."""

    share: np.ndarray  # leukaemic share among the cells that were looked at, 0 where none was found
    below_limit: np.ndarray  # bool: below the limit of detection, which is reported as negative


def read_mrd(share: np.ndarray, assay: Assay, keys: np.ndarray, day: float) -> Reading:
    """Reading of residual disease on one day.

    Args:
        share: Exact leukaemic share of nucleated marrow cells (`abm.readouts.blood.blast_fraction`), (rows,); NaN stays NaN.
        assay: The assay.
        keys: Key of the subject of each row, uint32 (rows, 2).
        day: Day of the visit.
    """
    uniform = np.array([subject_uniforms(key, f"residual disease on day {day:.6g}", 1)[0] for key in keys])
    known = np.isfinite(share)
    found = poisson.ppf(uniform, assay.cells_assayed * np.where(known, share, 0.0))
    reported = np.where(known, np.minimum(found / assay.cells_assayed, 1.0), np.nan)
    return Reading(reported, known & (reported < assay.limit_of_detection))


def residual_disease(view: View) -> xr.Dataset:
    """Variable `mrd` (arm, subject, time) of patients: the exact share, whatever an assay could see of it."""
    if view.host.species != "human":
        return xr.Dataset()
    return xr.Dataset({"mrd": (("arm", "subject", "time"), blast_fraction(view.tissue_cells(), view.host))})
