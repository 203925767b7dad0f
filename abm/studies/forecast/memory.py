"""Bytes that a trial will hold, counted on the arrays that it will make.

One subject with a few packets is built by the code of the run; the shapes and types of its
state, and of what is recorded, are scaled to the planned rows, packets and days.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from abm.engine.program import Carry, start_carry
from abm.models.engraftment import engraft
from abm.models.observation import observe
from abm.models.xenograft import Xenograft, XenograftParams
from abm.models.xenograft_setup import Rows, build_params, capacity_of, clone_layout, param_axes, start_rows
from abm.parameters.experiment import Experiment
from abm.studies.forecast.record import Memory, PacketForecast
from abm.studies.grids import trial_batches, trial_grid
from abm.subject import cohort_subjects
from abm.units import HOURS_PER_DAY

_FEW = 8
# Temporary arrays of the largest program over the packets that it works on.  XLA's own account of the
# compiled programs (`memory_analysis`, 8 rows x 512 packets on a CPU): packing 2.6, steps 1.4, moves 0.8.
TEMPORARIES = 3.0
# Looks are stacked, then read into the series of the result: arrays of the same size that live together.
COPIES_OF_OUTPUT = 3
# Copies of the state on the host: that of a snapshot or checkpoint, and its rows joined.
COPIES_ON_HOST = 2
# Programs of the run and what writes its result, beyond what a forecast loads itself: runs of the default
# trial took 0.8 GiB with compiled programs at hand and 1.0 GiB without, for 0.06 GiB of state and results.
PROGRAM_BYTES = 400 * 2**20


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of parts of a run."""

    per_packet: int
    per_row: int  # beside the packets
    per_look: int  # of one row
    shared: int  # numbers of the model that rows share
    numbers: int  # numbers of the model of one row


def bytes_of(tree: Any) -> int:
    """Bytes of all arrays of a tree, or of their shapes."""
    return sum(int(np.prod(x.shape)) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))


def sizes(experiment: Experiment) -> Sizes:
    """Bytes per packet, row and look, from a subject of each arm with a few packets."""
    name = experiment.cohort.leukaemias[0]
    small = dataclasses.replace(
        experiment,
        engine=dataclasses.replace(experiment.engine, packets=_FEW),
        cohort=dataclasses.replace(experiment.cohort, subjects=1, leukaemias=[name]),
        host=dataclasses.replace(experiment.host, injected_cells=min(experiment.host.injected_cells, 1e3)),
    )
    # The clone table is as long as the longest of all leukaemias, not of this one.
    layout, arms = clone_layout(experiment), len(experiment.arms)
    capacity = capacity_of(experiment) - experiment.engine.packets + _FEW
    subject = cohort_subjects(experiment.seed, (name,), 1)
    rows = Rows(np.repeat(subject.keys, arms, axis=0), subject.leukaemias * arms, np.arange(arms, dtype=np.int32))
    params = build_params(_as_long(small, experiment), rows, layout.founders, trial_grid(experiment).times)
    packets, seeded = engraft(small, subject, layout.founders, capacity + capacity % 2)
    one = _first_row(params)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    carry: Carry = jax.eval_shape(lambda p: start_carry(model, p, start_rows(one, _as_long(small, experiment), seeded)), packets)
    look = jax.eval_shape(observe, one, carry)
    axes = jax.tree.leaves(param_axes(params))
    leaves = jax.tree.leaves(params)
    own = sum(bytes_of(x) for x, axis in zip(leaves, axes, strict=True) if axis >= 0)
    return Sizes(
        per_packet=bytes_of(carry.packets) // carry.packets.clone.shape[1],
        per_row=bytes_of(carry) - bytes_of(carry.packets),
        per_look=bytes_of(look),
        shared=bytes_of(params) - own,
        numbers=own // arms,
    )


def _as_long(small: Experiment, whole: Experiment) -> Experiment:
    """The small experiment with all leukaemias of the whole one, so that its clone table is as long."""
    return dataclasses.replace(small, cohort=dataclasses.replace(small.cohort, leukaemias=whole.cohort.leukaemias))


def _first_row(params: XenograftParams) -> XenograftParams:
    """Numbers of the first row."""
    taken: XenograftParams = jax.tree.map(lambda x, axis: x if axis < 0 else np.take(np.asarray(x), [0], axis=axis), params, param_axes(params))
    return taken


def memory_forecast(experiment: Experiment, packets: PacketForecast, lead_in_days: float) -> Memory:
    """Bytes of a trial against those of the machine."""
    size, trial, readout = sizes(experiment), experiment.trial, experiment.readout
    of_packets = size.per_packet * packets.capacity
    of_row = of_packets + size.per_row
    state = of_row * packets.rows + size.numbers * packets.rows + size.shared
    looks = 1 + trial.follow_up_days * HOURS_PER_DAY / readout.interval_hours
    early = 1 + lead_in_days * HOURS_PER_DAY / readout.interval_hours
    output = int(size.per_look * (looks * packets.rows + early * packets.lead_in_rows) * COPIES_OF_OUTPUT)
    output += len(readout.cell_snapshot_days) * of_packets * packets.rows
    batches = trial_batches(experiment, packets.rows)
    temporary = int(TEMPORARIES * of_packets * packets.rows / batches)
    copies = COPIES_ON_HOST * of_row * packets.rows
    device = jax.devices()[0]
    accelerated = device.platform != "cpu"
    process = resident() + PROGRAM_BYTES
    host = process + output + copies + (0 if accelerated else state + temporary)
    stats = (device.memory_stats() or {}) if accelerated else {}
    return Memory(
        state=state,
        per_row=of_row,
        working=copies + temporary,
        output=output,
        process=process,
        peak=host,
        total=machine_memory(),
        available=free_memory(),
        device=f"{device.platform} {device.device_kind}",
        # A lead-in keeps a copy of its rows; the trial has them once.
        device_peak=state + temporary if accelerated else 0,
        device_total=int(stats.get("bytes_limit", 0)) * len(jax.devices()),
    )


def resident() -> int:
    """Largest size of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine_memory() -> int:
    """Memory of the machine, or what the control group of this process may use of it, bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _text(Path(name))
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def free_memory() -> int:
    """Memory that can be had now without swapping, bytes."""
    for line in _text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return min(int(line.split()[1]) * 1024, machine_memory())
    return machine_memory()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
