"""Measured values as points over the simulated courses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abm.figures.style import INK, arm_styles
from abm.figures.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTE = "Points: measured values (table measured); they changed nothing in the simulation."


def has_measured(view: View, *variables: str) -> bool:
    """Whether a run holds measured values of one of these variables."""
    table = view.tables.get("measured")
    return table is not None and bool(table["variable"].isin(variables).any())


def draw_measured(axes: Axes, view: View, leukaemia: str, variable: str, *, factor: float = 1.0, floor: float = 0.0) -> None:
    """Draw the measured values of a variable in one leukaemia, in the colours of their arms.

    Args:
        axes: Where; time in days.
        view: The run.
        leukaemia: Name of the leukaemia; empty = all.
        variable: Name of the variable in the series.
        factor: Multiplies the values, e.g. 100 for per cent.
        floor: Smallest value that is drawn, after the factor; smaller ones are drawn there.
    """
    if not has_measured(view, variable):
        return
    table = view.tables["measured"]
    chosen = table[(table["variable"] == variable) & ((table["leukaemia"] == leukaemia) | (leukaemia == ""))]
    for arm, style in arm_styles(view).items():
        points = chosen[chosen["arm"] == arm]
        if len(points):
            shown = (points["value"].to_numpy(float) * factor).clip(min=floor)
            axes.plot(points["time"], shown, "o", ms=5.5, mfc=style.colour, mec="white", mew=0.8, zorder=20, clip_on=False)


def measured_handles(view: View, *variables: str) -> list[Any]:
    """Legend entry of the points, or none."""
    from matplotlib.lines import Line2D

    if not has_measured(view, *variables):
        return []
    return [Line2D([], [], ls="", marker="o", ms=6.5, mfc=INK, mec="white", label="Measured")]
