"""A made-up result that obeys every law of a real one: 3 leukaemias, 4 arms, twins, to day 60."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from abm.output.provenance import build_provenance
from abm.output.result import CellSnapshot, RunResult

LEUKAEMIAS = {"bmf_competent": "BMF-competent", "bmf_null": "BMF-null", "etp_like": "ETP-like"}
ARMS = {"vehicle": "Vehicle", "venetoclax": "Venetoclax", "everolimus": "Everolimus", "combination": "Venetoclax + everolimus"}
DRUGS = {"vehicle": [], "venetoclax": ["venetoclax"], "everolimus": ["everolimus"], "combination": ["venetoclax", "everolimus"]}
NET_GROWTH = {  # per day, on treatment
    "bmf_competent": {"vehicle": 0.28, "venetoclax": 0.24, "everolimus": 0.10, "combination": -0.22},
    "bmf_null": {"vehicle": 0.28, "venetoclax": 0.24, "everolimus": 0.10, "combination": 0.06},
    "etp_like": {"vehicle": 0.28, "venetoclax": -0.05, "everolimus": 0.12, "combination": -0.55},
}
CAPACITY = 2e9
TREATMENT_DAYS = 21.0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
POPULATIONS = ("leukaemia", "leukaemia_marrow", "leukaemia_blood", "leukaemia_cycling", "leukaemia_quiescent", "neutrophils", "platelets")
TALLIES = ("births", "deaths", "gained", "lost")


def make_result(subjects: int = 6, days: float = 60.0, interval: float = 0.5, seed: int = 1, *, never: int = 0) -> RunResult:
    """A trial with `subjects` per leukaemia; the first `never` of them are never randomised."""
    rng = np.random.default_rng(seed)
    names = [f"{leukaemia}-{i + 1:02d}" for leukaemia in LEUKAEMIAS for i in range(subjects)]
    of = [leukaemia for leukaemia in LEUKAEMIAS for _ in range(subjects)]
    time = np.arange(0.0, days + 1e-9, interval)
    burden = _burden(time, of, rng)
    series = _series(time, burden, names, of, rng)
    if never:
        series = _blank(series, never)
    config = _config(subjects, days, interval)
    return RunResult(
        series=series,
        lead_in=_lead_in(names, of, rng),
        endpoints=_endpoints(series),
        events=_events(names[:never], series),
        clones=_clones(names),
        cells={f"day-{d:03d}": _cells(float(d), names[never:], rng) for d in (0, 21)},
        engine=_engine(names),
        config_yaml=yaml.safe_dump(config, sort_keys=False),
        provenance=build_provenance(
            config,
            overrides=["experiment=default", "trial.treatment_days=21"],
            device="cpu x 2",
            wall_seconds={"lead_in": 8.1, "arms": 31.4},
            peak_memory_mib=812.0,
        ),
    )


def _burden(time: np.ndarray[Any, Any], of: list[str], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Leukaemic cells (arm, subject, time): logistic growth with an arm's own rate on treatment."""
    start = 4e7 * rng.lognormal(0.0, 0.25, len(of))
    speed = rng.normal(1.0, 0.12, len(of))
    burden = np.zeros((len(ARMS), len(of), len(time)))
    step = np.diff(time, prepend=time[0])
    for i, arm in enumerate(ARMS):
        n = start.copy()
        for t, h in enumerate(step):
            rate = np.array([NET_GROWTH[o][arm] if time[t] <= TREATMENT_DAYS else 0.28 for o in of]) * speed
            n = n * np.exp(h * np.where(rate > 0, rate * np.maximum(0.0, 1 - n / CAPACITY), rate))
            burden[i, :, t] = np.where(n < 0.5, 0.0, n)
    return burden


