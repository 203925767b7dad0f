"""Forecast of a dose matrix: its wells, packets and memory.

The time is not forecast: the engine's speed is measured with the healthy blood of a trial,
which a dish does not have.
"""

from __future__ import annotations

from abm.parameters.experiment import Experiment
from abm.studies.dose_matrix_wells import make_wells
from abm.studies.forecast.memory import memory_forecast
from abm.studies.forecast.packets import packet_forecast
from abm.studies.forecast.record import Forecast
from abm.studies.forecast.verdicts import memory_verdicts
from abm.studies.grids import step_hours
from abm.studies.trial import check_draws


def dose_matrix_forecast(experiment: Experiment) -> Forecast:
    """Forecast of all wells.

    Raises:
        InputError: The draws are too far apart for the sampler.
    """
    wells = make_wells(experiment)
    dish = wells.experiment
    check_draws(dish)
    packets = packet_forecast(dish)
    memory = memory_forecast(dish, packets, lead_in_days=0.0)
    first, second, plates, leukaemias = wells.shape
    steps = packets.rows * packets.capacity * wells.settings.hours / step_hours(dish)
    return Forecast(
        task="dose_matrix",
        name=dish.experiment_name,
        size=f"{first} x {second} wells x {leukaemias} leukaemias x {plates} plates ({dish.cohort.design}) = {packets.rows} rows",
        packets=packets,
        memory=memory,
        notes=(f"{steps:.2g} packet-steps of {step_hours(dish):g} h, no lead-in, no healthy blood; the default of 1.6e+07 takes about a minute on two cores",),
        verdicts=tuple(memory_verdicts(dish, memory, packets)),
    )
