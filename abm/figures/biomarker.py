"""How well BMF competence foretells response: ROC curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abm.errors import InputError
from abm.figures.style import GREY, Sheet, arm_styles, look, thickness
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RESPONSES = {"complete_remission": "complete remission", "responded": "fall of hCD45 to a fifth"}

_NEGATIVE = "mrd_negative_day_"


def tells_apart(view: View) -> bool:
    """Whether subjects were drawn from a mix of leukaemias or differ in competence: a curve over leukaemias of the library's choice says nothing."""
    cohort = view.config.get("cohort") or {}
    drawn = bool(cohort.get("mix")) or float((cohort.get("variability") or {}).get("bmf_competence") or 0.0) > 0.0
    return drawn and len(view.tables.get("roc", ())) > 0


def biomarker(run: Any) -> Figure:
    """ROC curve of each arm in which some subjects responded and others did not, with its area and the best cut-off."""
    view = as_view(run)
    points, areas = view.tables.get("roc"), view.tables.get("biomarker")
    if points is None or areas is None or not len(points):
        raise InputError("this run has no table 'roc': in no arm did some subjects respond and others not, or all have one score.")
    with look():
        sheet = Sheet(view, 1, 1, 4.6, share_x=False)
        axes = sheet.panels[0, 0]
        axes.plot([0, 100], [0, 100], color=GREY, lw=1.0, ls=(0, (5, 3)))
        handles = [h for i, arm in enumerate(view.arms) if (h := _draw(axes, view, i, arm, points, areas)) is not None]
        axes.set_aspect("equal", anchor="W")
        axes.set_xlim(-2.0, 102.0)
        axes.set_ylim(-2.0, 102.0)
        axes.set_xlabel("Others taken for responders (%)")
        axes.set_ylabel("Responders found (%)")
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.03, 0.5))
        response = _named(str(areas["response"].iloc[0]))
        notes = [f"Score: BMF competence of the leukaemia before treatment; response: {response}. Limits by DeLong, 95 %.", "Ring: cut-off by Youden."]
        left_out = sorted(set(areas["arm"]) - set(points["arm"]))
        if left_out:
            notes[1] += f" All or none respond: {', '.join(view.label('arms', a) for a in left_out)}."
        return sheet.finish("BMF competence and response", notes=notes)


def _named(response: str) -> str:
    """What a response is called."""
    if response.startswith(_NEGATIVE):
        return f"residual disease below the limit of the assay on day {response.removeprefix(_NEGATIVE).replace('_', '.')}"
    return _RESPONSES.get(response, response.replace("_", " "))


def _draw(axes: Any, view: View, position: int, arm: str, points: pd.DataFrame, areas: pd.DataFrame) -> Any:
    curve, line = points[points["arm"] == arm], areas[areas["arm"] == arm]
    if not len(curve):
        return None
    style, area = arm_styles(view)[arm], line.iloc[0]
    false = np.concatenate([[0.0], 100.0 * (1.0 - curve["specificity"].to_numpy(float))])
    true = np.concatenate([[0.0], 100.0 * curve["sensitivity"].to_numpy(float)])
    between = f" ({area['low']:.2f} to {area['high']:.2f})" if area["high"] > area["low"] else ", no limits"  # every responder outscores the others
    limits = f"AUC {area['area']:.2f}{between}"
    label = f"{style.label}\n{limits},\ncut-off {area['cutoff']:.2g}, {area['responders']} of {area['n']} respond"
    (handle,) = axes.plot(false, true, color=style.colour, lw=thickness(position, len(view.arms)), label=label)
    best = 100.0 * (1.0 - area["specificity"]), 100.0 * area["sensitivity"]
    axes.plot(*best, "o", ms=11, mfc="none", mec=style.colour, mew=2.0)
    return handle
