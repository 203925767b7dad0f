"""Two figures: every simulated value in its band, and residual disease against that of real patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.figures.style import GREY, INK, SHADE, look
from abm.targets.findings import MET, NOT_EVALUATED, Line
from abm.yaml_text import from_yaml

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MET, _MISSED = "#0072B2", "#C1121F"
_CLIP = 2.2  # half-widths of the band; what lies beyond is drawn there
DISEASE = Path(__file__).with_name("residual_disease.yaml")


def place(line: Line, value: float) -> float:
    """Where a value lies: -1 and 1 are the edges of the band; a band that is open on one side counts from its edge in units of that edge."""
    low, high = line.published.low, line.published.high
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(low) or math.isinf(high):
        edge, inwards = (high, -1.0) if math.isinf(low) else (low, 1.0)
        inside = min(inwards * (value - edge) / (abs(edge) or 1.0), 1.0)  # deep inside is the middle
        return -inwards * (1.0 - inside)
    return (2.0 * value - low - high) / (high - low)


def band_figure(lines: Sequence[Line]) -> Figure:
    """Values with their intervals; the shaded band is where a target is met.  Open marks: used for fitting."""
    from matplotlib.figure import Figure

    shown = [line for line in lines if line.verdict != NOT_EVALUATED]
    with look():
        height = 1.1 + 0.21 * max(len(shown), 1)
        figure = Figure(figsize=(10.5, height))
        axes = figure.add_axes((0.46, 0.5 / height, 0.52, 1.0 - 0.95 / height))
        axes.axvspan(-1.0, 1.0, color=SHADE, lw=0)
        for y, line in zip(range(len(shown) - 1, -1, -1), shown, strict=True):
            _mark(axes, line, y)
        axes.set_yticks(range(len(shown)), [f"{line.published.target}  {line.published.key}" for line in reversed(shown)], fontsize=8)
        axes.set_xlim(-_CLIP - 0.1, _CLIP + 0.1)
        axes.set_ylim(-0.7, max(len(shown), 1) - 0.3)
        axes.set_xticks([-1.0, 0.0, 1.0], ["lower edge", "", "upper edge"], fontsize=9)
        axes.set_title("simulated value in its band (open: used for fitting)", fontsize=10)
        return figure


def _mark(axes: Any, line: Line, y: int) -> None:
    colour = _MET if line.verdict == MET else _MISSED
    x = float(np.clip(place(line, line.simulated.value), -_CLIP, _CLIP))
    if not math.isnan(line.simulated.low):
        ends = np.clip([place(line, line.simulated.low), place(line, line.simulated.high)], -_CLIP, _CLIP)
        axes.plot(ends, [y, y], color=colour, lw=1.3)
    axes.plot([x], [y], "o" if line.verdict == MET else "X", color=colour, mfc="white" if line.published.fitted else colour, ms=5)


def residual_disease_figure(shares: NDArray[np.float64], day: float) -> Figure:
    """Cumulative share of virtual children by residual disease, over that of real patients (`residual_disease.yaml`)."""
    from matplotlib.figure import Figure

    real = from_yaml(DISEASE.read_text(encoding="utf-8"))
    x, n = np.array(real["at_most"], float).T
    cumulative = n / real["patients"]
    half = 1.96 * np.sqrt(cumulative * (1.0 - cumulative) / real["patients"])
    grid = np.geomspace(1e-5, 1.0, 400)
    seen = np.searchsorted(np.sort(shares), grid, side="right") / shares.size
    with look():
        figure = Figure(figsize=(7.0, 4.2))
        axes = figure.add_axes((0.12, 0.15, 0.85, 0.78))
        axes.step(grid, seen, where="post", color=_MET, lw=1.8, label=f"virtual children, day {day:g}, n = {shares.size}")
        axes.errorbar(
            x, cumulative, yerr=half, fmt="o", color=INK, ms=5, capsize=3, label=f"{real['patients']} patients, day {real['day']:g} (Liu 2017, TARGET)"
        )
        axes.axvline(1e-4, color=GREY, lw=1.0, ls=(0, (4, 3)))
        axes.set_xscale("log")
        axes.set_ylim(0.0, 1.03)
        axes.set_xlabel("residual disease, share of marrow cells; dashed: limit of detection")
        axes.set_ylabel("share of patients at or below")
        axes.legend(fontsize=8, loc="center left")
        return figure
