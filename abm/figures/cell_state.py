"""How the state inside leukaemic cells is distributed, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import GREY, Sheet, arm_handles, arm_styles, day_axis, look, shade_treatment, thickness
from abm.figures.view import View, as_view, median_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATES = {
    "mtorc1": "mTORC1 activity\n(healthy = 1)",
    "isr": "Stress response",
    "bmf": "BMF (nmol/L)",
    "free_activator": "Free BH3 activator\n(nmol/L)",
}
_LOW, _MIDDLE, _HIGH = 0.05, 0.5, 0.95


def cell_state(run: Any) -> Figure:
    """mTORC1, ISR, BMF and free BH3 activator of leukaemic cells: median and 5-95 % of cells, median mouse of each arm."""
    view = as_view(run)
    states = [s for s in STATES if view.has(s)]
    if not states:
        view.need(*STATES)
    with look():
        groups = list(view.groups.items())
        sheet = Sheet(view, len(states), len(groups), 1.62 if len(states) > 1 else 4.0, left=1.25, down=0.22, share_y="row")
        panels = sheet.panels
        for row, state in enumerate(states):
            for column, (name, members) in enumerate(groups):
                axes = panels[row, column]
                _draw(axes, view, state, members)
                day_axis(axes, view, label=row == len(states) - 1)
                if row == 0:
                    axes.set_title(view.label("leukaemias", name) if name else "")
                if column == 0:
                    axes.set_ylabel(STATES[state], fontsize=12)
            panels[row, 0].set_ylim(bottom=0.0)
        sheet.figure.align_ylabels(list(panels[:, 0]))
        notes = [f"Line: median cell; band: 5 to 95 % of leukaemic cells; both of the median {view.subject_noun()}. No line where no leukaemic cell is left."]
        if _half_activator(view) and "free_activator" in states:
            notes[0] += " Dashed: free activator at half of the maximal death hazard."
        return sheet.finish("Inside the leukaemic cells", arm_handles(view), notes=notes)


def _half_activator(view: View) -> float | None:
    value = ((view.config.get("cell") or {}).get("apoptosis") or {}).get("half_activator_nm")
    return None if value is None else float(value)


def _draw(axes: Axes, view: View, state: str, members: np.ndarray[Any, Any]) -> None:
    values = view.series[state].transpose("arm", "subject", "time", "quantile")
    at = values["quantile"].values
    pick = [int(np.argmin(abs(at - q))) for q in (_LOW, _MIDDLE, _HIGH)]
    time = values["time"].values
    shade_treatment(axes, view)
    for i, style in enumerate(arm_styles(view).values()):
        low, middle, high = (median_over(values.values[i][members][..., k]) for k in pick)
        axes.fill_between(time, low, high, color=style.colour, alpha=0.16, lw=0, zorder=2)
        axes.plot(time, middle, color=style.colour, lw=thickness(i, len(view.arms)), zorder=3 + i)
    level = _half_activator(view) if state == "free_activator" else 1.0 if state == "mtorc1" else None
    if level is not None:
        axes.axhline(level, color=GREY, lw=1.1, ls=(0, (5, 3)), zorder=1)
