"""Readouts as a laboratory reports them at a visit: from a sample of cells, with an error of measurement, down to a limit.

An assay that looks at a number M of cells finds Poisson(M x share) among them, so what it
reports scatters about the exact share, and below its limit of detection it reports nothing
that can be relied on.  What chance adds belongs to the subject and the day, and the error of
measurement to the readout too: the rules of a regimen and the endpoints of the trial see one
and the same report, and another arm, row, assay or device changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import poisson

from abm.parameters.clinic import Assay
from abm.streams import subject_uniforms


class Reading(NamedTuple):
    """What an assay reports; arrays (rows,)."""

    value: NDArray[np.float64]  # also below the limit, where it cannot be relied on
    below_limit: NDArray[np.bool_]  # below the limit of detection, which is reported as negative

    @property
    def reported(self) -> NDArray[np.float64]:
        """Values, 0 below the limit."""
        return np.where(self.below_limit, 0.0, self.value)


def measured(true: NDArray[np.float64], assay: Assay, keys: NDArray[np.uint32], readout: str, day: float) -> Reading:
    """Reading of a readout on one day.

    Args:
        true: Exact values (rows,); NaN stays NaN.
        assay: How it is measured.
        keys: Key of the subject of each row, uint32 (rows, 2).
        readout: Name of the readout.
        day: Day of the visit.

    Returns:
        A Poisson number of the cells looked at, as a share of them, times a log-normal factor of mean 1.
    """
    value, known = np.array(true, dtype=np.float64), np.isfinite(true)

    def uniforms(name: str) -> NDArray[np.float64]:
        return np.array([subject_uniforms(key, f"{name} on day {day:.6g}", 1)[0] for key in keys])

    if assay.cells_assayed is not None:
        # One sample of marrow a day, whatever is asked of it: a larger share never reads lower.
        found = poisson.ppf(uniforms("residual disease"), assay.cells_assayed * np.where(known, value, 0.0))
        value = np.where(known, np.minimum(found / assay.cells_assayed, 1.0), np.nan)
    if assay.cv > 0.0:
        sigma = np.sqrt(np.log1p(assay.cv**2))
        value = value * np.exp(sigma * ndtri(uniforms(readout)) - 0.5 * sigma**2)
    return Reading(value, known & (value < assay.limit_of_detection))
