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

_RANKED_FIRST = ("core", "whole_chain", "all")
_MOST_PARAMETERS = 12
_LABELS = {
    "core": "Core of the chain",
    "core_and_healthy": "Core, healthy blood spared",
    "all": "All eight claims",
    "venetoclax_weak": "Venetoclax alone is weak",
    "everolimus_cytostatic": "Everolimus alone is cytostatic",
    "combination_deep": "Combination is deep",
    "beyond_bliss": "Combination beats Bliss",
    "bmf_null_loses": "BMF-null loses the extra kill",
    "isr_off_loses": "ISR off halves the extra kill",
    "etp_responds": "ETP-like answers venetoclax",
    "healthy_spared": "Healthy blood is spared",
}
_CORE = "Core: venetoclax alone weak, combination deep and beyond Bliss, extra kill lost in BMF-null cells and without ISR."
_SHARES = "Shares speak for the ranges that were written down; they are not probabilities that a claim is true."
_HOLDS, _AGAINST = "#0072B2", "#D55E00"


def claim_robustness(run: Any) -> Figure:
    """Share of plausible draws in which each claim holds (left) and the numbers that the first claim rests on (right).

    Reads the tables `claims` (claim, share, low, high, n) and `ranking` (claim, parameter,
    importance: standardised coefficient of the ranks of the number, perhaps its standard error `se`, and `r2`).
    """
    view = as_view(run)
    claims, ranking = view.tables.get("claims"), view.tables.get("ranking")
    if claims is None or not len(claims):
        raise InputError("this run has no table 'claims'; the figure needs experiment=claim_robustness.")
    with look():
        lines = max(5, len(claims), min(_MOST_PARAMETERS, 0 if ranking is None else ranking["parameter"].nunique()))
        sheet = Sheet(view, 1, 1 if ranking is None else 2, 0.4 + 0.31 * lines, left=3.55, across=3.15, share_x=False, share_y=False)
        _draw_shares(sheet.panels[0, 0], claims)
        if ranking is not None:
            names = list(claims["claim"].astype(str))
            _draw_ranking(sheet.panels[0, 1], ranking, next((c for c in _RANKED_FIRST if c in names), names[0]))
        number = int(claims["n"].max()) if "n" in claims else 0
        draws = f"{number} draws of the uncertain numbers from their ranges" if number else "Draws of the uncertain numbers from their ranges"
        notes = [f"{draws}; whiskers: 95 % intervals.", *([_CORE] if "core" in set(claims["claim"]) else []), _SHARES]
        if ranking is not None:
            notes.append(_how_ranked(ranking))
        return sheet.finish("How far the claims hold", notes=notes)


def _draw_shares(axes: Axes, claims: pd.DataFrame) -> None:
    height = np.arange(len(claims))[::-1]
    share = 100.0 * claims["share"].to_numpy(float)
    axes.barh(height, share, color=_HOLDS, height=0.66, zorder=2)
    if {"low", "high"} <= set(claims.columns):
        spread = np.abs(np.stack([share - 100.0 * claims["low"].to_numpy(float), 100.0 * claims["high"].to_numpy(float) - share]))
        axes.errorbar(share, height, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.4, capsize=3, zorder=3)
    for y, value in zip(height, share, strict=True):
        axes.annotate(f"{value:.0f} %", (101.5, float(y)), va="center", fontsize=11.5, annotation_clip=False)
    axes.set_yticks(height, [claim_label(str(c)) for c in claims["claim"]])
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("Draws in which the claim holds (%)")
    axes.grid(axis="x", color="#D9DCDF", lw=0.7)


def _draw_ranking(axes: Axes, ranking: pd.DataFrame, claim: str) -> None:
    chosen = ranking[ranking["claim"] == claim] if "claim" in ranking else ranking
    chosen = chosen.reindex(chosen["importance"].abs().sort_values(ascending=False, kind="stable").index).head(_MOST_PARAMETERS)
    height = np.arange(len(chosen))[::-1]
    values = chosen["importance"].to_numpy(float)
    axes.barh(height, values, color=np.where(values >= 0, _HOLDS, _AGAINST), height=0.66, zorder=2)
    widest = np.abs(values)
    if "se" in chosen:
        error = 1.96 * chosen["se"].to_numpy(float)
        axes.errorbar(values, height, xerr=error, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5, zorder=3)
        widest = widest + error
    axes.set_yticks(height, number_labels([str(p) for p in chosen["parameter"]]), fontsize=10.5)
    axes.axvline(0.0, color=GREY, lw=1.0)
    reach = max(0.1, float(np.nanmax(widest, initial=0.0)) * 1.08)
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("Importance")
    axes.set_title(f"{claim_label(claim)} rests on")
    axes.grid(axis="x", color="#D9DCDF", lw=0.7)


def _how_ranked(ranking: pd.DataFrame) -> str:
    r2 = float(ranking["r2"].iloc[0]) if "r2" in ranking and len(ranking) else float("nan")
    how = f"standardised coefficient of a regression on ranks (R² {r2:.2f} in sample)" if np.isfinite(r2) else "rank correlation"
    return f"Importance: {how} of the number with the worst margin by which the claim holds; blue: a larger number helps."


def claim_label(claim: str) -> str:
    """What a claim says, in a few words."""
    return _LABELS.get(claim, claim.replace("_", " ").capitalize())


def number_labels(keys: list[str]) -> list[str]:
    """Short labels of numbers: what they belong to and their own name; the whole key where two would be alike."""
    short = []
    for key in keys:
        parts = key.split(".")
        owner = parts[0] if len(parts) <= 2 else parts[1]
        short.append(f"{owner}: {parts[-1]}".replace("_", " ") if len(parts) > 1 else key)
    return [label if short.count(label) == 1 else key for label, key in zip(short, keys, strict=True)]
