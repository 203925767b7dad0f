"""Run a simulation from Python, or say what a run will be like: in a notebook or a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.studies.context import Context, make_reporter
from abm.studies.dispatch import run_experiment

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from abm.output.result import RunResult
    from abm.studies.forecast.record import Forecast


def simulate(config: DictConfig | Mapping[str, Any] | Sequence[str] = (), *, folder: str | Path | None = None) -> RunResult:
    """Run a simulation and return its result.

    Args:
        config: Overrides as on the command line (`["experiment=padua", "seed=3"]`), or a
            configuration from `abm.compose` that may have been changed.
        folder: Where to write `run.h5`, `summary.json` and `config.yaml`; None writes nothing.

    Returns:
        The result in memory: `result.series`, `result.endpoints`, ...

    Raises:
        InputError: If the configuration does not make sense; nothing was run.
        RunFault: If the simulation broke one of its own laws.
    """
    overrides = tuple(config) if isinstance(config, Sequence) else ()
    cfg = compose(list(overrides)) if isinstance(config, Sequence) else config
    experiment = build(cfg)
    progress = make_reporter(experiment.progress)
    context = Context(progress=progress, overrides=overrides, config_yaml=stored_yaml(cfg, experiment))
    try:
        result = run_experiment(experiment, context)
    finally:
        progress.close()
    if folder is not None:
        from abm.output.writer import write_run

        write_run(result, Path(folder))
    return result


def forecast(config: DictConfig | Mapping[str, Any] | Sequence[str] = ()) -> Forecast:
    """Say what a run will be like, without running it: steps, burden, packets, mutants, memory, time.

    Args:
        config: As for `simulate`.

    Returns:
        Numbers in plain records; `verdicts` says what is wrong with the run, `refused` whether it cannot be done.

    Raises:
        InputError: If the configuration does not make sense.
    """
    from abm.studies.forecast import forecast_experiment

    cfg = compose(list(config)) if isinstance(config, Sequence) else config
    return forecast_experiment(build(cfg))
