"""What the targets read of a cohort of virtual patients."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from abm.output.result import RunResult

MONTH_DAYS, YEAR_DAYS = 30.4375, 365.0
_MRD = "mrd_day_"


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Patients of one arm who were randomised; arrays (patients,).

    Attributes:
        mrd: Residual disease as the assay reads it (share, 0 where none was found), by day.
        event_day, event_kind: Of the first event; the last day and an empty kind without one.
        death_days: Infinite where none was seen.
        remission_days: Of the first remission (CRi or better); NaN without one.
    """

    mrd: dict[float, NDArray[np.float64]]
    event_day: NDArray[np.float64]
    event_kind: NDArray[np.str_]
    death_days: NDArray[np.float64]
    remission_days: NDArray[np.float64]

    def event_free(self, day: float) -> NDArray[np.bool_]:
        """Who has had no event by a day."""
        return (self.event_kind == "") | (self.event_day > day)

    @property
    def relapse_days(self) -> NDArray[np.float64]:
        """Days of the relapses that are first events."""
        return self.event_day[self.event_kind == "relapse"]


def read_cohort(result: RunResult, arm: str | None = None) -> Cohort:
    """Patients of an arm, the first one without a name; those who were never randomised are left out."""
    found = result.endpoints.sel(arm=arm) if arm is not None else result.endpoints.isel(arm=0)
    kept = np.isfinite(np.asarray(found["event_day"].values, float))
    columns = {str(name): np.asarray(found[name].values)[kept] for name in found.data_vars if set(found[name].dims) == {"subject"}}
    days = {float(name.removeprefix(_MRD).replace("_", ".")): values for name, values in columns.items() if name.startswith(_MRD)}
    seen = columns["overall_survival_observed"].astype(bool)
    return Cohort(
        mrd={day: values.astype(float) for day, values in days.items()},
        event_day=columns["event_day"].astype(float),
        event_kind=columns["event_kind"].astype(str),
        death_days=np.where(seen, columns["overall_survival_day"].astype(float), np.inf),
        remission_days=columns["cri_day"].astype(float),
    )
