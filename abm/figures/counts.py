"""Numbers of cells and concentrations over time, for runs of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import Sheet, arm_handles, arm_styles, day_axis, grid_of, look, shade_treatment, thickness
from abm.figures.view import View, as_view, quantiles_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG_FROM_RATIO = 50.0
_MOST_PANELS = 12
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


_CONCENTRATIONS = "Drug concentration"
# Looks further apart than this miss the peaks of oral drugs.
_COARSE_DAYS = 0.25


def counts(run: Any) -> Figure:
    """Cells of every population over time: mean and 5-95 % over subjects, all arms."""
    view = as_view(run)
    view.need("count")
    values = view.series["count"].transpose("population", "arm", "subject", "time")
    names = [str(p) for p in values["population"].values][:_MOST_PANELS]
    units = values.attrs.get("units", "cells")
    return _figure(view, "Cells over time", names, values.values[: len(names)].astype(float), "Cells" if units == "cells" else f"Cells ({units})")


def concentrations(run: Any) -> Figure:
    """Concentration of every drug over time: mean and 5-95 % over subjects, all arms."""
    view = as_view(run)
    view.need("concentration")
    values = view.series["concentration"].transpose("drug", "arm", "subject", "time")
    units = values.attrs.get("units", "")
    given = [i for i in range(values.shape[0]) if np.nanmax(values.values[i], initial=0.0) > 0] or list(range(values.shape[0]))
    names = [view.label("drugs", str(values["drug"].values[i])) for i in given]
    return _figure(view, _CONCENTRATIONS, names, values.values[given].astype(float), f"Concentration ({units})" if units else "Concentration")


def _figure(view: View, title: str, names: list[str], values: np.ndarray[Any, Any], label: str) -> Figure:
    with look():
        rows, columns = grid_of(len(names), most=4 if len(names) != 4 else 2)
        sheet = Sheet(view, rows, columns, 4.0 if rows == 1 else 2.4, across=0.85, down=0.75, share_y=False)
        for axes in sheet.panels.flat[len(names) :]:
            axes.set_visible(False)
        for position, name in enumerate(names):
            axes = sheet.panels.flat[position]
            axes.set_title(name[:1].upper() + name[1:].replace("_", " "))
            _draw(axes, view, values[position])
            day_axis(axes, view, label=position + columns >= len(names))
            axes.tick_params(labelbottom=True)
            if position % columns == 0:
                axes.set_ylabel(label)
        number = len(view.subjects)
        notes = [f"Line: mean of {number} subjects; band: 5 to 95 % of them." if number > 1 else "One subject."]
        interval = float(np.diff(view.series["time"].values).max(initial=0.0))
        if title == _CONCENTRATIONS and interval >= _COARSE_DAYS:
            notes.append(f"Seen every {24.0 * interval:g} h: peaks between are not drawn; exact c_max, c_trough and AUC stand in the endpoints.")
        return sheet.finish(title, arm_handles(view), notes=notes)


def _draw(axes: Axes, view: View, values: np.ndarray[Any, Any]) -> None:
    time = view.series["time"].values
    shade_treatment(axes, view)
    for i, style in enumerate(arm_styles(view).values()):
        known = values[i][~np.isnan(values[i]).all(axis=1)]
        if not known.size or not np.nanmax(known) > 0:
            continue
        if len(known) > 1:
            low, high = quantiles_over(known, (0.05, 0.95))
            axes.fill_between(time, low, high, color=style.colour, alpha=0.16, lw=0)
        axes.plot(time, np.nanmean(known, axis=0), color=style.colour, lw=thickness(i, len(view.arms)), zorder=3 + i)
    _scale(axes, values)


def _scale(axes: Axes, values: np.ndarray[Any, Any]) -> None:
    """Logarithmic where numbers span much, with a linear stretch below 1 where there are zeros."""
    positive = values[np.isfinite(values) & (values > 0)]
    wide = positive.size > 0 and positive.max() / positive.min() > _LOG_FROM_RATIO and positive.max() > _LOG_FROM_RATIO
    if wide and np.nanmin(values) > 0:
        axes.set_yscale("log")
    elif wide and positive.min() >= 1.0:
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_ylim(bottom=0.0)
    else:
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_formatter(_number)
    axes.minorticks_off()


def _number(value: float, _position: float = 0.0) -> str:
    """A short number for an axis: 1200 as it is, 1.2e8 as 1.2·10⁸."""
    if abs(value) < 1e5:
        return f"{value:g}"
    power = int(np.floor(np.log10(abs(value)) + 1e-9))
    return f"{value / 10.0**power:.3g}·10{str(power).translate(_RAISED)}"
