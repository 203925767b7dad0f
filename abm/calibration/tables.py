"""Tables of a fit: its numbers, the targets and the measured values before and after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from abm.calibration.courses import Courses, Scene
from abm.calibration.fit import Fit
from abm.calibration.fitted_file import interval_values
from abm.calibration.intervals import Interval
from abm.calibration.objective import Problem, measured_residuals
from abm.parameters.measured import Measurement
from abm.targets.published import Published, read_published
from abm.targets.twin import MOUSE_KEYS

FITTED, HELD_OUT = "fitted to", "held out"


def twin_targets_by_key() -> dict[str, Published]:
    """Published targets that the twin computes, in the order of their file."""
    keys = {key for given in MOUSE_KEYS.values() for key in given}
    return {key: entry for key, entry in read_published().items() if key in keys}


def numbers_table(problem: Problem, fit: Fit) -> pd.DataFrame:
    """One line per free number: number, unit, before, fitted, low, high (of the interval), range_low, range_high, widened, verdict."""
    rows = []
    intervals: Sequence[Interval | None] = fit.intervals or [None] * len(problem.numbers)
    for number, place, interval, ends in zip(problem.numbers, fit.places, intervals, interval_values(problem, fit), strict=True):
        low, high = ends or (np.nan, np.nan)
        widened, verdict = (interval.widened, interval.verdict) if interval else (np.nan, "interval not computed")
        rows.append((number.name, number.unit, number.value, number.at(float(place)), low, high, number.low, number.high, widened, verdict))
    return pd.DataFrame(rows, columns=["number", "unit", "before", "fitted", "low", "high", "range_low", "range_high", "widened", "verdict"])


def targets_table(problem: Problem, fit: Fit) -> pd.DataFrame:
    """One line per target of the twin: key, target, title, unit, published, tolerance, before, after, met_before, met_after, role, shipped_fitted."""
    entries = list(twin_targets_by_key().values())
    before = problem.target_values(problem.start, entries)
    after = problem.target_values(fit.places, entries)
    used = {entry.key for entry in problem.targets}
    rows = [
        (e.key, e.target, e.title, e.unit, e.value, e.tolerance, b, a, e.holds(b), e.holds(a), FITTED if e.key in used else HELD_OUT, e.fitted)
        for e, b, a in zip(entries, before, after, strict=True)
    ]
    names = ["key", "target", "title", "unit", "published", "tolerance", "before", "after", "met_before", "met_after", "role", "shipped_fitted"]
    return pd.DataFrame(rows, columns=names)


def measured_table(problem: Problem, held_out: Sequence[Measurement], courses: Courses, scenes: Sequence[Scene]) -> pd.DataFrame:
    """One line per leukaemia, arm, variable and role: n, rms_before and rms_after in standard deviations; `courses` has both sets of numbers."""
    shown = [(m, FITTED) for m in problem.measured] + [(m, HELD_OUT) for m in held_out]
    if not shown:
        return pd.DataFrame(columns=["leukaemia", "arm", "variable", "role", "n", "rms_before", "rms_after"])
    before, after = measured_residuals(courses, [m for m, _ in shown], scenes, problem.laws)[:2]
    frame = pd.DataFrame(
        {
            "leukaemia": [m.leukaemia for m, _ in shown],
            "arm": [m.arm for m, _ in shown],
            "variable": [m.variable for m, _ in shown],
            "role": [role for _, role in shown],
            "n": 1,
            "rms_before": before**2,
            "rms_after": after**2,
        }
    )
    grouped = frame.groupby(["leukaemia", "arm", "variable", "role"], sort=False, as_index=False).agg({"n": "sum", "rms_before": "mean", "rms_after": "mean"})
    grouped[["rms_before", "rms_after"]] = np.sqrt(grouped[["rms_before", "rms_after"]])
    return grouped


def laws_table(problem: Problem) -> pd.DataFrame:
    """One line per measured variable: scale, sd, floor, origin."""
    return pd.DataFrame([(name, x.scale, x.sd, x.floor, x.origin) for name, x in problem.laws.items()], columns=["variable", "scale", "sd", "floor", "origin"])
