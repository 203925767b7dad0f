"""Blood counts over time: of mice relative to the vehicle twin, of patients in their own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.measured import NOTE, draw_measured, has_measured, measured_handles
from abm.figures.style import GREY, Sheet, arm_handles, arm_styles, day_axis, look, shade_treatment, thickness, wrapped
from abm.figures.view import View, as_view, median_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Above this a linear axis would hide the loss of blood, which is what the figure is about.
_LINEAR_TOP = 200.0

READOUTS = ("neutrophils", "platelets", "haemoglobin", "lymphocytes")


def blood_counts(run: Any) -> Figure:
    """Neutrophils, platelets and haemoglobin; rows are leukaemias.

    Of mice in % of the same subject's vehicle arm; in a parallel design the reference is the median of the
    vehicle arm; without a vehicle, day 0.  Of patients, and where measured counts stand beside them, as counted.
    """
    view = as_view(run)
    readouts = [r for r in READOUTS if view.has(r)]
    if not readouts:
        view.need(*READOUTS[:3])
    with look():
        groups, counted = list(view.groups.items()), view.species() == "human" or has_measured(view, *READOUTS)
        each: dict[str, Any] = {"share_y": "col", "across": 0.55} if counted else {}
        sheet = Sheet(view, len(groups), len(readouts), 2.0 if len(groups) > 1 else 4.0, left=1.35, down=0.22, **each)
        panels = sheet.panels
        top = 0.0
        for column, readout in enumerate(readouts):
            shown, reference = (_counted(view, readout), "") if counted else relative(view, readout)
            units = view.series[readout].attrs.get("units", "")
            for row, (name, members) in enumerate(groups):
                axes = panels[row, column]
                top = max(top, _draw(axes, view, shown[:, members], relative=not counted))
                draw_measured(axes, view, name, readout)
                day_axis(axes, view, label=row == len(groups) - 1)
                if row == 0:
                    axes.set_title(f"{readout.capitalize()} ({units})" if counted else readout.capitalize())
                if column == 0:
                    what = [] if counted else [f"% of {reference}"]
                    axes.set_ylabel("\n".join([*wrapped(view.label("leukaemias", name) if name else "", 22), *what]), fontsize=12)
        notes = [f"Thin lines: single {view.subject_noun(2)}; thick line: median of the arm."]
        if has_measured(view, *READOUTS):
            notes.append(NOTE)
        if counted:
            for axes in panels[0]:
                axes.set_ylim(bottom=0.0)
        else:
            _scale(panels[0, 0], top)
            notes[0] += " Dashed: 60 % of the reference."
        if not counted and top > _LINEAR_TOP:
            notes.append("Above 100 %: leukaemia crowds out the blood of the vehicle twin. The harm of the drugs alone: experiment=healthy_mice.")
        return sheet.finish("Blood counts", [*arm_handles(view), *measured_handles(view, *READOUTS)], notes=notes)


def _counted(view: View, readout: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = view.series[readout].transpose("arm", "subject", "time").values.astype(float)
    return values


def relative(view: View, readout: str) -> tuple[np.ndarray[Any, Any], str]:
    """A blood count (arm, subject, time) in % of its reference, and what the reference is called."""
    values = view.series[readout].transpose("arm", "subject", "time").values.astype(float)
    vehicle = view.vehicle()
    if vehicle is None:
        reference, name = values[..., :1], "day 0"
    elif view.config.get("cohort", {}).get("design", "twin") == "twin":
        reference, name = values[[view.arms.index(vehicle)]], "vehicle twin"
    else:
        base = values[view.arms.index(vehicle)]
        reference, name = np.zeros((1, *base.shape)), "vehicle median"
        for members in view.groups.values():
            reference[:, members] = median_over(base[members])
    return 100.0 * np.divide(values, reference, out=np.full_like(values, np.nan), where=reference > 0), name


def _scale(axes: Axes, top: float) -> None:
    """Linear from zero; logarithmic where the vehicle twin has lost most of its blood."""
    if top <= _LINEAR_TOP:
        axes.set_ylim(0.0, max(115.0, 1.03 * top))
        return
    axes.set_yscale("log")
    axes.set_ylim(40.0, 1.2 * top)
    ticks = [t for t in (50, 100, 200, 500, 1000, 2000, 5000, 10000) if t <= 1.2 * top]
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()


def _draw(axes: Axes, view: View, percent: np.ndarray[Any, Any], *, relative: bool) -> float:
    """Draw one panel; the largest median in it, at least 100."""
    time = view.series["time"].values
    shade_treatment(axes, view)
    if relative:
        axes.axhline(60.0, color=GREY, lw=1.1, ls=(0, (5, 3)), zorder=1)
    top = 100.0
    for i, (arm, style) in enumerate(arm_styles(view).items()):
        middle = median_over(percent[i])
        axes.plot(time, percent[i].T, color=style.colour, lw=0.8, alpha=0.3, zorder=2)
        width = 1.6 if arm == view.vehicle() else thickness(i, len(view.arms))  # the reference itself is 100 % throughout
        axes.plot(time, middle, color=style.colour, lw=width, zorder=3 + i)
        top = max(top, float(np.nanmax(middle, initial=100.0)))
    return top
