"""Mice and the dish, by the mean-field twin of the shipped model."""

from __future__ import annotations

from abm.targets.findings import Simulated, absent
from abm.targets.registry import computes
from abm.targets.trials import Trials
from abm.targets.twin import SHIPPED, twin_targets

KEYS = (
    "pdx_day_1_percent",
    "pdx_day_25_percent",
    "everolimus_survival",
    "everolimus_cycling",
    "everolimus_dead_20",
    "everolimus_dead_2000",
    "venetoclax_survival",
    "ic50_typical",
    "ic50_null",
    "etp_log14",
    "etp_from_start",
    "ic50_etp",
    "cd45_ratio",
    "combination_from_start",
    "beyond_bliss",
    "lost_null",
    "lost_isr",
    "neutrophil_nadir",
    "platelet_nadir",
    "neutrophil_recovery",
    "platelet_recovery",
    "navitoclax_platelets",
    "g101v_log14",
    "g101v_ic50_fold",
)


@computes(
    *KEYS, how="expected cells of the shipped model, without chance: the mean-field twin, 32 kinds of cells at 8 levels of BMF competence, steps of 1-2 h"
)
def mean_field(trials: Trials) -> dict[str, Simulated]:
    """Every target of the calibration in mice and in the dish."""
    values = twin_targets(SHIPPED)
    return {key: Simulated(values[key]) for key in KEYS}


@computes("g101v_months", how="chronic lymphocytic leukaemia would be needed")
def clone_in_cll(trials: Trials) -> dict[str, Simulated]:
    """The clone was seen in another leukaemia."""
    return {"g101v_months": absent("Chronic lymphocytic leukaemia, which grows slowly and is treated for years, is not modelled.")}
