"""Theory experiments as one call: the configuration's defaults with other keys, run in memory."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import xarray as xr

from abm.config.build import build
from abm.config.compose import compose
from abm.parameters.experiment import Experiment
from abm.parameters.theory import THEORY_RECORDS
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from tests import seeds
from tests.optimised import optimised_programs

NEVER = 1e6


@functools.cache
def default(name: str) -> Experiment:
    """The experiment of `conf/experiment/theory`."""
    return build(compose([f"experiment=theory/{name}"]))


def run(name: str, keys: dict[str, Any], *, seed: int = 1, interval_hours: float = NEVER, **engine: Any) -> xr.Dataset:
    """Series of the experiment `name` with `keys` of its own and settings of `engine` changed; --reseed changes the seed.

    On one device, which compiles faster; results do not depend on their number.
    """
    base = default(name)
    record = THEORY_RECORDS[name](**{**{k: v for k, v in (base.theory or {}).items() if k != "name"}, **keys})
    theory = {"name": name, **{field.name: getattr(record, field.name) for field in dataclasses.fields(record)}}
    experiment = dataclasses.replace(
        base,
        seed=seeds.seed(seed),
        theory=theory,
        engine=dataclasses.replace(base.engine, devices=1, **engine),
        readout=dataclasses.replace(base.readout, interval_hours=interval_hours),
    )
    with optimised_programs():
        return run_experiment(experiment, Context()).series
