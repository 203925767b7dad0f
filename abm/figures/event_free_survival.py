"""Event-free and overall survival by Kaplan and Meier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures.style import GREY, Sheet, arm_handles, arm_styles, day_axis, look, shade_treatment, thickness
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUBJECTS = {"mouse": "mice", "human": "patients"}


def event_free_survival(run: Any) -> Figure:
    """Kaplan-Meier curves per arm, one panel per leukaemia, with the numbers at risk below."""
    view = as_view(run)
    view.need("event_day", "event_observed")
    event = view.trial("event_human_cd45_percent")
    what = f"Event: hCD45+ at or above {event:g} % of blood leukocytes. " if event else ""
    if view.species() == "human":
        what = "Event: relapse, or no remission by the set day. "
    return _survival(view, *times_and_events(view), title="Event-free survival", label="Event-free (%)", what=what)


def overall_survival(run: Any) -> Figure:
    """As `event_free_survival` for the survival of patients, which after the event is drawn from publications."""
    view = as_view(run)
    view.need("overall_survival_day", "overall_survival_observed")
    days, observed = view.endpoint("overall_survival_day").astype(float), view.endpoint("overall_survival_observed").astype(float) > 0
    what = "Nobody dies in the simulation: the time from relapse or failure to death is external, drawn from a published law. "
    return _survival(view, days, observed, title="Overall survival", label="Alive (%)", what=what)


def _survival(view: View, days: np.ndarray[Any, Any], observed: np.ndarray[Any, Any], *, title: str, label: str, what: str) -> Figure:
    with look():
        groups = list(view.groups.items())
        sheet = Sheet(view, 2, len(groups), 0.0, down=0.72, share_y="row", heights=(3.7, 0.25 * len(view.arms) + 0.3))
        curves, risks = sheet.panels
        for column, (name, members) in enumerate(groups):
            curves[column].set_title(view.label("leukaemias", name) if name else "")
            _draw_curves(curves[column], view, days[:, members], observed[:, members])
            _draw_at_risk(risks[column], view, days[:, members], names=column == 0)
        curves[0].set_ylabel(label)
        notes = [f"{what}Ticks: follow-up ended without an event."]
        if view.config.get("cohort", {}).get("design", "twin") == "twin":
            notes.append(f"The arms are twins of the same {_SUBJECTS[view.species()]}, so curves are paired and no log-rank test applies.")
        return sheet.finish(title, arm_handles(view), notes=notes, claim=True, below=0.05)


def times_and_events(view: View) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Day and whether the event was observed, (arm, subject); without an event the last day.  NaN: not in the trial."""
    days = view.endpoint("event_day").astype(float)
    observed = view.endpoint("event_observed").astype(float) > 0
    last = float(view.series["time"].values[-1])
    name = "log10_reduction_at_end_of_treatment"
    entered = np.isfinite(view.endpoint(name).astype(float)) if view.has(name) else np.ones(days.shape, bool)
    return np.where(np.isnan(days) & ~observed & entered, last, days), observed


def kaplan_meier(days: np.ndarray[Any, Any], observed: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Corners of the survival curve from day 0 to the last observation: days and probabilities.

    The product-limit estimate of Kaplan and Meier 1958 (doi:10.1080/01621459.1958.10501452);
    someone censored on the day of an event was still at risk.
    """
    at = np.unique(days)
    events = np.array([np.sum(observed & (days == day)) for day in at])
    at_risk = np.array([np.sum(days >= day) for day in at])
    return np.concatenate([[0.0], at]), np.concatenate([[1.0], np.cumprod(1.0 - events / at_risk)])


def _draw_curves(axes: Axes, view: View, days: np.ndarray[Any, Any], observed: np.ndarray[Any, Any]) -> None:
    shade_treatment(axes, view)
    for i, style in enumerate(arm_styles(view).values()):
        known = np.isfinite(days[i])
        if not known.any():
            continue
        at, probability = kaplan_meier(days[i][known], observed[i][known])
        axes.step(at, 100.0 * probability, where="post", color=style.colour, lw=thickness(i, len(view.arms)), zorder=3 + i)
        censored = days[i][known & ~observed[i]]
        height = 100.0 * probability[np.searchsorted(at, censored, side="right") - 1]
        axes.plot(censored, height, "|", color=style.colour, ms=13, mew=2.2, zorder=9)
    axes.axhline(50.0, color=GREY, lw=0.9, ls=(0, (5, 3)), zorder=1)
    axes.set_ylim(-3.0, 105.0)
    axes.set_yticks([0, 25, 50, 75, 100])
    day_axis(axes, view)
    axes.tick_params(labelbottom=True)


def _draw_at_risk(axes: Axes, view: View, days: np.ndarray[Any, Any], *, names: bool) -> None:
    """Numbers still at risk at each tick of the time axis, one line per arm."""
    last = float(view.series["time"].values[-1])
    ticks = [t for t in axes.get_xticks() if 0 <= t <= last]
    for i, style in enumerate(arm_styles(view).values()):
        for tick in ticks:
            at_risk = int(np.sum(days[i] >= tick))
            axes.text(tick, -i, str(at_risk), color=style.colour, ha="center", va="center", fontsize=11.5, fontweight="bold", clip_on=False)
    axes.set_ylim(-len(view.arms) + 0.4, 1.2)
    axes.set_yticks([])
    axes.text(0.0, 1.0, "At risk", transform=axes.transAxes, fontsize=11.5, color=GREY, va="top") if names else None
    axes.tick_params(bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
