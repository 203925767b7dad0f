"""The clone that leads each relapse: which line of the table of clones, of what kind, since when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from abm.endpoints.registry import ROW, Material, cohort_table


@cohort_table
def relapses(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Table `relapses`, one line per relapse: the largest clone of the leading mechanism at the look nearest to the relapse.

    `birth_time` is that of the clone's first cell, NaN where its line of the table was given to a younger
    clone since.  A pooled clone stands for several origins, of which none is singled out.
    """
    days, kinds = (endpoints[name].transpose(*ROW).values for name in ("relapse_day", "relapse_clone"))
    cells = np.asarray(material.view.seen.tally.cells)
    rows = []
    for a, s in zip(*np.nonzero(np.isfinite(days)), strict=True):
        look = int(np.abs(material.view.times - days[a, s]).argmin())
        by_clone = cells[a, s, look].sum(axis=-1)
        same = np.array([m == kinds[a, s] for m in material.view.mechanisms[material.view.leukaemias[s]]])
        clone = int(np.where(same[: len(by_clone)], by_clone[: len(same)], -1).argmax())
        labels = {"arm": material.view.arms[a], "subject": material.view.subjects[s], "time": float(days[a, s]), "mechanism": str(kinds[a, s])}
        share = float(by_clone[clone] / max(by_clone.sum(), 1))
        rows.append({**labels, "clone": clone, "share": share, **_origin(material, labels, clone)})
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"time": "d", "birth_time": "d"}
    return {"relapses": table}


def _origin(material: Material, labels: dict[str, object], clone: int) -> dict[str, object]:
    table = material.clones
    line = table[(table["id"] == clone) & (table["arm"] == labels["arm"]) & (table["subject"] == labels["subject"])]
    if not len(line) or line["birth_time_days"].iloc[0] > float(str(labels["time"])):
        return {"birth_time": np.nan, "origins": 0, "pooled": False}
    first = line.iloc[0]
    return {"birth_time": float(first["birth_time_days"]), "origins": int(first["origins"]), "pooled": bool(first["pooled"])}
