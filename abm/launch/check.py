"""The forecast before a run: `abm-check`, `check=true`."""

from __future__ import annotations

import sys

from abm.errors import InputError
from abm.parameters.experiment import Experiment


def check_run(experiment: Experiment) -> None:
    """Print the forecast of a run; nothing is run or written.

    Raises:
        InputError: the run cannot be done; the message says why, and what to set instead.
    """
    print("abm: looking ahead; nothing is run or written.", file=sys.stderr, flush=True)
    from abm.launch.forecast_text import forecast_lines, verdict_text
    from abm.studies.forecast import forecast_experiment

    forecast = forecast_experiment(experiment)
    print("\n".join(forecast_lines(forecast)), flush=True)
    refused = [verdict_text(verdict) for verdict in forecast.verdicts if verdict.level == "refused"]
    if refused:
        raise InputError("\n".join(refused))