def _series(time: np.ndarray[Any, Any], burden: np.ndarray[Any, Any], names: list[str], of: list[str], rng: np.random.Generator) -> xr.Dataset:
    total = burden.astype(np.int64)
    blood = (burden * 0.08 * burden / (burden + 1e9)).astype(np.int64)
    cycling = (total * 0.8).astype(np.int64)
    treated = (time <= TREATMENT_DAYS)[None, None, :] * np.array([len(d) for d in DRUGS.values()])[:, None, None]
    dip = np.zeros(burden.shape)
    for t in range(1, len(time)):
        dip[..., t] = dip[..., t - 1] + (1.0 - np.exp(-0.25 * (time[1] - time[0]))) * (treated[..., t] * 0.18 - dip[..., t - 1])
    noise = rng.normal(1.0, 0.01, burden.shape)
    neutrophils, platelets = (1.0 - dip) * noise * 1.2, (1.0 - 0.6 * dip) * noise * 1000.0
    count = np.stack([total, total - blood, blood, cycling, total - cycling, (neutrophils * 1e6).astype(np.int64), (platelets * 1e6).astype(np.int64)], -1)
    tallies = _tallies(count, rng)
    cells = ("arm", "subject", "time", "population")
    curve = cells[:3]
    concentration = np.zeros((*burden.shape, 2))
    for j, drug in enumerate(("venetoclax", "everolimus")):
        for i, arm in enumerate(ARMS):
            concentration[i, :, :, j] = (drug in DRUGS[arm]) * (time <= TREATMENT_DAYS) * (300.0 if drug == "venetoclax" else 8.0) * np.exp(-(time % 1.0))
    cd45 = blood / (blood + 2e6 * (neutrophils + 0.5))
    data: dict[str, Any] = {name: (cells, values) for name, values in {"count": count, **tallies}.items()}
    data |= {
        "concentration": ((*curve, "drug"), concentration, {"units": "nmol/L"}),
        "human_cd45_fraction": (curve, cd45),
        "blast_fraction": (curve, burden / (burden + 3e8)),
        "neutrophils": (curve, neutrophils),
        "platelets": (curve, platelets),
        "haemoglobin": (curve, (1.0 - 0.2 * dip) * noise * 140.0),
    }
    data |= {name: ((*curve, "quantile"), values) for name, values in _bands(time, of, burden).items()}
    coords = {
        "arm": list(ARMS),
        "subject": names,
        "time": time,
        "population": list(POPULATIONS),
        "drug": ["venetoclax", "everolimus"],
        "quantile": list(QUANTILES),
    }
    return xr.Dataset(data, coords={**coords, "leukaemia": ("subject", of)})


