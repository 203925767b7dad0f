"""How far the claims hold over plausible numbers, and which numbers they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abm.errors import InputError
from abm.figures.style import GREY, INK, Sheet, look
from abm.figures.view import as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RANKED_FIRST = ("whole_chain", "all")
_MOST_PARAMETERS = 15
_HOLDS, _AGAINST = "#0072B2", "#D55E00"


def claim_robustness(run: Any) -> Figure:
    """Share of plausible draws in which each claim holds (left) and the numbers that the first claim rests on (right).

    Reads the tables `claims` (claim, share, low, high, n) and `ranking` (claim, parameter,
    importance: signed rank correlation of the number with the claim).
    """
    view = as_view(run)
    claims, ranking = view.tables.get("claims"), view.tables.get("ranking")
    if claims is None or not len(claims):
        raise InputError("this run has no table 'claims'; the figure needs experiment=claim_robustness.")
    with look():
        lines = max(5, len(claims), min(_MOST_PARAMETERS, 0 if ranking is None else ranking["parameter"].nunique()))
        sheet = Sheet(view, 1, 1 if ranking is None else 2, 0.4 + 0.31 * lines, left=3.1, across=3.95, share_x=False, share_y=False)
        _draw_shares(sheet.panels[0, 0], claims)
        if ranking is not None:
            names = list(claims["claim"].astype(str))
            _draw_ranking(sheet.panels[0, 1], ranking, next((c for c in _RANKED_FIRST if c in names), names[0]))
        number = int(claims["n"].max()) if "n" in claims else 0
        notes = [
            f"{number} draws from the ranges of the assumed, derived and fitted numbers; whiskers: 95 % intervals." if number else "Whiskers: 95 % intervals."
        ]
        return sheet.finish("How far the claims hold", notes=notes)


def _draw_shares(axes: Axes, claims: pd.DataFrame) -> None:
    height = np.arange(len(claims))[::-1]
    share = 100.0 * claims["share"].to_numpy(float)
    axes.barh(height, share, color=_HOLDS, height=0.66, zorder=2)
    if {"low", "high"} <= set(claims.columns):
        spread = np.abs(np.stack([share - 100.0 * claims["low"].to_numpy(float), 100.0 * claims["high"].to_numpy(float) - share]))
        axes.errorbar(share, height, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.4, capsize=3, zorder=3)
    for y, value in zip(height, share, strict=True):
        axes.annotate(f"{value:.0f} %", (101.0, float(y)), va="center", fontsize=11.5, annotation_clip=False)
    axes.set_yticks(height, [str(c).replace("_", " ").capitalize() for c in claims["claim"]])
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("Draws in which the claim holds (%)")
    axes.grid(axis="x", color="#D9DCDF", lw=0.7)


def _draw_ranking(axes: Axes, ranking: pd.DataFrame, claim: str) -> None:
    chosen = ranking[ranking["claim"] == claim] if "claim" in ranking else ranking
    chosen = chosen.reindex(chosen["importance"].abs().sort_values(ascending=False, kind="stable").index).head(_MOST_PARAMETERS)
    height = np.arange(len(chosen))[::-1]
    values = chosen["importance"].to_numpy(float)
    axes.barh(height, values, color=np.where(values >= 0, _HOLDS, _AGAINST), height=0.66, zorder=2)
    axes.set_yticks(height, [str(p) for p in chosen["parameter"]], fontsize=10.5)
    axes.axvline(0.0, color=GREY, lw=1.0)
    reach = max(0.1, float(np.nanmax(np.abs(values), initial=0.0)) * 1.15)
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("Rank correlation with the claim")
    axes.set_title(f"{claim.replace('_', ' ').capitalize()} rests on")
    axes.grid(axis="x", color="#D9DCDF", lw=0.7)
