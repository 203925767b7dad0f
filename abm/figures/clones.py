"""What the leukaemia consists of over time, and how its clones descend from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abm.errors import InputError
from abm.figures.style import GREY, INK, Sheet, arm_title, day_axis, look, shade_treatment, wrapped
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOUNDER = "founder"
_WHOLE = "leukaemia"
_PLACES = {"leukaemia", "leukaemia_marrow", "leukaemia_blood", "leukaemia_cycling", "leukaemia_quiescent"}
_COLOURS = ("#B9BEC4", "#0072B2", "#E69F00", "#009E73", "#A3195B", "#56B4E9", "#D55E00", "#5B3A8E", "#8C8C00")
_MOST_CLONES = 40
# Share of the leukaemic cells of an arm that can be seen in a plot.
_VISIBLE = 0.01


def kinds(view: View) -> list[str]:
    """The founder and the mechanisms that any leukaemic cell of the run has."""
    if not view.has("count"):
        return []
    count = view.series["count"]
    names = [str(p) for p in count["population"].values]
    found = [p for p in names if p.startswith("leukaemia_") and p not in _PLACES and bool((count.sel(population=p) > 0).any())]
    return [FOUNDER, *(p.removeprefix("leukaemia_") for p in found)] if _WHOLE in names else []


def arisen(view: View) -> bool:
    """Whether clones are there that the leukaemias did not begin with: mutants, or states that cells switched on."""
    leukaemias = view.config.get("leukaemias") or {}
    founders = 1 + max((len(leukaemia.get("subclones") or {}) for leukaemia in leukaemias.values()), default=0)
    return "id" in view.clones and bool((view.clones["id"] >= founders).any())


def seen(view: View) -> bool:
    """Whether cells of a kind other than the founder's are ever a visible share of an arm's leukaemia."""
    names = kinds(view)
    arms, groups = range(len(view.arms)), view.groups.values()
    return len(names) > 1 and any(bool((_shares(_cells(view, names, arm, members))[1:] >= _VISIBLE).any()) for arm in arms for members in groups)


def colours(names: list[str]) -> dict[str, str]:
    """Colour of each kind; the founder is grey."""
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}


def clone_shares(run: Any) -> Figure:
    """Muller plot: height is the logarithm of the leukaemic cells of an arm, split by the share of each kind of clone."""
    view = as_view(run)
    names = kinds(view)
    if len(names) < 2:
        raise InputError("this run has no leukaemic cells of more than one kind; the figure needs subclones or cohort.resistance.")
    with look():
        groups = list(view.groups.items())
        sheet = Sheet(view, len(groups), len(view.arms), 2.2 if len(groups) > 1 else 4.0, left=1.5, down=0.4)
        for row, (group, members) in enumerate(groups):
            for column, arm in enumerate(view.arms):
                axes = sheet.panels[row, column]
                _draw_shares(axes, view, _cells(view, names, column, members), names)
                day_axis(axes, view, label=row == len(groups) - 1)
                if row == 0:
                    arm_title(axes, view, arm)
                if column == 0:
                    axes.set_ylabel("\n".join([*wrapped(view.label("leukaemias", group) if group else "", 22), "leukaemic cells"]), fontsize=12)
        notes = ["Mean over the subjects of an arm. Height: cells on a log scale; within it, kinds of clones in proportion to their cells."]
        return sheet.finish("What the leukaemia consists of", _handles(view, names), notes=notes)


def clone_genealogy(run: Any) -> Figure:
    """Descent of the clones of one subject, the one with most clones: a line from birth on, from its parent, coloured by mechanism."""
    view = as_view(run)
    chosen = richest(view.clones)
    if chosen is None:
        raise InputError("this run has no clones that descend from others; the figure needs cohort.resistance.")
    arm, subject, table = chosen
    table = table.sort_values("count", ascending=False, kind="stable")
    parents = set(table["parent"])
    kept = table[[i < _MOST_CLONES or c in parents for i, c in enumerate(table["id"])]]
    names = [FOUNDER, *sorted({str(m) for m in kept["mechanism"]} - {FOUNDER})]
    with look():
        sheet = Sheet(view, 1, 1, max(2.5, 0.19 * len(kept)), left=0.6)
        _draw_tree(sheet.panels[0, 0], view, kept, colours(names))
        notes = [f"{subject}, arm {view.label('arms', arm)}: the subject with most clones. Thickness: cells on the last day, log scale; dashed: none left."]
        notes.append("Diamonds: lines that several independent origins share; their first origin is drawn.")
        if len(kept) < len(table):
            notes[0] += f" {len(table) - len(kept)} smaller clones are left out."
        return sheet.finish("Descent of the clones", _handles(view, names), notes=notes)


def richest(clones: pd.DataFrame) -> tuple[str, str, pd.DataFrame] | None:
    """Arm, subject and clones of the subject with most clones that descend from another; None where there are none."""
    if not {"arm", "subject", "count"} <= set(clones.columns) or not len(clones):
        return None
    descended = clones[clones["parent"] >= 0].groupby(["arm", "subject"], sort=False).size()
    if not len(descended):
        return None
    arm, subject = descended.index[int(np.argmax(descended.to_numpy()))]
    return str(arm), str(subject), clones[(clones["arm"] == arm) & (clones["subject"] == subject)]


def _cells(view: View, names: list[str], arm: int, members: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean cells of each kind over subjects, (kinds, times)."""
    count = view.series["count"].transpose("population", "arm", "subject", "time").isel(arm=arm, subject=members)
    own = np.stack([count.sel(population=f"leukaemia_{n}").values.astype(float).mean(0) for n in names[1:]])
    founder = count.sel(population=_WHOLE).values.astype(float).mean(0) - own.sum(0)
    return np.concatenate([np.maximum(founder, 0.0)[None], own])


