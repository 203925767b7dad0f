"""Readouts as a laboratory reports them at a visit: with an error of measurement, from a sample of cells, down to a limit.

The error belongs to the subject, the day and the readout: all rules of a regimen see one and
the same report, and another arm, row or device changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import poisson

from abm.parameters.regimen import VisitAssay
from abm.streams import subject_uniforms


def measured(true: NDArray[np.float64], assay: VisitAssay | None, keys: NDArray[np.uint32], readout: str, day: float) -> NDArray[np.float64]:
    """Readings of a readout.

    Args:
        true: Values (rows,).
        assay: How it is measured; None = without error.
        keys: Keys of the subjects, uint32 (rows, 2).
        readout: Name of the readout.
        day: Day of the visit.

    Returns:
        Readings (rows,): a Poisson number of the cells looked at, times a log-normal factor of mean 1; 0 below the limit.
    """
    if assay is None:
        return true
    # One sample of marrow a day, whatever is asked of it: a larger share never reads lower.
    sample = f"residual disease on day {day:.6g}"
    reading = np.array(true, dtype=np.float64)
    for row, key in enumerate(keys):
        if np.isfinite(reading[row]) and assay.cells_assayed is not None:
            found = poisson.ppf(subject_uniforms(key, sample, 1)[0], reading[row] * assay.cells_assayed)
            reading[row] = min(float(found) / assay.cells_assayed, 1.0)
        if assay.cv > 0.0:
            sigma = np.sqrt(np.log1p(assay.cv**2))
            reading[row] *= np.exp(sigma * ndtri(subject_uniforms(key, f"{readout} on day {day:.6g}", 1)[0]) - 0.5 * sigma**2)
    return np.where(reading < assay.detection_limit, 0.0, reading)
