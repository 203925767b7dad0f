"""Toxicity to blood: nadir, recovery, grade of every count and days at grade 3 or more.

Limits of grades are data (`conf/toxicity`), absolute counts of adults.  In a human host
they are used as they are.  They do not apply to mice: there they are scaled by the ratio
of the healthy counts of the two species, so that a grade means the same relative loss and
a healthy mouse has grade 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from abm.endpoints.registry import ROW, Material, endpoint
from abm.parameters.lineage import LEUKOCYTES, Lineage, by_readout
from abm.parameters.toxicity import CountCriterion, Toxicity
from abm.readouts.blood import leukocyte_baseline

RECOVERED = 0.9
SEVERE = 3


def healthy_counts(lineages: Mapping[str, Lineage]) -> dict[str, float]:
    """Every blood count of a healthy subject of the species, in its own unit."""
    counts = {readout: sum(lineage.baseline for lineage in members) for readout, members in by_readout(lineages).items()}
    leukocytes = leukocyte_baseline(lineages)
    return counts if leukocytes is None else {**counts, LEUKOCYTES: leukocytes}


def scaled_limits(criterion: CountCriterion, species: str, healthy: float) -> np.ndarray:
    """Limits of grades 1, 2, ... in a species whose healthy count is `healthy`; absolute in man."""
    factor = 1.0 if species == "human" else healthy / criterion.healthy
    return np.array(criterion.limits) * factor


def ctcae_grade(count: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Grade of a count, int of its shape; 0 is within the normal range."""
    grade: np.ndarray = np.sum(count[..., None] < limits, axis=-1).astype(np.int64)
    return grade


def days_below(count: np.ndarray, days: np.ndarray, limit: float) -> np.ndarray:
    """Days with a count below `limit`, each look standing for the time to the next; `count` has its times last."""
    lengths: np.ndarray = np.sum((count[..., :-1] < limit) * np.diff(days), axis=-1)
    return lengths


def blood_toxicity(series: xr.Dataset, lineages: Mapping[str, Lineage], vehicle: str | None, criteria: Toxicity | None = None) -> xr.Dataset:
    """Nadir (also in percent of the vehicle twin, or of day 0 without a vehicle), its day, day of recovery, grade, days at grade 3 or more.

    Recovery is the first day after the nadir with at least the recovered fraction (without criteria 0.9) of the reference.
    Counts without criteria have no grade.
    """
    days = series["time"].values
    species = next((lineage.species for lineage in lineages.values()), "human")
    fraction = RECOVERED if criteria is None else criteria.recovered_fraction
    data: dict[str, xr.DataArray] = {}
    for name, healthy in healthy_counts(lineages).items():
        count = series[name]
        reference = count.sel(arm=vehicle) if vehicle is not None else count.isel(time=0)
        relative = (count / reference).transpose("arm", "subject", "time").values
        values = count.transpose("arm", "subject", "time").values
        nadir = relative.argmin(axis=2)
        recovered = (np.arange(len(days)) >= nadir[..., None]) & (relative >= fraction)
        found: dict[str, np.ndarray] = {
            "nadir_percent": 100.0 * relative.min(axis=2),
            "nadir_day": days[nadir],
            "nadir": values.min(axis=2),
            "recovery_day": np.where(recovered.any(axis=2), days[recovered.argmax(axis=2)], np.nan),
        }
        if criteria is not None and name in criteria.counts:
            limits = scaled_limits(criteria.counts[name], species, healthy)
            found["ctcae_grade"] = ctcae_grade(values.min(axis=2), limits)
            found["grade_3_days"] = days_below(values, days, limits[SEVERE - 1])
        data |= {f"{name}_{what}": xr.DataArray(value, dims=ROW) for what, value in found.items()}
        data[f"{name}_nadir"].attrs["units"] = str(count.attrs.get("units", "1"))
    return xr.Dataset(data)


@endpoint
def toxicity_to_blood(material: Material) -> xr.Dataset:
    """`blood_toxicity` of a trial."""
    return blood_toxicity(material.series, material.view.lineages, material.twin, material.experiment.toxicity)
