"""One job: from a composed configuration to a finished folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from abm.config.build import build, stored_config, stored_yaml
from abm.errors import Stopped
from abm.launch.check import check_run
from abm.launch.folder import RESULT, State, check_folder, choose_folder, prepare_folder, remove_checkpoints
from abm.parameters.experiment import Experiment
from abm.studies.context import Context, StopSignals, make_reporter

if TYPE_CHECKING:
    from abm.output.result import RunResult

STOP = StopSignals()


def run_job(cfg: DictConfig, overrides: Sequence[str], folder: Path | None = None) -> Path:
    """Run one job and write its result.

    Args:
        cfg: a composed configuration, not yet validated.
        overrides: what the user changed, for provenance.
        folder: where the result goes; by default what `out` says.

    Returns:
        The path of `run.h5`; with `check` the one that a run would write, after its forecast was printed.

    Raises:
        InputError: the configuration or the folder is refused, or with `check` the forecast says that the run cannot be done; nothing was written.
        Stopped: a signal arrived; `resume=true` continues.
    """
    experiment = build(cfg)
    folder = folder or choose_folder(experiment)
    state = check_folder(folder, experiment, stored_config(cfg, experiment))
    if experiment.check:
        check_run(experiment)
        return folder / RESULT
    if state is State.FINISHED:
        print(f"{folder / RESULT} is complete already.")
        return folder / RESULT
    if STOP():
        raise Stopped(f"{folder}: not started, because {STOP.received} arrived.")
    context = Context(
        folder=folder,
        progress=make_reporter(experiment.progress),
        should_stop=STOP,
        overrides=tuple(overrides),
        config_yaml=stored_yaml(cfg, experiment),
        resume=state is State.STARTED,
    )
    prepare_folder(folder, state, context.config_yaml)
    return _run(experiment, context, folder)


def _run(experiment: Experiment, context: Context, folder: Path) -> Path:
    from abm.studies.dispatch import run_experiment

    print(f"{experiment.experiment_name}: writing to {folder}", file=sys.stderr, flush=True)
    try:
        result = run_experiment(experiment, context)
    except Stopped as error:
        raise Stopped(f"{error} Continue with the same command and out={folder} resume=true.") from error
    finally:
        context.progress.close()
    path = _write(result, folder)
    if experiment.figures:
        from abm.figures.draw import draw_all

        draw_all(result, folder)
    _print_summary(result, path)
    return path


def _write(result: RunResult, folder: Path) -> Path:
    from abm.output.writer import write_run

    path = write_run(result, folder)
    remove_checkpoints(folder)
    return path


def _print_summary(result: RunResult, path: Path) -> None:
    from abm.launch.summary_table import summary_lines
    from abm.output.summary import build_summary

    print("\n".join(summary_lines(build_summary(result))))
    print(f"Result: {path}")