def _tallies(count: np.ndarray[Any, Any], rng: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """Cumulative tallies from whose balance the counts follow exactly."""
    change = np.diff(count, axis=2, prepend=count[:, :, :1])
    turnover = (rng.random(count.shape) * 0.05 * count).astype(np.int64)
    turnover[:, :, 0] = 0
    zero = np.zeros_like(count)
    births, deaths = np.cumsum(np.maximum(change, 0) + turnover, axis=2), np.cumsum(np.maximum(-change, 0) + turnover, axis=2)
    return dict(zip(TALLIES, (births, deaths, zero, zero.copy()), strict=True))


def _bands(time: np.ndarray[Any, Any], of: list[str], burden: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Quantiles (arm, subject, time, quantile) of the state of leukaemic cells; NaN where there is none."""
    spread = np.array([-1.6, -0.7, 0.0, 0.7, 1.6])
    on = np.clip(time / 1.5, 0, 1) * (time <= TREATMENT_DAYS) + np.exp(-(time - TREATMENT_DAYS) / 1.5) * (time > TREATMENT_DAYS)
    everolimus = np.array(["everolimus" in d for d in DRUGS.values()])[:, None, None] * on[None, None, :]
    venetoclax = np.array(["venetoclax" in d for d in DRUGS.values()])[:, None, None] * on[None, None, :]
    competent = np.array([o != "bmf_null" for o in of])[None, :, None]
    shape = np.ones((1, len(of), 1))
    middle = {
        "mtorc1": (1.9 - 1.5 * everolimus) * shape,
        "isr": (0.1 + 0.8 * everolimus) * shape,
        "bmf": (8.0 + 180.0 * everolimus) * competent,
        "free_activator": (6.0 + 8.0 * everolimus * competent + 7.0 * venetoclax + 25.0 * everolimus * venetoclax * competent) * shape,
    }
    width = {"mtorc1": 0.1, "isr": 0.15, "bmf": 0.3, "free_activator": 0.35}
    gone = (burden <= 0)[..., None]
    return {name: np.where(gone, np.nan, m[..., None] * np.exp(width[name] * spread)) for name, m in middle.items()}


def _blank(series: xr.Dataset, never: int) -> xr.Dataset:
    """Rows of subjects that were never randomised: no cells, NaN curves."""
    out = series.copy(deep=True)
    for name in out.data_vars:
        out[name].values[:, :never] = 0 if out[name].dtype.kind == "i" else np.nan
    return out


def _lead_in(names: list[str], of: list[str], rng: np.random.Generator) -> xr.Dataset:
    time = np.arange(0.0, 30.0, 1.0)
    count = (5e4 * rng.lognormal(0, 0.2, (len(names), 1)) * np.exp(0.28 * time)).astype(np.int64)[..., None]
    tallies = {k: v[0] for k, v in _tallies(count[None], rng).items()}
    dims = ("subject", "time", "population")
    data: dict[str, Any] = {name: (dims, values) for name, values in {"count": count, **tallies}.items()}
    data["human_cd45_fraction"] = (dims[:2], count[..., 0] / (count[..., 0] + 4e9))
    return xr.Dataset(data, coords={"subject": names, "time": time, "population": ["leukaemia"], "leukaemia": ("subject", of)})


def _endpoints(series: xr.Dataset) -> xr.Dataset:
    rows = ("arm", "subject")
    time = series["time"].values
    burden = series["count"].sel(population="leukaemia").values.astype(float)
    stop = int(np.searchsorted(time, TREATMENT_DAYS))
    with np.errstate(divide="ignore", invalid="ignore"):
        reduction = np.log10(np.maximum(burden[..., 0], 1)) - np.log10(np.maximum(burden[..., stop], 1))
        versus = np.log10(np.maximum(burden[..., stop], 1) / np.maximum(burden[:1, :, stop], 1))
    above = series["human_cd45_fraction"].values >= 0.25
    observed = above.any(-1)
    event_day = np.where(observed, time[above.argmax(-1)], time[-1])
    missing = np.isnan(series["neutrophils"].values[..., 0])
    data: dict[str, Any] = {
        "log10_reduction_at_end_of_treatment": (rows, np.where(missing, np.nan, reduction)),
        "log10_burden_vs_vehicle_at_end_of_treatment": (rows, np.where(missing, np.nan, versus)),
        "event_day": (rows, np.where(missing, np.nan, event_day)),
        "event_observed": (rows, observed),
        "cleared_day": (rows, np.full(observed.shape, np.nan)),
        "relapse_day": (rows, np.full(observed.shape, np.nan)),
        "relapse_clone": (rows, np.full(observed.shape, "", object)),
    }
    for what in ("neutrophils", "platelets"):
        percent = 100.0 * series[what].values / series[what].values[:1]
        data[f"{what}_nadir_percent"] = (rows, percent.min(-1))
        data[f"{what}_nadir_day"] = (rows, np.where(missing, np.nan, time[np.argmin(percent, -1)]))
        data[f"{what}_ctcae_grade"] = (rows, np.zeros(observed.shape, np.int64))
    data["auc_venetoclax"] = (rows, np.where(missing, np.nan, series["concentration"].values[..., 0].sum(-1)), {"units": "nmol/L*d"})
    return xr.Dataset(data, coords={"arm": series["arm"], "subject": series["subject"], "leukaemia": series["leukaemia"]})


def _events(never: list[str], series: xr.Dataset) -> pd.DataFrame:
    lines = [{"arm": "", "subject": s, "kind": "not_randomised", "time_days": 90.0, "value": np.nan} for s in never]
    lines += [{"arm": "combination", "subject": str(series["subject"].values[-1]), "kind": "event", "time_days": 44.0, "value": 0.25}]
    return pd.DataFrame(lines, columns=["arm", "subject", "kind", "time_days", "value"])


def _clones(names: list[str]) -> pd.DataFrame:
    lines = []
    for subject in names:
        lines.append({"id": 0, "parent": -1, "mechanism": "founder", "birth_time_days": -30.0, "origins": 1, "pooled": False, "subject": subject})
        lines.append({"id": 1, "parent": 0, "mechanism": "bmf_null", "birth_time_days": -12.0, "origins": 40, "pooled": True, "subject": subject})
    return pd.DataFrame(lines)


def _cells(day: float, names: list[str], rng: np.random.Generator) -> CellSnapshot:
    frames = [pd.DataFrame({"arm": arm, "subject": s, "clone": np.arange(5), "cycling": 80, "quiescent": 20, "blood": 3}) for arm in ARMS for s in names]
    obs = pd.concat(frames, ignore_index=True)
    variables = {"mtorc1": "1", "isr": "1", "bmf": "nmol/L", "free_activator": "nmol/L", "bcl2": "nmol/L"}
    return CellSnapshot(day, obs, rng.lognormal(0, 0.2, (len(obs), len(variables))).astype(np.float32), variables)


def _engine(names: list[str]) -> xr.Dataset:
    rows = ("arm", "subject")
    shape = (len(ARMS), len(names))
    data = {
        "packets": (rows, np.full(shape, 512)),
        "splits": (rows, np.full(shape, 40)),
        "merges": (rows, np.full(shape, 38)),
        "wall_seconds": (("phase",), np.array([8.1, 31.4])),
        "dt_hours": 1.0,
    }
    return xr.Dataset(data, coords={"arm": list(ARMS), "subject": names, "phase": ["lead_in", "arms"]})


def _config(subjects: int, days: float, interval: float) -> dict[str, Any]:
    trial = {"start_human_cd45_percent": 5.0, "treatment_days": TREATMENT_DAYS, "follow_up_days": days, "event_human_cd45_percent": 25.0}
    trial_source = {"ref": "Urso et al.", "where": "methods", "kind": "assumed", "range": [5, 30]}
    return {
        "task": "trial",
        "experiment_name": "pdx_trial",
        "seed": 1,
        "cohort": {"subjects": subjects, "leukaemias": list(LEUKAEMIAS), "design": "twin"},
        "trial": {**trial, "sources": dict.fromkeys(trial, trial_source)},
        "readout": {"interval_hours": interval * 24},
        "leukaemias": {name: {"label": label} for name, label in LEUKAEMIAS.items()},
        "drugs": {
            "venetoclax": {
                "label": "Venetoclax",
                "molar_mass_g_per_mol": 868.44,
                "sources": {"molar_mass_g_per_mol": {"ref": "PubChem CID 49846579", "kind": "measured"}},
            },
            "everolimus": {
                "label": "Everolimus",
                "molar_mass_g_per_mol": 958.22,
                "sources": {"molar_mass_g_per_mol": {"ref": "PubChem CID 6442177", "kind": "measured"}},
            },
        },
        "regimens": {name: {"label": label, "events": [{"drug": d, "day": 0.0, "amount": 1.0} for d in DRUGS[name]]} for name, label in ARMS.items()},
        "arms": {name: {"regimen": name} for name in ARMS},
        "lineages": {name: {"label": name.capitalize(), "readout": name} for name in ("neutrophils", "platelets")},
    }
