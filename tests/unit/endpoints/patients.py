"""Made-up patients whose course is known: curves of the marrow, judged by the program's own endpoints."""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.endpoints.registry import Material, all_endpoints, all_tables
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.readouts.view import View
from abm.streams import subject_key

ARMS = ("vehicle", "combination")
MECHANISMS = ("founder", "bax_loss")
POPULATIONS = ("leukaemia", "leukaemia_marrow", "leukaemia_blood", "leukaemia_cycling", "leukaemia_quiescent", "leukaemia_bax_loss", "leukaemia_cns")
MARROW = 1e12


@functools.cache
def experiment(design: str = "twin", leukaemias: tuple[str, ...] = ("bmf_competent",), mrd_days: tuple[float, ...] = ()) -> tuple[Experiment, str]:
    """The default trial in a human host, and its stored configuration."""
    cfg = compose([f"cohort.design={design}", f"cohort.leukaemias=[{','.join(leukaemias)}]", "~arms.venetoclax", "~arms.everolimus"])
    made = build(cfg)
    stored = yaml.safe_load(stored_yaml(cfg, made))
    stored["host"]["species"] = "human"
    stored["readout"]["mrd_days"] = list(mrd_days)
    readout = dataclasses.replace(made.readout, mrd_days=tuple(mrd_days))
    human = dataclasses.replace(made, host=dataclasses.replace(made.host, species="human"), readout=readout)
    return human, yaml.safe_dump(stored, sort_keys=False)


def material(
    days: np.ndarray,
    share: np.ndarray,
    *,
    neutrophils: np.ndarray | float = 4.0,
    platelets: np.ndarray | float = 250.0,
    resistant: np.ndarray | float = 0.0,
    outside: np.ndarray | float = 0.0,
    leukaemias: tuple[str, ...] = (),
    design: str = "twin",
    mrd_days: tuple[float, ...] = (),
) -> Material:
    """Material of patients with a leukaemic share of the marrow `share` (arms, subjects, days).

    `resistant` is the share of the leukaemia with the mechanism `bax_loss`, `outside` the cells in the nervous system.
    """
    of = leukaemias or ("bmf_competent",) * share.shape[1]
    made, _ = experiment(design, tuple(dict.fromkeys(of)), mrd_days)
    names = tuple(f"patient-{i + 1:03d}" for i in range(share.shape[1]))
    curve = ("arm", "subject", "time")
    total = np.rint(MARROW * share)
    parts = [total, total, 0 * total, total, 0 * total, np.rint(total * resistant), np.broadcast_to(outside, share.shape)]
    count = np.stack(parts, axis=-1).astype(np.int64)
    change = np.diff(count, axis=2, prepend=count[:, :, :1])
    births, deaths = (np.cumsum(np.maximum(sign * change, 0), axis=2) for sign in (1, -1))
    tallies = {"count": count, "births": births, "deaths": deaths, "gained": 0 * count, "lost": 0 * count}
    data: dict[str, Any] = {name: ((*curve, "population"), values) for name, values in tallies.items()}
    data |= {"blast_fraction": (curve, share), "mrd": (curve, share), "human_cd45_fraction": (curve, 0.1 * share)}
    data |= {name: (curve, np.broadcast_to(v, share.shape).astype(float)) for name, v in {"neutrophils": neutrophils, "platelets": platelets}.items()}
    coords = {"arm": list(ARMS[: share.shape[0]]), "subject": list(names), "time": days, "population": list(POPULATIONS), "leukaemia": ("subject", list(of))}
    series = xr.Dataset(data, coords)
    by_clone = np.stack([total * (1.0 - resistant), total * resistant], axis=-1)[..., None]
    nothing = np.zeros((*share.shape, 0))
    seen: Any = SimpleNamespace(tally=SimpleNamespace(cells=by_clone), auc=nothing, c_max=nothing, c_trough=nothing)
    keys = np.stack([[subject_key(1, "patient", i) for i in range(len(names))]] * share.shape[0])
    mechanisms = {name: list(MECHANISMS) for name in of}
    view = View(tuple(coords["arm"]), names, tuple(of), mechanisms, days, seen, (), {}, made.host, keys)
    return Material(made, view, series, clones(view, by_clone), ARMS[0] if design == "twin" else None)


def clones(view: View, cells: np.ndarray) -> pd.DataFrame:
    """A founder, and a line with the mechanism that arose on day -10."""
    lines = [
        (c, c - 1, mechanism, -200.0 + 190.0 * c, 1 + 4 * c, bool(c), arm, subject, int(cells[a, s, -1, c, 0]))
        for a, arm in enumerate(view.arms)
        for s, subject in enumerate(view.subjects)
        for c, mechanism in enumerate(MECHANISMS)
    ]
    return pd.DataFrame(lines, columns=["id", "parent", "mechanism", "birth_time_days", "origins", "pooled", "arm", "subject", "count"])


def judged(made: Material) -> tuple[xr.Dataset, dict[str, pd.DataFrame]]:
    """All endpoints and all tables of the cohort."""
    series = made.series
    endpoints = xr.merge([xr.Dataset(coords={name: series[name] for name in ("arm", "subject", "leukaemia")}), *all_endpoints(made)])
    return endpoints, all_tables(made, endpoints)


def result(made: Material, mrd_days: tuple[float, ...] = ()) -> RunResult:
    """A result as a trial would hand it to the writer."""
    endpoints, tables = judged(made)
    of = tuple(dict.fromkeys(made.view.leukaemias))
    stored = experiment(made.experiment.cohort.design, of, mrd_days)[1]
    events = pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"])
    provenance = build_provenance(yaml.safe_load(stored), overrides=[], device="cpu", wall_seconds={"trial": 1.0})
    return RunResult(made.series, None, endpoints, events, made.clones, {}, xr.Dataset(), stored, provenance, tables=tables)


def cohort(subjects: int = 24, years: float = 3.0, *, design: str = "twin", mrd_days: tuple[float, ...] = (33.0, 78.0), seed: int = 3) -> Material:
    """Patients whose marrow clears at a rate of their own and fills again from a resistant line in some."""
    rng = np.random.default_rng(seed)
    days = np.union1d(np.arange(0.0, 365.0 * years + 1.0, 7.0), mrd_days)
    kill = np.stack([rng.normal(0.12, 0.05, subjects), rng.normal(0.2, 0.05, subjects)]).clip(0.01)[..., None]
    regrowth = np.where(rng.random((2, subjects, 1)) < np.array([0.6, 0.3])[:, None, None], 0.03, -0.02)
    sensitive, resistant = 0.8 * np.exp(-kill * days), 1e-7 * np.exp(regrowth * days)
    share = (sensitive + resistant) / (1.0 + sensitive + resistant)
    counts = 1.0 + 3.0 * (1.0 - np.exp(-days / 30.0))
    of = tuple(("bmf_competent", "bmf_null")[i % 2] for i in range(subjects))
    part = resistant / (sensitive + resistant)
    return material(
        days, share, neutrophils=np.broadcast_to(counts, share.shape), platelets=60.0 * counts, resistant=part, leukaemias=of, design=design, mrd_days=mrd_days
    )
