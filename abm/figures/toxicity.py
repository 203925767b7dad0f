"""Grades of toxicity to the blood, per arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.errors import InputError
from abm.figures.style import Sheet, look, wrapped
from abm.figures.view import View, as_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIX = "_ctcae_grade"
_SHADES = ("#E4E7EA", "#FDD49E", "#FC8D59", "#D7301F", "#7F0000")


def graded(view: View) -> dict[str, np.ndarray[Any, Any]]:
    """Highest CTCAE grade (arm, subject) of every count in which a subject has one above 0; NaN: not in the trial."""
    found = {}
    for column in (c for c in view.endpoints.columns if c.endswith(_SUFFIX)):
        grade, name = view.endpoint(column).astype(float), column.removesuffix(_SUFFIX)
        nadir = f"{name}_nadir_percent"
        grade = np.where(np.isnan(view.endpoint(nadir).astype(float)), np.nan, grade) if view.has(nadir) else grade
        if bool(np.any(grade > 0)):
            found[name] = grade
    return found


def tells_harm(view: View) -> bool:
    """Whether grades speak of the drugs: those of patients, and of mice without leukaemia.

    Mice are followed until the leukaemia fills the marrow, with the drug or without: there every
    arm ends at the highest grade.
    """
    return bool(graded(view)) and (view.species() == "human" or view.without_leukaemia())


def toxicity(run: Any) -> Figure:
    """Share of the subjects of each arm by their highest CTCAE grade, one panel per blood count."""
    view = as_view(run)
    grades = graded(view)
    if not grades:
        raise InputError("this run has no subject with a grade above 0; the figure would be empty.")
    with look():
        sheet = Sheet(view, 1, len(grades), 0.5 + 0.5 * len(view.arms), left=2.6, across=0.5)
        for position, (name, values) in enumerate(grades.items()):
            axes = sheet.panels[0, position]
            axes.set_title(name.replace("_", " ").capitalize())
            _draw(axes, view, values)
        scaled = "" if view.species() == "human" else " In mice the limits are scaled to the baseline of the species."
        notes = [f"Highest grade by CTCAE v5 during the trial, all leukaemias together; numbers: subjects.{scaled}"]
        if not view.without_leukaemia():
            notes.append("Leukaemia crowds out healthy blood too: counts that are low while it fills the marrow are not the harm of the drugs.")
        return sheet.finish("Toxicity to the blood", _handles(), notes=notes)


def _draw(axes: Axes, view: View, grades: np.ndarray[Any, Any]) -> None:
    height = np.arange(len(view.arms))[::-1]
    known = np.isfinite(grades).sum(axis=1)
    left = np.zeros(len(view.arms))
    for grade, shade in enumerate(_SHADES):
        number = np.sum(grades == grade, axis=1)
        width = 100.0 * number / np.maximum(known, 1)
        axes.barh(height, width, left=left, color=shade, height=0.7)
        for y, x, w, n in zip(height, left, width, number, strict=True):
            if n:
                axes.text(x + 0.5 * w, y, str(n), ha="center", va="center", fontsize=11, color="white" if grade >= 3 else "black")
        left += width
    axes.set_yticks(height, ["\n".join(wrapped(view.label("arms", arm), 24)) for arm in view.arms])
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("Subjects (%)")


def _handles() -> list[Any]:
    from matplotlib.patches import Patch

    return [Patch(color=shade, label=f"Grade {grade}") for grade, shade in enumerate(_SHADES)]
