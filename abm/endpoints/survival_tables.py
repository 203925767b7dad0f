"""Kaplan-Meier curves of event-free and overall survival per arm and leukaemia, and their medians."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from abm.endpoints.arm_comparisons import TIMES
from abm.endpoints.registry import ROW, Material, cohort_table, groups, took_part
from abm.endpoints.survival import SurvivalCurve, kaplan_meier


@cohort_table
def survival(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Table `survival` (one line per time of an event, with 95 % limits) and `survival_summary` (one line per curve).

    Overall survival after the event, and deaths of low counts, are drawn from publications: their `source` is external.
    """
    known, steps, curves = took_part(endpoints), [], []
    for name, (day, observed) in TIMES.items():
        if day not in endpoints:
            continue
        times, seen = (endpoints[v].transpose(*ROW).values for v in (day, observed))
        for group, members in groups(endpoints).items():
            for a, arm in enumerate(endpoints["arm"].values.astype(str)):
                keep = members[known[a, members]]
                if len(keep) == 0:
                    continue
                labels = {"endpoint": name, "group": group, "arm": str(arm)}
                curve = kaplan_meier(times[a, keep], seen[a, keep])
                steps.append(_steps(curve).assign(**labels))
                source = _source(name, toxic="toxic_death_day" in endpoints and bool(material.experiment.clinic.toxic_death))
                curves.append({**labels, "n": len(keep), "events": int(curve.events.sum()), "median_days": curve.median, "source": source})
    units = {"time": "d", "median_days": "d"}
    tables = {"survival": pd.concat(steps, ignore_index=True) if steps else pd.DataFrame(), "survival_summary": pd.DataFrame(curves)}
    for table in tables.values():
        table.attrs["units"] = units
    return tables


def _source(name: str, *, toxic: bool) -> str:
    """Where the times of a curve come from."""
    if name == "event_free_survival":
        return "simulated, deaths of low counts external" if toxic else "simulated"
    return "external after the event, deaths of low counts external" if toxic else "external after the event"


def _steps(curve: SurvivalCurve) -> pd.DataFrame:
    low, high = curve.interval()
    return pd.DataFrame({"time": curve.time, "at_risk": curve.at_risk, "events": curve.events, "survival": curve.survival, "low": low, "high": high})