def _shares(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Share of each kind, of cells (kinds, times)."""
    total = cells.sum(0)
    return np.divide(cells, total, out=np.zeros_like(cells), where=total > 0)


def _draw_shares(axes: Axes, view: View, cells: np.ndarray[Any, Any], names: list[str]) -> None:
    total, share = cells.sum(0), _shares(cells)
    height = np.log10(np.maximum(total, 1.0))
    shade_treatment(axes, view)
    axes.stackplot(view.series["time"].values, share * height, colors=[colours(names)[n] for n in names], lw=0, zorder=2)
    axes.plot(view.series["time"].values, height, color=INK, lw=1.2, zorder=3)
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")


def _draw_tree(axes: Axes, view: View, clones: pd.DataFrame, colour: dict[str, str]) -> None:
    order = _depth_first(clones)
    height = {clone: -i for i, clone in enumerate(order)}
    last = float(view.series["time"].values[-1])
    first = float(min(clones["birth_time"].min(), 0.0))
    shade_treatment(axes, view)
    columns = ("id", "parent", "mechanism", "birth_time", "pooled", "count")
    for clone, parent, mechanism, born, pooled, cells in zip(*(clones[c] for c in columns), strict=True):
        y, shade = height[int(clone)], colour[str(mechanism)]
        axes.plot([born, last], [y, y], color=shade, lw=1.0 + 0.5 * np.log10(1.0 + cells), ls="-" if cells > 0 else (0, (1, 2)), zorder=2)
        if int(parent) in height:
            axes.plot([born, born], [y, height[int(parent)]], color=GREY, lw=0.8, zorder=1)
        axes.plot(born, y, "D" if pooled else "o", color=shade, ms=6 if pooled else 4, zorder=3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(first, last)
    axes.set_xlabel("Days since randomisation")


def _depth_first(clones: pd.DataFrame) -> list[int]:
    """Clones with every one below its parent, those born first on top."""
    known = set(clones["id"])
    rows = clones.sort_values(["birth_time", "id"], kind="stable")
    children: dict[int, list[int]] = {}
    for clone, parent in zip(rows["id"], rows["parent"], strict=True):
        children.setdefault(int(parent) if parent in known else -1, []).append(int(clone))
    order: list[int] = []
    waiting = list(reversed(children.get(-1, [])))
    while waiting:
        clone = waiting.pop()
        order.append(clone)
        waiting += reversed(children.get(clone, []))
    return order


def _handles(view: View, names: list[str]) -> list[Any]:
    from matplotlib.patches import Patch

    return [Patch(color=colour, label=view.label("mechanisms", name)) for name, colour in colours(names).items()]
