"""Adults with relapsed T-ALL under venetoclax and chemotherapy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abm.endpoints.survival import kaplan_meier
from abm.targets.cohorts import MONTH_DAYS, read_cohort
from abm.targets.findings import Simulated, absent, resampled, share
from abm.targets.registry import computes
from abm.targets.trials import Trials

if TYPE_CHECKING:
    from abm.output.result import RunResult

EXPERIMENT, ARM = "relapsed_combination", "chemotherapy"
REGIMEN = "relapsed_venetoclax_chemotherapy"
KEYS = ("relapsed_response", "relapsed_survival", "relapsed_duration", "relapsed_neutrophils", "relapsed_platelets")
OTHERS = ("supportive", "venetoclax", "everolimus", "combination")
NADIR_BY_DAY = 60.0
RECOVERED = {"neutrophils": 1.0, "platelets": 100.0}  # 1e9/L


@computes(*KEYS, how=f"cohort relapsed_combination with the one arm {REGIMEN}; survival after the event is drawn from published curves")
def venetoclax_and_chemotherapy(trials: Trials) -> dict[str, Simulated]:
    """Response, survival, duration and recovery of blood."""
    if trials.quick:
        return {key: absent("Cohorts of patients are not run for years with --quick: they take from minutes to an hour.") for key in KEYS}
    result = trials.cohort(EXPERIMENT, f"+arms.{ARM}={{regimen: {REGIMEN}}}", *(f"~arms.{arm}" for arm in OTHERS))
    cohort = read_cohort(result, ARM)
    there = np.isfinite(cohort.remission_days)
    last = float(result.series["time"].values[-1])
    relapse = np.where(cohort.event_kind == "relapse", cohort.event_day, last) - cohort.remission_days
    recovery = {name: recovery_days(result, name, limit) for name, limit in RECOVERED.items()}
    return {
        "relapsed_response": share(int(there.sum()), there.size),
        "relapsed_survival": _median_months(cohort.death_days, last),
        "relapsed_duration": _median_months(np.where((cohort.event_kind == "relapse") & there, relapse, np.inf)[there], last),
        "relapsed_neutrophils": resampled(recovery["neutrophils"], lambda sample: float(np.median(sample))),
        "relapsed_platelets": resampled(recovery["platelets"], lambda sample: float(np.median(sample))),
    }


def _median_months(days: NDArray[np.float64], last: float) -> Simulated:
    """Median of times that are infinite where no event was seen by the last day."""

    def median(sample: NDArray[np.float64]) -> float:
        found = kaplan_meier(np.minimum(sample, last), np.isfinite(sample)).median
        return float("inf") if np.isnan(found) else found / MONTH_DAYS

    return resampled(days, median)


def recovery_days(result: RunResult, count: str, limit: float) -> NDArray[np.float64]:
    """First day after the nadir of the first NADIR_BY_DAY days at which a blood count is at the limit again; infinite where it is not."""
    days = np.asarray(result.series["time"].values, float)
    curves = np.asarray(result.series[count].sel(arm=ARM).transpose("subject", "time").values, float)
    found = []
    for curve in curves[np.isfinite(curves).all(axis=1)]:
        nadir = int(np.argmin(np.where(days <= NADIR_BY_DAY, curve, np.inf)))
        back = np.flatnonzero((np.arange(curve.size) >= nadir) & (curve >= limit))
        found.append(float(days[back[0]]) if len(back) else float("inf"))
    return np.array(found)
