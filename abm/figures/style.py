"""One look for all figures: a colour per arm that colour-blind readers tell apart, type that carries across a room."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abm.figures.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISCLAIMER = "Simulated; not fitted to patient or study data; not a dosing tool."
FITTED = "Simulated with numbers fitted by scripts/calibrate; not a dosing tool."
CLAIM = "That the combination is ahead rests on assumed numbers: see experiment=claim_robustness."

SLIDE_WIDTH = 13.33
GREY, INK, SHADE = "#6F7378", "#22262B", "#EEF0F2"
_BY_DRUGS = {
    frozenset[str](): GREY,
    frozenset({"venetoclax"}): "#0072B2",
    frozenset({"everolimus"}): "#E69F00",
    frozenset({"venetoclax", "everolimus"}): "#A3195B",
    frozenset({"navitoclax"}): "#56B4E9",
}
_PALETTE = ("#0072B2", "#E69F00", "#A3195B", "#009E73", "#56B4E9", "#D55E00", "#5B3A8E", "#8C8C00", GREY)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")

_LEGEND_COLUMNS = 5
# Inches: a character of a legend, of a panel's title and of a tick label; what an entry of a legend needs beside its text.
_LEGEND_CHARACTER, _TITLE_CHARACTER, _TICK_CHARACTER, _LEGEND_ENTRY = 0.095, 0.11, 0.12, 0.72
_LONG_SPAN = 364.0

_RC: dict[str, Any] = {
    "font.size": 13.0,
    "axes.titlesize": 14.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 13.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 13.0,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 150,
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn, the same in every figure of a run."""

    colour: str
    marker: str
    label: str


def arm_styles(view: View) -> dict[str, ArmStyle]:
    """Style per arm: by what the arm gives where that is known, else the next free colour."""
    taken: dict[str, str] = {}
    for arm in view.arms:
        colour = _BY_DRUGS.get(view.drugs(arm)) if arm in (view.config.get("arms") or {}) else None
        if colour is not None and colour not in taken.values():
            taken[arm] = colour
    for arm in view.arms:
        free = [c for c in _PALETTE if c not in taken.values()]
        taken.setdefault(arm, free[0] if free else _PALETTE[len(taken) % len(_PALETTE)])
    return {arm: ArmStyle(taken[arm], _MARKERS[i % len(_MARKERS)], view.label("arms", arm)) for i, arm in enumerate(view.arms)}


@contextmanager
def look() -> Iterator[None]:
    """Settings of matplotlib for the figures, undone afterwards."""
    import matplotlib

    with matplotlib.rc_context(_RC):  # type: ignore[arg-type]
        yield


def thickness(position: int, arms: int) -> float:
    """Width of the line of an arm: later arms are drawn on top and thinner, so that equal lines show as one in the other."""
    return 2.3 + 1.9 * (arms - 1 - position) / max(arms - 1, 1)


def wrapped(label: str, width: int) -> list[str]:
    """Lines of a label; words with a hyphen stay whole."""
    return textwrap.wrap(label, width, break_on_hyphens=False)


def panel_width(axes: Axes) -> float:
    """About how wide a panel of a sheet is, in inches."""
    place = axes.get_subplotspec()
    return SLIDE_WIDTH - 1.5 if place is None else (SLIDE_WIDTH - 1.5) / place.get_gridspec().ncols - 0.35


def arm_title(axes: Axes, view: View, arm: str) -> None:
    """Name an arm above its panel, on as many lines as it needs."""
    axes.set_title("\n".join(wrapped(view.label("arms", arm), max(12, int(panel_width(axes) / _TITLE_CHARACTER)))), fontsize=12)


