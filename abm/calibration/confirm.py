"""The fitted numbers with packets: a small trial from the written file, beside the twin that they were fitted with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from abm.calibration.errors import ErrorLaw, error_laws
from abm.calibration.fitted_file import NAME
from abm.calibration.objective import Problem, measured_residuals
from abm.config.compose import compose
from abm.parameters.measured import Measurement
from abm.run import simulate

WEEKS = (7.0, 14.0, 21.0)
_VARIABLE = "human_cd45_fraction"
COLUMNS = ["leukaemia", "arm", "variable", "day", "twin", "packets", "packets_low", "packets_high", "difference_sd"]


def look_points(problem: Problem) -> list[Measurement]:
    """Where both programs are compared: at every measured variable and day, or weekly where only targets were fitted."""
    if problem.measured:
        keys = dict.fromkeys((m.leukaemia, m.arm, m.variable, m.day) for m in problem.measured)
    else:
        days = [day for day in WEEKS if day <= problem.experiment.trial.follow_up_days]
        keys = dict.fromkeys((x, arm, _VARIABLE, day) for x in problem.experiment.cohort.leukaemias for arm in problem.experiment.arms for day in days)
    return [Measurement(leukaemia=x, arm=arm, variable=variable, day=day, value=0.0) for x, arm, variable, day in keys]


def confirm(
    problem: Problem, place: NDArray[np.float64], folder: Path, overrides: Sequence[str], config_dirs: Sequence[str], *, subjects: int, packets: int, seed: int
) -> pd.DataFrame:
    """Twin and packets at the fitted numbers, one line per look (COLUMNS).

    Args:
        problem: What was fitted.
        place: The fitted place.
        folder: That holds `experiment/fitted.yaml`.
        overrides: What the user set, without the experiment.
        config_dirs: Further folders of the user.
        subjects: Of every leukaemia; the packets' value is their median, with their 5 and 95 % quantiles.
        packets: Of each subject.
        seed: Of the run.
    """
    looks = look_points(problem)
    last = max(math.ceil(max(look.day for look in looks)), math.ceil(problem.experiment.trial.treatment_days))
    settings = [f"cohort.subjects={subjects}", f"engine.packets={packets}", f"seed={seed}", f"trial.follow_up_days={last}"]
    settings += ["progress=false", "figures=false", "readout.cell_snapshot_days=[]"]
    cfg = compose([f"experiment={NAME}", *overrides, *settings], config_dirs=[folder, *config_dirs])
    series = simulate(cfg).series
    rows = [(look, *_median(series, look)) for look in looks]
    laws: dict[str, ErrorLaw] = {**error_laws(looks, {}), **problem.laws}
    filled = np.repeat(np.asarray(place)[None], problem.batch, axis=0)
    scenes = list(dict.fromkeys((look.leukaemia, look.arm) for look in looks))
    courses = problem.courses(filled, scenes, max(look.day for look in looks))
    seen = [_at(look, median) for look, median, _, _ in rows]
    distance = measured_residuals(courses, seen, scenes, laws)[0]
    table = []
    for (look, median, low, high), sds in zip(rows, distance, strict=True):
        curve = courses.values[look.variable][:, 0, scenes.index((look.leukaemia, look.arm))]
        twin = float(np.interp(look.day, courses.days, curve))
        table.append((look.leukaemia, look.arm, look.variable, look.day, twin, median, low, high, float(sds)))
    return pd.DataFrame(table, columns=COLUMNS)


def _at(look: Measurement, value: float) -> Measurement:
    return Measurement(leukaemia=look.leukaemia, arm=look.arm, variable=look.variable, day=look.day, value=value)


def _median(series: xr.Dataset, look: Measurement) -> tuple[float, float, float]:
    """(median, 5 %, 95 %) over the subjects of a leukaemia on a day, between two looks of the series."""
    of = series["leukaemia"].values.astype(str) == look.leukaemia
    values = series[look.variable].sel(arm=look.arm).transpose("subject", "time").values[of].astype(float)
    on_day = np.array([np.interp(look.day, series["time"].values, row) for row in values if np.isfinite(row).all()])
    if not len(on_day):
        return math.nan, math.nan, math.nan
    low, median, high = np.quantile(on_day, [0.05, 0.5, 0.95])
    return float(median), float(low), float(high)
