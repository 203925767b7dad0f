"""One figure per case: what was simulated on what is exact, and every check as a share of its bound."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from abm.figures.style import GREY, INK, SHADE, look
from abm.verification.findings import LEVEL, CurvePanel, LawPanel, Outcome, PValuePanel, SlopePanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#A3195B", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v")
_PALE = "#B9BEC4"
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), "-.")
_FAIL, _PASS = "#C1121F", "#0072B2"
_LEFT, _PANEL, _CHECKS, _HEIGHT = 0.85, 3.9, 2.9, 4.0  # inches
_CLIP = 2.2  # of the bound; what lies beyond is drawn there


def case_figure(outcome: Outcome) -> Figure:
    """Panels of the case and, last, its checks between -1 and 1."""
    from matplotlib.figure import Figure

    with look():
        shown = outcome.panels[:3]
        widths = [*([_PANEL] * len(shown)), _CHECKS]
        width = sum(_LEFT + w for w in widths) + 0.25
        figure = Figure(figsize=(width, _HEIGHT))
        starts = np.cumsum([_LEFT, *(w + _LEFT for w in widths[:-1])])
        axes = [figure.add_axes((left / width, 0.62 / _HEIGHT, w / width, (_HEIGHT - 1.05) / _HEIGHT)) for left, w in zip(starts, widths, strict=True)]
        for panel, at in zip(shown, axes, strict=False):
            at.set_title(panel.title, fontsize=12)
            if isinstance(panel, LawPanel):
                _law(at, panel)
            elif isinstance(panel, CurvePanel):
                _curves(at, panel)
            elif isinstance(panel, SlopePanel):
                _slope(at, panel)
            else:
                _p_values(at, panel)
            at.tick_params(which="both", labelsize=10)
            at.tick_params(which="minor", labelsize=8)
        _checks(axes[-1], outcome)
        return figure


def _law(axes: Axes, panel: LawPanel) -> None:
    """Distribution functions, with the band in which the sample's lies at the level of the suite."""
    exact = np.cumsum(panel.law)
    n = panel.sample.size
    half = float(np.sqrt(-0.5 * np.log(0.5 * LEVEL) / n))
    last = max(int(np.searchsorted(exact, 1.0 - 1e-4)), int(panel.sample.max())) + 1
    first = max(0, min(int(np.searchsorted(exact, 1e-4)), int(panel.sample.min())) - 1)
    k = np.arange(first, min(last, len(exact)))
    seen = np.searchsorted(np.sort(panel.sample), k, side="right") / n
    axes.fill_between(k, np.clip(exact[k] - half, 0, 1), np.clip(exact[k] + half, 0, 1), step="post", color=SHADE, lw=0, label="band of the check")
    axes.step(k, exact[k], where="post", color=INK, lw=3.2, label="exact")
    axes.step(k, seen, where="post", color=_COLOURS[1], lw=1.5, label=f"program, n = {n:,}")
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel(panel.label, fontsize=11)
    axes.set_ylabel("probability of at most", fontsize=11)
    axes.legend(fontsize=9, loc="lower right")


