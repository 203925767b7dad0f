"""Two figures of a fit: courses before and after it beside the measured values, and the profile of every number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import chi2

from abm.calibration.courses import Courses
from abm.calibration.fit import Fit
from abm.calibration.intervals import LEVEL
from abm.calibration.objective import Problem
from abm.figures.style import GREY, INK, look
from abm.parameters.measured import SHARES, VARIABLES, Measurement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (GREY, "#0072B2", "#E69F00", "#A3195B", "#009E73", "#56B4E9", "#D55E00", "#5B3A8E")
_WIDTH, _HEIGHT = 12.5, 3.4


def courses_figure(problem: Problem, held_out: Sequence[Measurement], courses: Courses, scenes: Sequence[tuple[str, str]]) -> Figure:
    """Rows are variables, columns leukaemias.  `courses` has two sets of numbers: configured (dashed) and fitted (solid); crosses were held out."""
    from matplotlib.figure import Figure

    shown = [*problem.measured, *held_out]
    variables, leukaemias = (list(dict.fromkeys(getattr(m, name) for m in shown)) for name in ("variable", "leukaemia"))
    arms = [arm for arm in problem.experiment.arms if any(arm == a for _, a in scenes)]
    colours = {arm: _COLOURS[i % len(_COLOURS)] for i, arm in enumerate(arms)}
    with look():
        figure = Figure(figsize=(_WIDTH, 1.1 + _HEIGHT * len(variables)), layout="constrained")
        panels = figure.subplots(len(variables), len(leukaemias), squeeze=False, sharex=True, sharey="row")
        for i, variable in enumerate(variables):
            for j, leukaemia in enumerate(leukaemias):
                axes = panels[i, j]
                for k, (of, arm) in enumerate(scenes):
                    if of == leukaemia:
                        _curve(axes, courses, variable, k, colours[arm])
                        _points(axes, problem.measured, (of, arm, variable), "o", colours[arm])
                        _points(axes, held_out, (of, arm, variable), "x", colours[arm])
                axes.set_yscale("log")
                _plain_ticks(axes.yaxis)
                if variable in problem.laws:
                    axes.set_ylim(bottom=max(0.5 * problem.laws[variable].floor * _factor(variable), axes.get_ylim()[0]))
                axes.set_title(leukaemia if i == 0 else "")
                if j == 0:
                    axes.set_ylabel(f"{variable} ({'%' if variable in SHARES else next(iter(VARIABLES[variable]))})", fontsize=11)
                if i == len(variables) - 1:
                    axes.set_xlabel("Days since randomisation")
        figure.legend(handles=_handles(colours, bool(held_out)), loc="outside upper left", ncols=len(colours) + 3, fontsize=10)
        return figure


def _plain_ticks(axis: Any) -> None:
    """Ticks of a log axis at 1, 2 and 5 as plain numbers; fewer where it spans decades."""
    from matplotlib.ticker import LogLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 30.0 * max(low, 1e-300) else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _factor(variable: str) -> float:
    return 100.0 if variable in SHARES else 1.0


def _curve(axes: Any, courses: Courses, variable: str, scene: int, colour: str) -> None:
    values = _factor(variable) * courses.values[variable][:, :, scene]
    axes.plot(courses.days, values[:, 0], color=colour, lw=1.3, ls=(0, (4, 3)), alpha=0.8)
    axes.plot(courses.days, values[:, 1], color=colour, lw=2.2)


def _points(axes: Any, measured: Sequence[Measurement], of: tuple[str, str, str], marker: str, colour: str) -> None:
    chosen = [m for m in measured if (m.leukaemia, m.arm, m.variable) == of]
    axes.plot([m.day for m in chosen], [_factor(of[2]) * m.value for m in chosen], ls="", marker=marker, color=colour, ms=4.5, alpha=0.75)


def _handles(colours: dict[str, str], held_out: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=3.0, label=arm) for arm, colour in colours.items()]
    handles += [Line2D([], [], color=INK, lw=1.3, ls=(0, (4, 3)), label="before"), Line2D([], [], color=INK, lw=2.2, label="fitted")]
    handles.append(Line2D([], [], color=INK, ls="", marker="o", ms=4.5, label="measured"))
    return handles + ([Line2D([], [], color=INK, ls="", marker="x", label="held out")] if held_out else [])


def profiles_figure(problem: Problem, fit: Fit) -> Figure:
    """Rise of the sum of squares along every number, over the whole range; the dashed line is the limit of the interval."""
    from matplotlib.figure import Figure

    assert fit.intervals is not None  # asked for only then
    columns = min(len(problem.numbers), 4)
    rows = -(-len(problem.numbers) // columns)
    with look():
        figure = Figure(figsize=(3.3 * columns + 0.6, 3.1 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat[len(problem.numbers) :]:
            axes.set_visible(False)
        for axes, number, interval, place in zip(panels.flat, problem.numbers, fit.intervals, fit.places, strict=False):
            limit = float(chi2.ppf(LEVEL, 1)) * interval.widened
            places, costs = np.append(interval.places, place), np.append(interval.costs, fit.cost)
            order = np.argsort(places)
            axes.plot([number.at(float(p)) for p in places[order]], np.maximum(costs[order] - fit.cost, 0.0), "o-", color="#0072B2", ms=3.5, lw=1.3)
            axes.axhline(limit, color=GREY, lw=1.2, ls=(0, (5, 3)))
            axes.axvline(number.at(float(place)), color="#A3195B", lw=1.5)
            axes.axvspan(number.at(interval.low), number.at(interval.high), color="#A3195B", alpha=0.12, lw=0)
            axes.set_ylim(0.0, 4.0 * limit)
            if number.logarithmic:
                axes.set_xscale("log")
                axes.set_xlim(number.low, number.high)
                _plain_ticks(axes.xaxis)
            axes.set_xlim(number.low, number.high)
            axes.set_title("\n".join(number.name.rsplit(".", 1)), fontsize=8)
            axes.set_xlabel(number.unit, fontsize=9)
            axes.tick_params(labelsize=8)
        panels[0, 0].set_ylabel("rise of the sum of squares", fontsize=9)
        return figure
