"""How far the claims hold: `experiment=claim_robustness`.

Every uncertain number is drawn from its range, the claims are judged in each draw with
the mean-field twin, and the numbers that they rest on are ranked.  A sample of draws is
repeated with packets.  The shares say how robust the claims are within the ranges that
were written down; they are not probabilities that the claims are true.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.errors import InputError, Stopped, unknown_name
from abm.output.provenance import build_provenance
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.parameters.robustness import Robustness
from abm.studies.context import Context
from abm.studies.robustness_claims import JOINT, margins, outcomes
from abm.studies.robustness_confirm import confirm
from abm.studies.robustness_draws import Uncertain, draw_numbers, drawn_experiments, uncertain_numbers
from abm.studies.robustness_ranking import claim_shares, ranking
from abm.yaml_text import from_yaml

BATCH = 128
TARGET_DIFFERENCE = 0.3


def run_robustness(experiment: Experiment, context: Context) -> RunResult:
    """Run the study.

    Raises:
        InputError: An arm, leukaemia or lineage that the claims are about is missing, or nothing is uncertain.
        Stopped: `context.should_stop` asked for it; nothing is kept.
    """
    settings = read_settings(experiment)
    clock = {"start": time.monotonic()}
    config: dict[str, Any] = from_yaml(context.config_yaml)
    numbers = uncertain_numbers(config, context.overrides, settings, experiment.host.species)
    if not numbers:
        raise InputError("robustness: no number of this configuration has a range to draw from.")
    values, drawn = draw_numbers(numbers, settings, experiment.seed, {n.key: n.value for n in numbers})
    experiments = drawn_experiments(experiment, values, settings.draws)
    results = _in_batches(experiments, settings, context)
    clock["draws"] = time.monotonic()
    distance = margins(results, settings)
    tables = {
        "claims": claim_shares(distance),
        "ranking": ranking(distance, drawn),
        "numbers": _numbers(numbers, settings),
        "draws": _draws(drawn, results, distance),
    }
    if settings.confirm_draws:
        tables["confirmation"] = _confirm(experiments, results, distance, settings, context)
    clock["packets"] = time.monotonic()
    return _result(experiment, context, config, tables, clock)


def read_settings(experiment: Experiment) -> Robustness:
    """The record of the study, checked against the arms, leukaemias and lineages that it names."""
    assert experiment.robustness is not None  # the configuration was checked
    settings = Robustness(**experiment.robustness)
    named: list[tuple[str, str, str, Mapping[str, Any]]] = [
        ("arms", key, getattr(settings, key), experiment.arms) for key in ("vehicle", "venetoclax", "everolimus", "combination")
    ]
    named += [("leukaemias", key, getattr(settings, key), experiment.leukaemias) for key in ("typical", "bmf_null", "etp_like")]
    named += [("lineages", "lineages", name, experiment.lineages) for name in settings.lineages]
    for noun, key, name, known in named:
        if name not in known:
            raise unknown_name(f"robustness.{key}", name, known, noun=noun.removesuffix("s"))
    return settings


def _in_batches(experiments: list[Experiment], settings: Robustness, context: Context) -> pd.DataFrame:
    """Outcomes of all draws, batch by batch of equal size, so that one program serves all."""
    context.progress.begin("Draws")
    size = min(BATCH, len(experiments))
    parts = []
    for start in range(0, len(experiments), size):
        if context.should_stop():
            raise Stopped(f"stopped after {start} of {len(experiments)} draws; the study starts afresh.")
        batch = experiments[start : start + size]
        padded = batch + [batch[-1]] * (size - len(batch))
        parts.append(outcomes(padded, settings).head(len(batch)))
        done = start + len(batch)
        context.progress.update(done / len(experiments), f"{done} of {len(experiments)} draws")
    return pd.concat(parts, ignore_index=True)


def _numbers(numbers: list[Uncertain], settings: Robustness) -> pd.DataFrame:
    """What was drawn from where: key, default, low, high (of the multiple where one is drawn), drawn_with."""
    rows = [
        {
            "key": n.key,
            "default": n.value,
            "low": float(n.at(np.zeros(1), settings.range_fraction)[0]),
            "high": float(n.at(np.ones(1), settings.range_fraction)[0]),
            "drawn_with": n.leader,
            "multiple_of": n.of or "",
        }
        for n in numbers
    ]
    return pd.DataFrame(rows)


def _draws(drawn: dict[str, np.ndarray], results: pd.DataFrame, distance: pd.DataFrame) -> pd.DataFrame:
    """One line per draw: its independent numbers, its outcomes, and which claims hold."""
    holds = (distance >= 0.0).add_prefix("holds_")
    number = pd.DataFrame({"draw": np.arange(len(results))})
    return pd.concat([number, pd.DataFrame(drawn), results, holds], axis=1)


def _confirm(experiments: list[Experiment], results: pd.DataFrame, distance: pd.DataFrame, settings: Robustness, context: Context) -> pd.DataFrame:
    """Repeat draws with packets, spread evenly from where the core holds best to where it fails worst."""
    context.progress.begin("Packets")
    order = np.argsort(-distance[next(iter(JOINT))].to_numpy(), kind="stable")
    picked = order[np.unique(np.linspace(0, len(order) - 1, settings.confirm_draws).astype(int))].tolist()
    return confirm(experiments, results, picked, settings)


def _result(experiment: Experiment, context: Context, config: dict[str, Any], tables: dict[str, pd.DataFrame], clock: dict[str, float]) -> RunResult:
    import jax

    wall = {name: now - before for (_, before), (name, now) in pairwise(clock.items())}
    found = jax.devices()
    provenance = build_provenance(config, overrides=context.overrides, device=f"{found[0].platform} x {len(found)}", seed=experiment.seed, wall_seconds=wall)
    claims = {str(row.claim): {"share": row.share, "low": row.low, "high": row.high, "n": row.n} for row in tables["claims"].itertuples()}
    summary: dict[str, Any] = {"claims": claims, "warnings": _warnings(tables)}
    empty = pd.DataFrame(columns=["arm", "subject", "kind", "time_days", "value"])
    clones = pd.DataFrame(columns=["id", "parent", "mechanism", "birth_time_days", "origins", "pooled"])
    engine = xr.Dataset({"wall_seconds": ("phase", np.array(list(wall.values())))}, coords={"phase": list(wall)})
    for table in tables.values():
        table.attrs["units"] = dict.fromkeys(table, "1")
    return RunResult(
        series=xr.Dataset(),
        lead_in=None,
        endpoints=xr.Dataset(),
        events=empty,
        clones=clones,
        cells={},
        engine=engine,
        config_yaml=context.config_yaml,
        provenance=provenance,
        summary=summary,
        tables=tables,
    )


def _warnings(tables: dict[str, pd.DataFrame]) -> list[str]:
    confirmation = tables.get("confirmation")
    if confirmation is None or not len(confirmation):
        return []
    worst = float(confirmation["difference_log10"].abs().max())
    if worst <= TARGET_DIFFERENCE:
        return []
    return [f"packets and mean-field twin differ by up to {worst:.2f} log10 in the draws that were repeated; raise robustness.confirm_packets"]
