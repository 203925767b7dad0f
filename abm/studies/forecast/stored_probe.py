"""The last measurement of the engine's speed on this machine, kept for a day beside JAX's compiled programs.

To measure takes as long as to trace the engine, which is most of a forecast; what is kept
says when it was measured, and another device, version or number of processors does not share it.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import jax

from abm.output.provenance import software_version
from abm.parameters.experiment import Experiment
from abm.studies.forecast.probe import PROBE_PACKETS, PROBE_ROWS, Probe, measure, probe_experiment

VALID_SECONDS = 86400.0
_FILE = "engine_speed.json"


def recent_probe(experiment: Experiment) -> Probe:
    """What was measured on this machine within a day, or is measured now."""
    folder = jax.config.values.get("jax_compilation_cache_dir")
    path = Path(folder or ".").parent / _FILE
    found = None if folder is None else _read(path, experiment)
    if found is not None:
        return found
    probe = measure(experiment)
    if folder is not None:
        _keep(path, {**_here(experiment), "at": time.time(), "day_seconds": probe.day_seconds, "capacity": probe.capacity, "device": probe.device})
    return probe


def _here(experiment: Experiment) -> dict[str, object]:
    device = jax.devices()[0]
    return {
        "machine": f"{platform.node()} {platform.machine()}",
        "kind": f"{device.platform} {device.device_kind} x {len(jax.devices())} of {os.cpu_count()}",
        "devices": experiment.engine.devices,
        "software": f"{software_version()} jax {jax.__version__}",
        "shape": [PROBE_ROWS, PROBE_PACKETS],
    }


def _read(path: Path, experiment: Experiment) -> Probe | None:
    """The stored measurement, or None if there is none of this machine, or an old or damaged one."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        age = time.time() - float(stored["at"])
        if not 0.0 <= age < VALID_SECONDS or any(stored[key] != value for key, value in _here(experiment).items()):
            return None
        seconds = tuple(float(x) for x in stored["day_seconds"])
        small = probe_experiment(experiment, PROBE_ROWS, PROBE_PACKETS)
        return Probe(seconds, small, int(stored["capacity"]), str(stored["device"]), age)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, what: dict[str, object]) -> None:
    """Write for the next forecast; a folder that cannot be written to costs that one a few seconds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(what), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        return
