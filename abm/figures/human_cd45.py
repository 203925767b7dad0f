"""Human CD45+ cells in blood over time, per arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.measured import NOTE, draw_measured, has_measured, measured_handles
from abm.figures.style import GREY, Sheet, arm_handles, arm_styles, day_axis, grid_of, look, shade_treatment, thickness
from abm.figures.view import View, as_view, median_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLOOR_PERCENT = 1e-3
_VARIABLE = "human_cd45_fraction"


def human_cd45(run: Any) -> Figure:
    """hCD45 in % of blood leukocytes, one panel per leukaemia: mice thin, median of the arm thick, log scale."""
    view = as_view(run)
    view.need(_VARIABLE)
    percent = 100.0 * view.series[_VARIABLE].transpose("arm", "subject", "time").values
    positive = percent[percent > 0]
    floor = max(_FLOOR_PERCENT, 10.0 ** np.floor(np.log10(positive.min()))) if positive.size else _FLOOR_PERCENT
    with look():
        rows, columns = grid_of(len(view.groups))
        sheet = Sheet(view, rows, columns, 4.0, down=0.95)
        for axes in sheet.panels.flat[len(view.groups) :]:
            axes.set_visible(False)
        for position, (name, members) in enumerate(view.groups.items()):
            axes = sheet.panels.flat[position]
            axes.set_title(view.label("leukaemias", name) if name else "")
            _draw_group(axes, view, percent[:, members], floor, first=position == 0)
            draw_measured(axes, view, name, _VARIABLE, factor=100.0, floor=floor)
            if position % columns == 0:
                axes.set_ylabel("hCD45+ in blood (% of leukocytes)")
        below = [f"Values below {floor:g} % are drawn at {floor:g} %."] if bool(np.any(percent < floor)) else []
        points = [NOTE] if has_measured(view, _VARIABLE) else []
        notes = ["Thin lines: single mice; thick line: median of the arm.", *below, *points]
        return sheet.finish("Human CD45+ cells in blood", [*arm_handles(view), *measured_handles(view, _VARIABLE)], notes=[" ".join(notes)], claim=True)


def _draw_group(axes: Axes, view: View, percent: np.ndarray[Any, Any], floor: float, *, first: bool) -> None:
    time = view.series["time"].values
    shade_treatment(axes, view, label=True)
    for i, style in enumerate(arm_styles(view).values()):
        shown = np.maximum(percent[i], floor)
        axes.plot(time, shown.T, color=style.colour, lw=0.9, alpha=0.38, zorder=2)
        axes.plot(time, median_over(shown), color=style.colour, lw=thickness(i, len(view.arms)), zorder=3 + i)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.25, 320.0)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    event = view.trial("event_human_cd45_percent")
    if event:
        axes.axhline(event, color=GREY, lw=1.3, ls=(0, (5, 3)), zorder=1)
        if first:
            axes.annotate(
                f"event {event:g} %",
                (1.0, event),
                (-2, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=10.5,
                color=GREY,
            )
    day_axis(axes, view)
