"""Residual disease in the marrow over time, and what the assay reads of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import GREY, Sheet, arm_handles, arm_styles, day_axis, grid_of, look, shade_treatment, thickness
from abm.figures.view import View, as_view, median_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOWEST = 1e-9
_PREFIX = "mrd_day_"


def residual_disease(run: Any) -> Figure:
    """Leukaemic share of nucleated marrow cells on a log axis, one panel per leukaemia; readings at visits, the limit of the assay.

    Readings below the limit are drawn as open triangles at the limit.
    """
    view = as_view(run)
    view.need("mrd")
    share = view.series["mrd"].transpose("arm", "subject", "time").values.astype(float)
    floor = max(_LOWEST, 10.0 ** np.floor(np.log10(np.nanmin(share[share > 0], initial=1.0))))
    with look():
        rows, columns = grid_of(len(view.groups))
        sheet = Sheet(view, rows, columns, 4.0, left=1.3, down=0.95)
        for axes in sheet.panels.flat[len(view.groups) :]:
            axes.set_visible(False)
        for position, (name, members) in enumerate(view.groups.items()):
            axes = sheet.panels.flat[position]
            axes.set_title(view.label("leukaemias", name) if name else "")
            _draw(axes, view, share, members, floor)
            if position % columns == 0:
                axes.set_ylabel("Leukaemic share of\nnucleated marrow cells")
        return sheet.finish("Residual disease in the marrow", arm_handles(view), notes=_notes(view, share, floor))


def visits(view: View) -> dict[float, str]:
    """Days of the visits and the suffixes of their endpoints."""
    names = [c.removeprefix(_PREFIX) for c in view.endpoints.columns if c.startswith(_PREFIX)]
    return dict(sorted((float(name.replace("_", ".")), name) for name in names))


def assay(view: View) -> tuple[str, float] | None:
    """Label and limit of detection of the assay of the run."""
    name = (view.config.get("readout") or {}).get("mrd_assay")
    entry = (view.config.get("assays") or {}).get(name)
    return None if entry is None else (str(entry.get("label") or name), float(entry["limit_of_detection"]))


def _notes(view: View, share: np.ndarray[Any, Any], floor: float) -> list[str]:
    notes = [f"Thin lines: single {view.subject_noun(2)}, exact; thick line: median of the arm. Below 5 % the marrow is in remission."]
    found = assay(view)
    if visits(view) and found:
        by = found[0] if found[0][1:2].isupper() else found[0][:1].lower() + found[0][1:]
        notes.append(f"Dots: readings by {by}, arms side by side; open triangles: below its limit of {found[1]:g}.")
    if bool(np.any(share < floor)):
        notes[0] += f" Values below {floor:g} are drawn at {floor:g}."
    return notes


def _draw(axes: Axes, view: View, share: np.ndarray[Any, Any], members: np.ndarray[Any, Any], floor: float) -> None:
    time = view.series["time"].values
    shade_treatment(axes, view)
    found = assay(view)
    for i, style in enumerate(arm_styles(view).values()):
        shown = np.maximum(share[i, members], floor)
        axes.plot(time, shown.T, color=style.colour, lw=0.8, alpha=0.35, zorder=2)
        axes.plot(time, median_over(shown), color=style.colour, lw=thickness(i, len(view.arms)), zorder=3 + i)
        for day, suffix in visits(view).items() if found else ():
            value = view.endpoint(_PREFIX + suffix).astype(float)[i, members]
            negative = view.endpoint(f"mrd_negative_day_{suffix}").astype(float)[i, members] > 0
            at = day + 0.004 * (i - 0.5 * (len(view.arms) - 1)) * float(time[-1] - time[0])
            limit = found[1] if found else floor
            _marks(axes, at, np.maximum(value[~negative], floor), style.colour, "o", filled=True)
            _marks(axes, at, np.full(int(np.sum(negative & np.isfinite(value))), limit), style.colour, "v", filled=False)
    axes.axhline(0.05, color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
    if found:
        axes.axhline(found[1], color=GREY, lw=1.3, ls=(0, (5, 3)), zorder=1)
        axes.annotate(f"limit {found[1]:g}", (1.0, found[1]), (-2, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", color=GREY)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.5, 1.6)
    axes.minorticks_off()
    day_axis(axes, view)


def _marks(axes: Axes, at: float, values: np.ndarray[Any, Any], colour: str, marker: str, *, filled: bool) -> None:
    face = colour if filled else "white"
    axes.plot(np.full(len(values), at), values, marker, color=colour, mfc=face, mec="white" if filled else colour, ms=7, mew=1.0, zorder=20, ls="")
