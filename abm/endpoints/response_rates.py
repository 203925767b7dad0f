"""Rates of response per arm and leukaemia, with exact limits, and numbers of subjects by grade of toxicity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import binomtest

from abm.endpoints.registry import ROW, Material, cohort_table, groups, took_part

GRADES = range(5)
_FLAGS = ("complete_remission", "remission", "responded")
_GRADE = "_ctcae_grade"


def responses_of(endpoints: xr.Dataset) -> dict[str, np.ndarray]:
    """Every yes-or-no response of a run, bool (arm, subject)."""
    found = {name: endpoints[name].transpose(*ROW).values.astype(bool) for name in _FLAGS if name in endpoints}
    if "cleared_day" in endpoints:
        found["cleared"] = np.isfinite(endpoints["cleared_day"].transpose(*ROW).values)
    negative = [str(name) for name in endpoints.data_vars if str(name).startswith("mrd_negative_")]
    return {**found, **{name: endpoints[name].transpose(*ROW).values.astype(bool) for name in negative}}


@cohort_table
def response_rates(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Table `responses`: share of the randomised subjects with each response and its limits (Clopper-Pearson, 95 %)."""
    known, rows = took_part(endpoints), []
    for group, members in groups(endpoints).items():
        for a, arm in enumerate(endpoints["arm"].values.astype(str)):
            keep = members[known[a, members]]
            for name, flags in responses_of(endpoints).items():
                if len(keep):
                    limits = binomtest(n := int(flags[a, keep].sum()), len(keep)).proportion_ci(method="exact")
                    share = {"share": n / len(keep), "low": float(limits.low), "high": float(limits.high)}
                    rows.append({"response": name, "group": group, "arm": str(arm), "n": n, "of": len(keep), **share})
    return {"responses": pd.DataFrame(rows)}


@cohort_table
def toxicity(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Table `toxicity`: numbers of subjects by their highest CTCAE grade of each blood count."""
    known, rows = took_part(endpoints), []
    grades = {str(v).removesuffix(_GRADE): endpoints[v].transpose(*ROW).values for v in endpoints.data_vars if str(v).endswith(_GRADE)}
    for readout, values in grades.items():
        for group, members in groups(endpoints).items():
            for a, arm in enumerate(endpoints["arm"].values.astype(str)):
                keep = members[known[a, members]]
                for grade in GRADES:
                    n = int(np.sum(values[a, keep] == grade))
                    rows.append({"readout": readout, "group": group, "arm": str(arm), "grade": grade, "n": n, "of": len(keep)})
    return {"toxicity": pd.DataFrame(rows)}
