"""Waterfall of the change in leukaemic cells at the end of treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import GREY, INK, Sheet, arm_handles, arm_styles, grid_of, look
from abm.figures.view import View, as_view, median_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ENDPOINT = "log10_reduction_at_end_of_treatment"
_BLISS_NOTE = (
    "Bliss: median of what the combination would reach if its drugs acted independently (log10 changes beyond the vehicle's add). "
    "Crowding holds the vehicle back, which makes Bliss easier to beat."
)


def waterfall(run: Any) -> Figure:
    """Log10 change of leukaemic cells from day 0 to the end of treatment, one bar per mouse, sorted, coloured by arm.

    Where arms are twins and the single drugs are there, a line marks what the combination
    would reach if its drugs were independent (Bliss): log10 changes beyond the vehicle's add.
    """
    view = as_view(run)
    view.need(_ENDPOINT)
    change = -view.endpoint(_ENDPOINT).astype(float)
    expected = bliss_expectation(view, change)
    with look():
        rows, columns = grid_of(len(view.groups))
        sheet = Sheet(view, rows, columns, 4.0, left=1.2, down=0.8, share_x=False)
        for axes in sheet.panels.flat[len(view.groups) :]:
            axes.set_visible(False)
        for position, (name, members) in enumerate(view.groups.items()):
            axes = sheet.panels.flat[position]
            axes.set_title(view.label("leukaemias", name) if name else "")
            _draw_bars(axes, view, change[:, members])
            if expected is not None:
                _draw_expectation(axes, float(median_over(expected[members])))
            if position % columns == 0:
                axes.set_ylabel(_axis_label(view))
        notes = [f"Each bar is one {view.subject_noun()} in one arm; below zero: fewer cells than at randomisation."]
        if expected is not None:
            notes.append(_BLISS_NOTE)
        if bool(np.any(np.isneginf(change))):
            notes[0] += " Open bars marked 0: no leukaemic cell left, drawn just below the lowest other bar."
        return sheet.finish("Response at the end of treatment", arm_handles(view, as_patches=True), notes=notes, claim=True, below=0.4)


def bliss_expectation(view: View, change: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Expected log10 change of the combination per subject from `change` (arm, subject); None where an arm is missing."""
    found, vehicle = view.combination(), view.vehicle()
    if found is None or vehicle is None or view.config.get("cohort", {}).get("design", "twin") != "twin":
        return None
    base = change[view.arms.index(vehicle)]
    return base + sum((change[view.arms.index(arm)] - base for arm in found[1]), np.zeros_like(base))


def _axis_label(view: View) -> str:
    end = view.trial("treatment_days")
    return f"Log10 change of leukaemic cells,\nday 0 to {end:g}" if end else "Log10 change of leukaemic cells"


def _draw_bars(axes: Axes, view: View, change: np.ndarray[Any, Any]) -> None:
    colours = np.repeat([s.colour for s in arm_styles(view).values()], change.shape[1])
    flat = change.ravel()
    order = np.array([i for i in np.argsort(-flat, kind="stable") if not np.isnan(flat[i])], int)
    finite = flat[np.isfinite(flat)]
    bottom = min(float(np.min(finite, initial=0.0)), 0.0) - 0.4
    cleared = np.isneginf(flat[order])
    height = np.where(cleared, bottom, flat[order])
    bars = axes.bar(range(len(order)), height, color=colours[order], width=0.86, zorder=2)
    for position in np.flatnonzero(cleared):
        bars[position].set(facecolor="white", edgecolor=colours[order[position]], linewidth=1.8)
        axes.annotate("0", (float(position), bottom), (0, -2), textcoords="offset points", ha="center", va="top", fontsize=10.5)
    axes.axhline(0.0, color=INK, lw=1.2, zorder=3)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="y", color="#D9DCDF", lw=0.7)
    axes.set_xlabel(f"{view.subject_noun(2).capitalize()}, sorted by response", color=GREY)


def _draw_expectation(axes: Axes, level: float) -> None:
    """Line across the panel, named at the side where bars point away from it."""
    if not np.isfinite(level):
        return
    up = level > 0
    bottom, top = axes.get_ylim()
    above = up or level < -0.08 * (top - bottom)  # close to zero the bars that point up stand there
    axes.axhline(level, color=INK, lw=1.5, ls=(0, (4, 3)), zorder=4)
    axes.annotate(
        "Bliss",
        (1.0 if up else 0.0, level),
        (-3 if up else 3, 3 if above else -3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right" if up else "left",
        va="bottom" if above else "top",
        fontsize=11.5,
    )
