"""The course of every patient as a line: remission, relapse, death."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import GREY, INK, Sheet, arm_styles, arm_title, day_axis, look
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 40


def swimmers(run: Any) -> Figure:
    """One line per patient and arm, thick while in remission; a cross marks relapse or failure, a square external death."""
    view = as_view(run)
    view.need("cri_day", "event_day", "event_observed", "overall_survival_day", "overall_survival_observed")
    shown = min(_MOST, len(view.subjects))
    with look():
        sheet = Sheet(view, 1, len(view.arms), max(2.5, 0.13 * shown), left=0.5)
        for position, arm in enumerate(view.arms):
            axes = sheet.panels[0, position]
            arm_title(axes, view, arm)
            _draw(axes, view, position, shown)
            day_axis(axes, view)
        notes = ["Thin: before remission or after relapse; thick: in remission (CR or CRi). Death is external: drawn from a published law."]
        if shown < len(view.subjects):
            notes.append(f"The first {shown} of {len(view.subjects)} subjects, sorted by the day of the event in each arm.")
        return sheet.finish("Course of every patient", _handles(), notes=notes)


def _draw(axes: Axes, view: View, arm: int, shown: int) -> None:
    colour = arm_styles(view)[view.arms[arm]].colour
    remission, event, end = (view.endpoint(n).astype(float)[arm, :shown] for n in ("cri_day", "event_day", "overall_survival_day"))
    failed, dead = (view.endpoint(n).astype(float)[arm, :shown] > 0 for n in ("event_observed", "overall_survival_observed"))
    for height, s in enumerate(np.argsort(event, kind="stable")):
        if np.isnan(event[s]):
            continue
        axes.plot([0.0, end[s]], [height, height], color=colour, lw=1.0, alpha=0.6, zorder=2)
        if remission[s] < event[s]:
            axes.plot([remission[s], event[s]], [height, height], color=colour, lw=4.5, solid_capstyle="butt", zorder=3)
        if failed[s]:
            axes.plot(event[s], height, "x", color=INK, ms=6, mew=1.6, zorder=4)
        if dead[s]:
            axes.plot(end[s], height, "s", color=GREY, ms=5, zorder=4)
    axes.set_ylim(-1.0, shown)
    axes.set_yticks([])


def _handles() -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=INK, lw=4.5, label="In remission"),
        Line2D([], [], color=INK, marker="x", ls="", ms=7, mew=1.6, label="Relapse or failure"),
        Line2D([], [], color=GREY, marker="s", ls="", ms=6, label="Death (external)"),
    ]
