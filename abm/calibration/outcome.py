"""What is shown of a fit: tables, figures, and warnings about what it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from abm.calibration.figures import courses_figure, profiles_figure
from abm.calibration.fit import Fit
from abm.calibration.request import Request
from abm.calibration.tables import FITTED, HELD_OUT, laws_table, measured_table, numbers_table, targets_table
from abm.targets.figures import band_figure
from abm.targets.findings import Line, Simulated
from abm.targets.published import read_published

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Twin and packets further apart than this, in sds of the errors, are worth a warning.
APART_SD = 1.0
# Sum of squares per degree of freedom from which a fit is called poor.
POOR = 2.0

Outcome = tuple[dict[str, pd.DataFrame], "dict[str, Figure]", list[str]]


def outcome(request: Request, fit: Fit, packets: pd.DataFrame | None) -> Outcome:
    """(tables by title, figures by name, warnings)."""
    problem = request.problem
    tables = {"Numbers": numbers_table(problem, fit)}
    figures: dict[str, Figure] = {}
    if problem.measured:
        shown = [*problem.measured, *request.held_out]
        scenes = list(dict.fromkeys((m.leukaemia, m.arm) for m in shown))
        both = np.array([problem.start, fit.places, *[fit.places] * (problem.batch - 2)])
        courses = problem.courses(both, scenes, max(m.day for m in shown))
        tables["Measured values: root mean square of (simulated - measured) / sd"] = measured_table(problem, request.held_out, courses, scenes)
        tables["Error model"] = laws_table(problem)
        figures["fit"] = courses_figure(problem, request.held_out, courses, scenes)
    if problem.experiment.host.species == "mouse":
        table = targets_table(problem, fit)
        tables["Published targets of the twin"] = table.rename(columns={"shipped_fitted": "shipped numbers chosen with it"})
        if problem.targets:
            figures["targets"] = _bands(table)
    if packets is not None:
        tables["Fitted numbers with packets (median, 5 and 95 % of subjects) beside the twin"] = packets
    if fit.intervals is not None:
        figures["profiles"] = profiles_figure(problem, fit)
    return tables, figures, _warnings(request, fit, tables, packets)


def _bands(table: pd.DataFrame) -> Figure:
    published = read_published()
    used = table[table["role"] == FITTED]
    return band_figure([Line(published[str(row.key)], Simulated(float(row.after))) for row in used.itertuples()])  # type: ignore[arg-type]


def _warnings(request: Request, fit: Fit, tables: dict[str, pd.DataFrame], packets: pd.DataFrame | None) -> list[str]:
    found = []
    if fit.intervals is None:
        found.append("stopped early: the best numbers so far, without intervals.")
    elif not fit.converged:
        found.append("the descent did not come to rest within its rounds; start again from the fitted file (--config-dir, experiment=fitted).")
    numbers = tables["Numbers"]
    for row in numbers[~numbers["verdict"].isin(["identified"])].itertuples():
        found.append(f"{row.number}: {row.verdict}.")
    ends = [n.name for n, place in zip(request.problem.numbers, fit.places, strict=True) if place <= 1e-3 or place >= 1.0 - 1e-3]
    edge = [name for name, verdict in zip(numbers["number"], numbers["verdict"], strict=True) if name in ends and not verdict.startswith("not identified")]
    found += [f"{name}: lies at an end of its range; the range or the model is at odds with the data." for name in edge]
    freedom = len(request.problem.measured) + len(request.problem.targets) - len(fit.places)
    if fit.cost > POOR * max(freedom, 1):
        found.append(f"the fit is poor: a sum of squares of {fit.cost:.3g} at {freedom} degrees of freedom; see the tables for what is missed.")
    if packets is not None:
        apart = packets[~(packets["difference_sd"].abs() <= APART_SD)]
        if len(apart):
            worst = apart.sort_values("difference_sd", key=lambda x: -x.abs()).iloc[0]
            where = f"{worst['leukaemia']}, {worst['arm']}, {worst['variable']}, day {worst['day']:g}"
            found.append(f"twin and packets differ by more than {APART_SD:g} sd in {len(apart)} of {len(packets)} looks, most in {where}.")
    used = [entry.key for entry in request.problem.targets]
    data = [f"{len(request.problem.measured)} measured values"] if request.problem.measured else []
    held = f" {len(request.held_out)} measured values were {HELD_OUT}." if request.held_out else ""
    found.append(f"fitted to {', '.join([*data, *used])}: these are no test of the model any more.{held}")
    return found
