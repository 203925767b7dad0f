"""How well a number known before treatment foretells response: ROC curve, its area, the best cut-off.

The area is the probability that a responder scores higher than a non-responder, ties
counting half (Mann & Whitney 1947); its variance is DeLong's (DeLong et al. 1988,
doi:10.2307/2531595); the cut-off maximises sensitivity + specificity - 1 (Youden 1950).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from scipy.stats import norm

from abm.endpoints.registry import Material, cohort_table, took_part
from abm.endpoints.response_rates import responses_of
from abm.errors import InputError

SCORE = "bmf_competence"
# Which response the score is to foretell: the first of these, or a negative reading of residual disease, that tells subjects apart.
_RESPONSES = ("complete_remission", "responded")


class Roc(NamedTuple):
    """Curve of predicting response by a score at or above a threshold, from the strictest threshold on."""

    threshold: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    area: float
    standard_error: float  # DeLong

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence limits of the area, within 0 and 1."""
        half = float(norm.isf(0.5 * (1.0 - level))) * self.standard_error
        return max(0.0, self.area - half), min(1.0, self.area + half)

    @property
    def cutoff(self) -> int:
        """Position of the threshold with the largest sensitivity + specificity."""
        return int(np.argmax(self.sensitivity + self.specificity))


def roc(score: ArrayLike, response: ArrayLike) -> Roc:
    """ROC curve of a score.

    Args:
        score: Score of each subject; higher speaks for response.
        response: Whether each responded.

    Raises:
        InputError: All subjects responded, or none.
    """
    x, hit = np.asarray(score, float).ravel(), np.asarray(response, bool).ravel()
    yes, no = x[hit], x[~hit]
    if yes.size == 0 or no.size == 0:
        raise InputError(f"ROC curve: {yes.size} of {x.size} subjects responded; both responders and others are needed.")
    at = np.unique(x)[::-1]
    sensitivity, specificity = (yes[None] >= at[:, None]).mean(1), (no[None] < at[:, None]).mean(1)
    wins = (yes[:, None] > no[None]) + 0.5 * (yes[:, None] == no[None])
    parts = [m.var(ddof=1) / m.size for m in (wins.mean(1), wins.mean(0)) if m.size > 1]
    return Roc(at, sensitivity, specificity, float(wins.mean()), float(np.sqrt(sum(parts))))


def scores(material: Material) -> np.ndarray:
    """BMF competence of each subject's leukaemia before treatment, (arms, subjects): its own where subjects differ, else the mean of its leukaemia."""
    if SCORE in material.scores:
        return np.asarray(material.scores[SCORE], float)
    typical = [material.experiment.leukaemias[name].traits.bmf_competence for name in material.view.leukaemias]
    return np.tile(np.array(typical, float), (len(material.view.arms), 1))


def telling_response(found: dict[str, np.ndarray], known: np.ndarray) -> str | None:
    """The response to foretell: the first that some subjects of an arm have and others have not, else the first there is."""
    names = [*(n for n in _RESPONSES if n in found), *(n for n in found if n.startswith("mrd_negative_"))]
    telling = [n for n in names if any(0 < hit[take].sum() < take.sum() for hit, take in zip(found[n], known, strict=True))]
    return next(iter([*telling, *names]), None)


@cohort_table
def bmf_biomarker(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Tables `biomarker` (area and cut-off per arm) and `roc` (its points), over all leukaemias; an arm in which all or none respond has a note."""
    found, known, score = responses_of(endpoints), took_part(endpoints), scores(material)
    response = telling_response(found, known)
    if response is None or len(np.unique(score)) < 2:
        return {}
    lines, points = [], []
    for a, arm in enumerate(endpoints["arm"].values.astype(str)):
        labels = {"score": SCORE, "response": response, "arm": str(arm)}
        hits = found[response][a, known[a]]
        numbers = {"responders": int(hits.sum()), "n": len(hits)}
        try:
            curve = roc(score[a, known[a]], hits)
        except InputError as error:
            blank = dict.fromkeys(("area", "low", "high", "cutoff", "sensitivity", "specificity"), np.nan)
            lines.append({**labels, **numbers, **blank, "note": str(error)})
            continue
        low, high = curve.interval()
        best = {"cutoff": curve.threshold[curve.cutoff], "sensitivity": curve.sensitivity[curve.cutoff], "specificity": curve.specificity[curve.cutoff]}
        note = "" if curve.standard_error > 0.0 else "DeLong's variance is 0: the limits say nothing"
        lines.append({**labels, **numbers, "area": curve.area, "low": low, "high": high, **best, "note": note})
        columns = {"threshold": curve.threshold, "sensitivity": curve.sensitivity, "specificity": curve.specificity}
        points.append(pd.DataFrame(columns).assign(arm=str(arm)))
    return {"biomarker": pd.DataFrame(lines), "roc": pd.concat(points, ignore_index=True) if points else pd.DataFrame()}