def grid_of(panels: int, *, most: int = 4) -> tuple[int, int]:
    """Rows and columns for a number of panels."""
    columns = min(panels, most)
    return -(-panels // columns), columns


class Sheet:
    """A figure one slide wide: title, legend of arms, panels, footnote.  All measures are inches.

    Margins are set by hand: measuring every label, as automatic layouts do, doubles the
    time to draw.
    """

    def __init__(
        self,
        view: View,
        rows: int,
        columns: int,
        panel_height: float,
        *,
        left: float = 1.0,
        across: float = 0.3,
        down: float = 0.35,
        share_x: bool = True,
        share_y: bool | str = True,
        heights: Sequence[float] | None = None,
    ) -> None:
        from matplotlib.figure import Figure

        self.view = view
        self.figure = Figure(figsize=(SLIDE_WIDTH, 6.0))
        ratios = {"height_ratios": list(heights)} if heights else None
        self.panels = self.figure.subplots(rows, columns, sharex=share_x, sharey=share_y, squeeze=False, gridspec_kw=ratios)  # type: ignore[arg-type]
        self._body = sum(heights) if heights else rows * panel_height
        self._measures = (rows, columns, left, across, down)

    def finish(self, title: str, handles: Sequence[Any] = (), *, notes: Sequence[str] = (), claim: bool = False, below: float = 0.62) -> Figure:
        """Add title, legend and footnote.  With `claim` the footnote says what a lead of the combination rests on."""
        rows, columns, left, across, down = self._measures
        lines = [*notes, (FITTED if self.view.fitted() else DISCLAIMER) + (f" {CLAIM}" if claim and self.view.combination_ahead() else "")]
        legend = _legend_rows(handles)
        title_lines = max((axes.get_title("left").count("\n") for axes in self.panels[0]), default=0)
        top = 0.82 + 0.32 * len(legend) + 0.2 * title_lines
        bottom = 0.2 + 0.18 * len(lines) + below
        body = self._body + (rows - 1) * down
        height = top + body + bottom
        width = SLIDE_WIDTH - left - 0.2
        self.figure.set_figheight(height)
        self.figure.subplots_adjust(
            left=left / SLIDE_WIDTH,
            right=1.0 - 0.2 / SLIDE_WIDTH,
            top=1.0 - top / height,
            bottom=bottom / height,
            wspace=across / ((width - (columns - 1) * across) / columns),
            hspace=down / (self._body / rows),
        )
        self.figure.text(0.16 / SLIDE_WIDTH, 1.0 - 0.14 / height, title, fontsize=18, fontweight="bold", va="top", ha="left")
        for row, shown in enumerate(legend):  # one legend per row, because a legend of several rows fills column by column
            anchor = (0.08 / SLIDE_WIDTH, 1.0 - (0.42 + 0.32 * row) / height)
            self.figure.legend(handles=shown, loc="upper left", bbox_to_anchor=anchor, ncols=len(shown), handlelength=1.6, columnspacing=1.6)
        self.figure.text(0.16 / SLIDE_WIDTH, 0.1 / height, "\n".join(lines), fontsize=9.5, color=GREY, va="bottom", ha="left", linespacing=1.35)
        return self.figure


def _legend_rows(handles: Sequence[Any]) -> list[list[Any]]:
    """Entries of a legend in rows that fit the slide."""
    rows: list[list[Any]] = []
    used = 0.0
    for handle in handles:
        width = _LEGEND_ENTRY + _LEGEND_CHARACTER * len(str(handle.get_label()))
        if not rows or len(rows[-1]) == _LEGEND_COLUMNS or used + width > SLIDE_WIDTH:
            rows.append([])
            used = 0.0
        rows[-1].append(handle)
        used += width
    return rows


def arm_handles(view: View, *, as_patches: bool = False) -> list[Any]:
    """Legend entries of the arms."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    styles = arm_styles(view).values()
    if as_patches:
        return [Patch(color=s.colour, label=s.label) for s in styles]
    return [Line2D([], [], color=s.colour, lw=3.2, label=s.label) for s in styles]


def shade_treatment(axes: Axes, view: View, *, label: bool = False) -> None:
    """Shade the days of treatment."""
    end = view.trial("treatment_days")
    if end:
        axes.axvspan(0.0, end, color=SHADE, lw=0, zorder=0)
        if label:
            axes.annotate("treatment", (0.0, 1.0), (4, -3), xycoords=("data", "axes fraction"), textcoords="offset points", va="top", fontsize=10.5, color=GREY)


def day_axis(axes: Axes, view: View, *, label: bool = True) -> None:
    """A time axis in days, with weekly ticks where there are few."""
    time = view.series["time"].values
    span = float(time[-1] - time[0])
    axes.set_xlim(float(time[0]), float(time[-1]))
    most = min(9.0, panel_width(axes) / (_TICK_CHARACTER * len(f"{span:.0f}") + 0.05))
    step = next((s for s in (1, 2, 7, 14, 28, 56, 91, 182, 364) if span / s <= most), None)
    if span >= 3 and step is not None:
        # Where labels are long, one at the very end would run into the next panel.
        end = 0.96 * span if span > _LONG_SPAN else span
        axes.set_xticks([float(d) for d in range(0, int(end) + 1, step)])
    if label:
        axes.set_xlabel("Days since randomisation" if view.trial("treatment_days") else "Days")
