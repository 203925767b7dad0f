"""Two drugs in a culture plate: viability, and how far it lies from what is expected without interaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from abm.endpoints.dose_matrix import DEFINITIONS
from abm.endpoints.synergy import DoseResponse
from abm.errors import InputError
from abm.figures.style import CLAIM, GREY, INK, Sheet, look
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {"bliss": "Bliss", "hsa": "HSA", "loewe": "Loewe", "zip": "ZIP"}
_FOR_LEUKAEMIAS = ("#0072B2", "#D55E00", "#009E73", "#A3195B", "#E69F00", "#5B3A8E")
_MOST_LEUKAEMIAS = 6
_VIABILITY_COLOURS, _EXCESS_COLOURS = "viridis", "RdBu_r"
_SMALLEST_SCALE = 0.1


def dose_matrix(run: Any) -> Figure:
    """Viability and its excess over four expectations, a row per leukaemia: means over plates."""
    view, matrix = _matrix_of(run)
    names = [str(name) for name in matrix["leukaemia"].values][:_MOST_LEUKAEMIAS]
    reach = _reach(matrix)
    with look():
        sheet = Sheet(view, len(names), 1 + len(DEFINITIONS), 2.15, left=1.55, across=0.28, down=0.3)
        for row, name in enumerate(names):
            here = matrix.sel(leukaemia=name)
            panels = sheet.panels[row]
            shown = _heat(panels[0], here["viability_mean"].values, _VIABILITY_COLOURS, 0.0, 1.0)
            excess = [_heat(panels[1 + i], here[f"excess_{d}"].values, _EXCESS_COLOURS, -reach, reach) for i, d in enumerate(DEFINITIONS)]
            _titles(panels, row)
            panels[0].set_ylabel(f"{view.label('leukaemias', name)}\n\n{_drug(view, matrix, 'a')} (nM)", fontsize=10.5)
            for axes in panels:
                _axes_of(axes, matrix, first=axes is panels[0])
        for axes in sheet.panels[-1]:
            axes.set_xlabel(f"{_drug(view, matrix, 'b')} (nM)", fontsize=11.0)
        notes = _notes(matrix)
        figure = sheet.finish(f"{_drug(view, matrix, 'a')} with {_drug(view, matrix, 'b')}, {_hours(view)}", notes=notes, below=1.75)
        _scales(figure, shown, excess[0], len(notes))
        return figure


def dose_response(run: Any) -> Figure:
    """Each drug alone: viability of every plate, fitted curves, and the concentration that halves it."""
    from matplotlib.lines import Line2D

    view, matrix = _matrix_of(run)
    names = [str(name) for name in matrix["leukaemia"].values][:_MOST_LEUKAEMIAS]
    with look():
        sheet = Sheet(view, 1, 2, 4.0, across=0.9, share_x=False)
        for axes, key, other in ((sheet.panels[0, 0], "dose_a", "dose_b"), (sheet.panels[0, 1], "dose_b", "dose_a")):
            drug = str(matrix[key.replace("dose", "drug")].item())
            for name, colour in zip(names, _FOR_LEUKAEMIAS, strict=False):
                _draw_curve(axes, view, matrix["viability"].sel(leukaemia=name).isel({other: 0}), key, name, drug, colour)
            axes.set_title(f"{view.label('drugs', drug)} alone")
            axes.set_xlabel(f"{view.label('drugs', drug)} in the medium (nM)")
            axes.set_ylim(0.0, 1.12)
            axes.axhline(0.5, color=GREY, lw=1.0, ls=":")
            axes.legend(loc="upper right", fontsize=11.0, handlelength=1.2)
        sheet.panels[0, 0].set_ylabel("Viable cells over untreated")
        handles = [Line2D([], [], color=c, lw=3.2, label=view.label("leukaemias", n)) for n, c in zip(names, _FOR_LEUKAEMIAS, strict=False)]
        notes = [
            "Points: single plates. Lines: Hill curves fitted to every plate, at the median of their numbers (dashed: means, no curve). "
            "IC50: geometric mean over plates, by interpolation."
        ]
        return sheet.finish(f"Each drug alone, {_hours(view)}", handles, notes=notes)


def _matrix_of(run: Any) -> tuple[View, xr.Dataset]:
    view = as_view(run)
    if view.dose_matrix is None:
        raise InputError("this run has no dose matrix; the figure needs experiment=dose_matrix.")
    return view, view.dose_matrix


def _reach(matrix: xr.Dataset) -> float:
    """Largest excess of any sign, the end of the colour scale."""
    largest = max((float(np.nanmax(np.abs(v), initial=0.0)) for v in (matrix[f"excess_{d}"].values for d in DEFINITIONS)), default=0.0)
    return max(largest, _SMALLEST_SCALE)


def _heat(axes: Axes, values: np.ndarray[Any, Any], colours: str, low: float, high: float) -> Any:
    axes.set_facecolor("#E4E6E8")  # where there is nothing to expect
    return axes.imshow(values, origin="lower", aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def _titles(panels: Any, row: int) -> None:
    if row == 0:
        panels[0].set_title("Viability", fontsize=12.5)
        for axes, definition in zip(panels[1:], DEFINITIONS, strict=True):
            axes.set_title(f"{_LABELS[definition]} excess", fontsize=12.5)


def _axes_of(axes: Axes, matrix: xr.Dataset, *, first: bool) -> None:
    doses_a, doses_b = matrix["dose_a"].values, matrix["dose_b"].values
    axes.set_xticks(range(len(doses_b)), [f"{d:g}" for d in doses_b], rotation=90, fontsize=9.0)
    axes.set_yticks(range(len(doses_a)), [f"{d:g}" for d in doses_a], fontsize=9.0)
    axes.tick_params(length=0, labelleft=first)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _scales(figure: Figure, viability: Any, excess: Any, notes: int) -> None:
    """Two colour bars between the panels and the footnote with its number of notes."""
    height, above = figure.get_figheight(), 0.62 + 0.18 * notes
    for left, width, shown, label in (
        (0.12, 0.2, viability, "Viable cells over untreated"),
        (0.42, 0.45, excess, "Expected less observed viability (red: fewer cells than expected)"),
    ):
        bar = figure.add_axes((left, above / height, width, 0.14 / height))
        figure.colorbar(shown, cax=bar, orientation="horizontal")
        bar.set_title(label, fontsize=10.5, fontweight="normal", color=INK, pad=4)
        bar.tick_params(labelsize=9.5, length=2)


def _notes(matrix: xr.Dataset) -> list[str]:
    plates = matrix.sizes["replicate"]
    how = "Bliss and HSA from the single drugs as observed; Loewe and ZIP from Hill curves fitted to them."
    return [f"Means of {plates} plate{'s' if plates > 1 else ''}. {how} Grey: one drug or too few concentrations, nothing to expect.", CLAIM]


def _draw_curve(axes: Axes, view: View, viability: xr.DataArray, key: str, leukaemia: str, drug: str, colour: str) -> None:
    doses = viability[key].values[1:]
    values = viability.transpose(key, "replicate").values[1:]
    axes.set_xscale("log")
    axes.plot(np.repeat(doses, values.shape[1]), values.reshape(-1), "o", color=colour, ms=4.5, alpha=0.65, mew=0)
    table = view.tables["single_drugs"]
    mine = table[(table["leukaemia"] == leukaemia) & (table["drug"] == drug)]
    fitted = mine.dropna(subset=["hill"])
    ic50 = mine["ic50_nm"].to_numpy(float)
    label = f"IC50 {_rounded(float(np.exp(np.log(ic50).mean())))} nM" if np.isfinite(ic50).all() else "IC50 not reached"
    grid = np.geomspace(doses[0], doses[-1], 200)
    if len(fitted):
        curve = DoseResponse(1.0, 1.0 - fitted["largest_effect"].median(), fitted["half_effect_nm"].median(), fitted["hill"].median())
        axes.plot(grid, [curve.survival(float(d)) for d in grid], color=colour, lw=2.4, label=label)
    else:
        axes.plot(doses, values.mean(axis=1), color=colour, lw=1.2, ls="--", label=label)


def _rounded(value: float) -> str:
    """Three digits, never as a power of ten for a concentration of a plate."""
    return f"{value:.3g}" if value < 1000.0 else f"{float(f'{value:.3g}'):.0f}"


def _drug(view: View, matrix: xr.Dataset, which: str) -> str:
    return view.label("drugs", str(matrix[f"drug_{which}"].item()))


def _hours(view: View) -> str:
    settings = view.config.get("dose_matrix")
    return f"{float(settings['hours']):g} h" if isinstance(settings, dict) and "hours" in settings else "end of culture"
