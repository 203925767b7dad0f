"""What a run will be like, before it is run: steps, burden, packets, mutants, memory, time."""

from __future__ import annotations

from abm.parameters.experiment import Experiment
from abm.records import enable_pytrees
from abm.studies.forecast.record import Forecast


def forecast_experiment(experiment: Experiment) -> Forecast:
    """Forecast of the study that `experiment.task` names; nothing is run or written.  Imports JAX.

    Raises:
        InputError: The keys of the study do not make sense.
    """
    from abm.engine.devices import configure_jax

    configure_jax(experiment.engine.devices)
    enable_pytrees()
    if experiment.task == "theory":
        from abm.studies.forecast.theory import theory_forecast

        return theory_forecast(experiment)
    if experiment.task == "claim_robustness":
        from abm.studies.forecast.robustness import robustness_forecast

        return robustness_forecast(experiment)
    if experiment.task == "dose_matrix":
        from abm.studies.forecast.dose_matrix import dose_matrix_forecast

        return dose_matrix_forecast(experiment)
    from abm.studies.forecast.trial import trial_forecast

    return trial_forecast(experiment)
