"""Toxicity to blood: nadir, recovery and CTCAE grade of every count.

Grades follow the Common Terminology Criteria for Adverse Events, version 5.0 (2017):
neutrophils 1.5 / 1.0 / 0.5, platelets 75 / 50 / 25 e9/L, haemoglobin 100 / 80 g/L,
lymphocytes 0.8 / 0.5 / 0.2 e9/L.  The cut-offs are absolute human ones.  In a mouse they
are scaled by the ratio of the species' baselines, so that a grade means the same relative
loss; a healthy mouse then has grade 0.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.endpoints.registry import Material, endpoint
from abm.parameters.lineage import Lineage

_ROW = ("arm", "subject")
RECOVERED = 0.9

# Lower limits of grades 0, 1, 2 and 3 (haemoglobin: grade 4 is not defined by a count), and the human baseline they refer to.
CTCAE_LIMITS: dict[str, tuple[float, ...]] = {
    "neutrophils": (2.0, 1.5, 1.0, 0.5),
    "platelets": (150.0, 75.0, 50.0, 25.0),
    "haemoglobin": (120.0, 100.0, 80.0),
    "lymphocytes": (1.0, 0.8, 0.5, 0.2),
}
HUMAN_BASELINE = {"neutrophils": 4.0, "platelets": 250.0, "haemoglobin": 140.0, "lymphocytes": 2.0}


def ctcae_grade(lowest: np.ndarray, readout: str, baseline: float) -> np.ndarray:
    """Grade of the lowest count, int; 0 is within the normal range.

    Args:
        lowest: Lowest count, in the unit of the readout.
        readout: Name of the count.
        baseline: Count of a healthy subject of the species.
    """
    limits = np.array(CTCAE_LIMITS[readout]) * (baseline / HUMAN_BASELINE[readout])
    grade: np.ndarray = np.sum(lowest[..., None] < limits, axis=-1).astype(np.int64)
    return grade


def blood_toxicity(series: xr.Dataset, lineages: dict[str, Lineage], vehicle: str | None) -> xr.Dataset:
    """Nadir (percent of the vehicle twin, or of day 0 without a vehicle), its day, day of recovery and grade.

    Recovery is the first day after the nadir with at least 90 % of the reference.
    """
    days = series["time"].values
    data = {}
    for lineage in lineages.values():
        count = series[lineage.readout]
        reference = count.sel(arm=vehicle) if vehicle is not None else count.isel(time=0)
        relative = (count / reference).transpose("arm", "subject", "time").values
        nadir = relative.argmin(axis=2)
        after = np.arange(len(days)) >= nadir[..., None]
        recovered = after & (relative >= RECOVERED)
        day = np.where(recovered.any(axis=2), days[recovered.argmax(axis=2)], np.nan)
        name = lineage.readout
        data[f"{name}_nadir_percent"] = (_ROW, 100.0 * relative.min(axis=2))
        data[f"{name}_nadir_day"] = (_ROW, days[nadir])
        data[f"{name}_recovery_day"] = (_ROW, day)
        if name in CTCAE_LIMITS:
            data[f"{name}_ctcae_grade"] = (_ROW, ctcae_grade(count.values.min(axis=2), name, lineage.baseline))
    return xr.Dataset(data)


@endpoint
def toxicity_to_blood(material: Material) -> xr.Dataset:
    """`blood_toxicity` of a trial."""
    return blood_toxicity(material.series, material.view.lineages, material.twin)
