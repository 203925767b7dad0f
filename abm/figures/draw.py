"""All figures of a run by name, and drawing those that apply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.figures.biomarker import biomarker, tells_apart
from abm.figures.blood_counts import READOUTS, blood_counts
from abm.figures.cell_state import STATES, cell_state
from abm.figures.claim_robustness import claim_robustness
from abm.figures.clones import arisen, clone_genealogy, clone_shares, richest, seen
from abm.figures.counts import concentrations, counts
from abm.figures.dose_matrix import dose_matrix, dose_response
from abm.figures.event_free_survival import event_free_survival, overall_survival
from abm.figures.human_cd45 import human_cd45
from abm.figures.residual_disease import residual_disease
from abm.figures.swimmers import swimmers
from abm.figures.toxicity import tells_harm, toxicity
from abm.figures.view import View, as_view
from abm.figures.waterfall import waterfall
from abm.output.atomic import complete_or_absent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"
DPI = 150

FIGURES: dict[str, Callable[[Any], Figure]] = {
    "human_cd45": human_cd45,
    "waterfall": waterfall,
    "event_free_survival": event_free_survival,
    "overall_survival": overall_survival,
    "swimmers": swimmers,
    "residual_disease": residual_disease,
    "blood_counts": blood_counts,
    "toxicity": toxicity,
    "cell_state": cell_state,
    "concentrations": concentrations,
    "clone_shares": clone_shares,
    "clone_genealogy": clone_genealogy,
    "biomarker": biomarker,
    "counts": counts,
    "claim_robustness": claim_robustness,
    "dose_matrix": dose_matrix,
    "dose_response": dose_response,
}


def applicable(run: Any) -> list[str]:
    """Names of the figures that a run is drawn in: it has what they need, and no other figure says it better."""
    view = as_view(run)
    if view.dose_matrix is not None:
        return ["dose_matrix", "dose_response"]  # its many arms are no curves of a trial
    ill = not view.without_leukaemia()
    wanted = {
        "human_cd45": view.has("human_cd45_fraction") and view.species() != "human" and ill,
        "waterfall": ill and view.has("log10_reduction_at_end_of_treatment"),
        "event_free_survival": ill and view.has("event_day") and view.has("event_observed"),
        "overall_survival": ill and view.has("overall_survival_day"),
        "swimmers": ill and view.has("overall_survival_day") and view.has("cri_day"),
        "residual_disease": ill and view.has("mrd"),
        "blood_counts": any(view.has(r) for r in READOUTS),
        "toxicity": tells_harm(view),
        "cell_state": ill and any(view.has(s) for s in STATES),
        "concentrations": view.has("concentration") and bool((view.series["concentration"] > 0).any()),
        "clone_shares": view.has("human_cd45_fraction") and seen(view),
        "clone_genealogy": arisen(view) and richest(view.clones) is not None,
        "biomarker": tells_apart(view),
        "counts": view.has("count") and not view.has("human_cd45_fraction"),
        "claim_robustness": "claims" in view.tables,
    }
    return [name for name in FIGURES if wanted.get(name, False)]


def draw_all(run: Any, folder: str | Path) -> list[Path]:
    """Draw every figure that applies to a `RunResult` or `Run` as PNG into `folder`/figures; paths in order."""
    view: View = as_view(run)
    paths = []
    for name in applicable(view):
        path = Path(folder) / FOLDER / f"{name}.png"
        figure = FIGURES[name](view)
        with complete_or_absent(path) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": "abm"})
        paths.append(path)
    return paths