def _curves(axes: Axes, panel: CurvePanel) -> None:
    first = True
    for i, (name, values) in enumerate(panel.exact.items()):
        wrong = "wrong" in name or "not a null" in name
        axes.plot(
            panel.x,
            values,
            color=_PALE if wrong else INK,
            lw=2.2 if wrong else 1.8,
            ls="-" if first or wrong else _DASHES[i % len(_DASHES)],
            label=name,
            zorder=2,
        )
        first = False
    every = max(1, len(panel.x) // 45)
    for i, (name, values) in enumerate(panel.simulated.items()):
        start = (i * every) // max(len(panel.simulated), 1) if every > 1 else 0
        x, y = panel.x[start::every], values[start::every]
        if panel.spread and name in panel.spread:
            axes.errorbar(x, y, yerr=panel.spread[name][start::every], fmt="none", ecolor=_COLOURS[i % 5], elinewidth=1.1, capsize=2, zorder=3)
        axes.plot(x, y, _MARKERS[i % 5], color=_COLOURS[i % 5], ms=4.2, mfc="none" if i else _COLOURS[0], label=name, zorder=4)
    if panel.log:
        axes.set_yscale("log")
    else:
        axes.margins(y=0.08)
    axes.set_xlabel(panel.x_label, fontsize=11)
    axes.set_ylabel(panel.y_label, fontsize=11)
    axes.legend(fontsize=9)


def _slope(axes: Axes, panel: SlopePanel) -> None:
    from matplotlib.ticker import NullFormatter

    reference = panel.y[0] * (panel.x / panel.x[0]) ** panel.slope if panel.slope else np.ones(len(panel.x))
    axes.loglog(panel.x, reference, color=INK, lw=1.8, label=f"slope {panel.slope:g}" if panel.slope else "independent cells")
    axes.loglog(panel.x, panel.y, "o", color=_COLOURS[1], ms=7, label="program")
    axes.set_xticks(panel.x, [f"{x:g}" for x in panel.x])
    axes.xaxis.set_minor_formatter(NullFormatter())
    if max(panel.y.max(), reference.max()) < 10.0 * min(panel.y.min(), reference.min()):
        low, high = min(panel.y.min(), reference.min()), max(panel.y.max(), reference.max())
        ticks = np.round(np.geomspace(low, high, 4), 2 if high > 0.1 else 6)
        axes.set_yticks(ticks, [f"{y:g}" for y in ticks])
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.12)
    axes.set_xlabel(panel.x_label, fontsize=11)
    axes.set_ylabel(panel.y_label, fontsize=11)
    axes.legend(fontsize=9)


def _p_values(axes: Axes, panel: PValuePanel) -> None:
    """Sorted p-values against their expectations, on logarithmic axes: what matters are the small ones."""
    for i, (name, values) in enumerate(panel.values.items()):
        ordered = np.sort(np.maximum(values, 1e-14))
        axes.loglog((np.arange(len(ordered)) + 0.5) / len(ordered), ordered, _MARKERS[i % 5], color=_COLOURS[i % 5], ms=4.5, mfc="none", label=name)
    axes.plot([1e-2, 1], [1e-2, 1], color=INK, lw=1.8, zorder=1)
    axes.axhline(LEVEL, color=_FAIL, lw=1.2, ls=(0, (4, 3)), label="level of the check")
    axes.set_ylim(min(LEVEL, *(v.min() for v in panel.values.values())) / 10.0, 2.0)
    axes.set_xlabel("expected p-value", fontsize=11)
    axes.set_ylabel("p-value", fontsize=11)
    axes.legend(fontsize=9, loc="center right")


def _checks(axes: Axes, outcome: Outcome) -> None:
    """Deviation of every check over what is allowed."""
    share = np.array([finding.share_of_bound for finding in outcome.findings])
    passed = np.array([finding.passed for finding in outcome.findings])
    share = np.clip(np.nan_to_num(share, nan=_CLIP, posinf=_CLIP, neginf=-_CLIP), -_CLIP, _CLIP)
    y = np.arange(len(share))[::-1]
    axes.axvspan(-1.0, 1.0, color=SHADE, lw=0)
    axes.axvline(0.0, color=GREY, lw=0.9)
    for bound in (-1.0, 1.0):
        axes.axvline(bound, color=_FAIL, lw=1.2, ls=(0, (4, 3)))
    size = 6.0 if len(share) <= 30 else 3.5
    axes.plot(share[passed], y[passed], "o", color=_PASS, ms=size, clip_on=False)
    axes.plot(share[~passed], y[~passed], "X", color=_FAIL, ms=size + 3, clip_on=False)
    axes.set_xlim(-_CLIP, _CLIP)
    axes.set_ylim(-0.8, max(len(share) - 0.2, 1.0))
    axes.set_yticks([])
    axes.set_xticks([-2, -1, 0, 1, 2])
    axes.set_title(f"{len(share)} checks: {int(passed.sum())} inside", fontsize=12)
    axes.set_xlabel("deviation over its bound", fontsize=11)
    axes.tick_params(labelsize=10.5)


def as_data_url(figure: Figure) -> str:
    """The figure as a PNG inside a URL."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=105)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
