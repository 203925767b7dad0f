"""How long a trial will take, from the speed of the engine on this machine a moment ago."""

from __future__ import annotations

import dataclasses

import numpy as np

from abm.parameters.experiment import Experiment
from abm.studies.forecast.probe import PROBE_PACKETS, PROBE_ROWS, Probe
from abm.studies.forecast.record import PacketForecast, RunTime
from abm.studies.grids import coarse_from_day, off_drug_hours, step_hours, trial_batches
from abm.units import HOURS_PER_DAY

# What a step costs beside its packets, in packet-steps: the healthy blood of a row, and calling a
# program for a batch.  Fitted on two processor cores to 8 x 512, 8 x 2048 and 32 x 512 rows x packets.
ROW_COST, CALL_COST = 320.0, 2e4
# Measured time of trials over their estimate: other devices, other numbers of clones, a machine that turns busy.
SPREAD = (0.6, 2.0)
# Start of the program and reading compiled programs, s; compiling them the first time adds to it, s.
START_SECONDS, COMPILE_SECONDS = 8.0, 40.0


@dataclasses.dataclass(frozen=True)
class Work:
    """Packet-steps, every place counted whether in use or not, and what they cost with all that stands beside them."""

    packet_steps: float
    cost: float  # in packet-steps


def work(experiment: Experiment, capacity: int, rows: int, days: float, batches: int = 1, off_drug_days: float = 0.0) -> Work:
    """Work of `rows` rows over `days` days of steps that resolve drugs, and `off_drug_days` of those where none acts."""
    engine = experiment.engine
    spans = [(days, (step_hours(experiment), engine.window_hours, engine.packing_hours))]
    coarse = off_drug_hours(engine)
    spans.append((off_drug_days, spans[0][1] if coarse is None else coarse))
    steps = sum(HOURS_PER_DAY * d / dt for d, (dt, _, _) in spans)
    # Each window and each packing is a piece of the grid with an advance of its own.
    calls = sum(2.0 * HOURS_PER_DAY * d * (1.0 / window + 1.0 / packing) for d, (_, window, packing) in spans)
    return Work(capacity * rows * steps, (capacity + ROW_COST) * rows * steps + CALL_COST * calls * batches)


def run_time(experiment: Experiment, packets: PacketForecast, lead_in_days: float, probe: Probe) -> RunTime:
    """Interval of the wall time of a trial; the probe ran one day at a time on the default calendar."""
    days, batches = experiment.trial.follow_up_days, trial_batches(experiment, packets.rows)
    fine = min(days, coarse_from_day(experiment))
    lead_in = work(experiment, packets.capacity, packets.lead_in_rows, 0.0, off_drug_days=lead_in_days)
    trial = work(experiment, packets.capacity, packets.rows, fine, batches, off_drug_days=days - fine)
    measured = work(probe.experiment, probe.capacity, PROBE_ROWS, 1.0)
    seconds = np.array(probe.day_seconds)
    share = (lead_in.cost + trial.cost) / measured.cost
    rate = measured.packet_steps / float(np.median(seconds))
    when = "just now" if probe.age_seconds < 60.0 else f"{probe.age_seconds / 3600.0:.1f} h ago"
    return RunTime(
        lead_in_steps=lead_in.packet_steps,
        trial_steps=trial.packet_steps,
        unit="packet-steps",
        rate=rate,
        low_seconds=START_SECONDS + SPREAD[0] * share * float(seconds.min()),
        high_seconds=START_SECONDS + COMPILE_SECONDS + SPREAD[1] * share * float(seconds.max()),
        basis=(
            f"the engine {when}: {len(seconds)} days of {PROBE_ROWS} rows x {PROBE_PACKETS} packets on {probe.device}, {rate:.2g} packet-steps/s; "
            f"times {SPREAD[0]:g} to {SPREAD[1]:g}, and up to {COMPILE_SECONDS:g} s to compile the first time"
        ),
    )
