"""From an experiment to its study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abm.parameters.experiment import Experiment
from abm.records import enable_pytrees
from abm.studies.context import Context

if TYPE_CHECKING:
    from abm.output.result import RunResult


def run_experiment(experiment: Experiment, context: Context) -> RunResult:
    """Run the study that `experiment.task` names.  Imports JAX.

    Raises:
        Stopped: `context.should_stop` asked for it; a checkpoint was written.
        RunFault: the simulation broke one of its own laws.
    """
    from abm.engine.devices import configure_jax

    configure_jax(experiment.engine.devices)
    enable_pytrees()
    if experiment.task == "theory":
        from abm.studies.theory import run_theory

        return run_theory(experiment, context)
    if experiment.task == "claim_robustness":
        from abm.studies.robustness import run_robustness

        return run_robustness(experiment, context)
    if experiment.task == "dose_matrix":
        from abm.studies.dose_matrix import run_dose_matrix

        return run_dose_matrix(experiment, context)
    from abm.studies.trial import run_trial

    return run_trial(experiment, context)
