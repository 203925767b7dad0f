"""Response of the leukaemia: reduction, event, clearance, relapse and its clone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from abm.endpoints.crossing import first_crossing
from abm.endpoints.registry import ROW, Material, endpoint
from abm.parameters.settings import Trial

# hCD45 below which a xenograft has responded, as a share of the level at which it was randomised.
RESPONSE_SHARE = 0.2
_COMPARTMENTS = {"leukaemia", "leukaemia_marrow", "leukaemia_blood", "leukaemia_cycling", "leukaemia_quiescent"}
_EVENTS = {
    "event": "event_day",
    "cleared": "cleared_day",
    "relapse": "relapse_day",
    "remission": "cri_day",
    "toxic_death_external": "toxic_death_day",
    "death_external": "overall_survival_day",
}
_OBSERVED = {"event": "event_observed", "death_external": "overall_survival_observed"}


def reduction(series: xr.Dataset, trial: Trial, vehicle: str | None) -> xr.Dataset:
    """Log10 reduction of leukaemic cells at the end of treatment, from day 0 and against the vehicle twin.

    A cleared subject has an infinite reduction.
    """
    burden = series["count"].sel(population="leukaemia").transpose("arm", "subject", "time")
    days = np.abs(series["time"].values - trial.treatment_days)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_cells = np.log10(burden.values.astype(float))
        end = log_cells[:, :, int(days.argmin())]
        data = {"log10_reduction_at_end_of_treatment": (ROW, log_cells[:, :, 0] - end)}
        if vehicle is not None:
            twin = end[[series["arm"].values.tolist().index(vehicle)]]
            data["log10_burden_vs_vehicle_at_end_of_treatment"] = (ROW, end - twin)
    return xr.Dataset(data)


def event(series: xr.Dataset, trial: Trial) -> xr.Dataset:
    """Day on which hCD45 reaches the level of the event; without it the last day, not observed."""
    days, level = series["time"].values, trial.event_human_cd45_percent / 100.0
    curves = series["human_cd45_fraction"].values
    day = np.apply_along_axis(lambda c: first_crossing(days, c, level, rising=True), 2, curves)
    observed = np.isfinite(day)
    return xr.Dataset({"event_day": (ROW, np.where(observed, day, days[-1])), "event_observed": (ROW, observed)})


def clearance(series: xr.Dataset, trial: Trial) -> xr.Dataset:
    """First day at or below the clearance threshold."""
    days = series["time"].values
    curves = series["count"].sel(population="leukaemia").values.astype(float)
    day = np.apply_along_axis(lambda c: first_crossing(days, c, trial.clearance_cells, rising=False), 2, curves)
    return xr.Dataset({"cleared_day": (ROW, day)})


def relapse(series: xr.Dataset, trial: Trial) -> xr.Dataset:
    """Day on which a leukaemia that had responded is back at its level at randomisation, and the clone that leads then.

    Response: hCD45 below a fifth of the level at randomisation.
    """
    days, curves = series["time"].values, series["human_cd45_fraction"].values
    shape = curves.shape[:2]
    day, clone = np.full(shape, np.nan), np.full(shape, "", dtype=object)
    mechanisms = mechanism_populations(series)
    for a, s in np.ndindex(*shape):
        curve = curves[a, s]
        responded = np.flatnonzero(curve <= RESPONSE_SHARE * curve[0])
        if curve[0] <= 0.0 or len(responded) == 0:
            continue
        day[a, s] = first_crossing(days, curve, curve[0], rising=True, start=int(responded[0]))
        if np.isfinite(day[a, s]):
            clone[a, s] = leading_mechanism(series.isel(arm=a, subject=s), float(day[a, s]), mechanisms)
    return xr.Dataset({"relapse_day": (ROW, day), "relapse_clone": (ROW, clone.astype(str))})


def responded(series: xr.Dataset) -> xr.Dataset:
    """Whether hCD45 fell to a fifth of its level at randomisation or below."""
    curves = series["human_cd45_fraction"].transpose(*ROW, "time").values
    return xr.Dataset({"responded": (ROW, (curves[..., :1] > 0.0).any(axis=2) & (curves <= RESPONSE_SHARE * curves[..., :1]).any(axis=2))})


@endpoint
def response(material: Material) -> xr.Dataset:
    """Reduction and clearance of any leukaemia; for xenografts also event, response and relapse by human cells in blood."""
    series, trial = material.series, material.experiment.trial
    parts = [reduction(series, trial, material.twin), clearance(series, trial)]
    if not material.human:
        parts += [event(series, trial), responded(series), relapse(series, trial)]
    return xr.merge(parts)


def mechanism_populations(series: xr.Dataset) -> list[str]:
    """Populations that are a part of the leukaemia by mechanism, not by place or condition."""
    return [str(p) for p in series["population"].values if str(p).startswith("leukaemia_") and str(p) not in _COMPARTMENTS]


def leading_mechanism(subject: xr.Dataset, day: float, mechanisms: list[str]) -> str:
    """Mechanism of most leukaemic cells of one subject at the look nearest to `day`; `founder` where none was acquired."""
    counts = subject["count"].sel(time=day, method="nearest")
    by_mechanism = {name.removeprefix("leukaemia_"): int(counts.sel(population=name)) for name in mechanisms}
    founder = int(counts.sel(population="leukaemia")) - sum(by_mechanism.values())
    return max({"founder": founder, **by_mechanism}.items(), key=lambda item: item[1])[0]


def response_events(endpoints: xr.Dataset) -> pd.DataFrame:
    """Events that follow from the response, as rows arm, subject, kind, time_days and the same day as value."""
    rows = []
    for kind, variable in _EVENTS.items():
        if variable not in endpoints:
            continue
        days = endpoints[variable].values
        happened = endpoints[_OBSERVED[kind]].values & np.isfinite(days) if kind in _OBSERVED else np.isfinite(days)
        for a, s in zip(*np.nonzero(happened), strict=True):
            rows.append((str(endpoints["arm"].values[a]), str(endpoints["subject"].values[s]), kind, float(days[a, s]), float(days[a, s])))
    return pd.DataFrame(rows, columns=["arm", "subject", "kind", "time_days", "value"])
