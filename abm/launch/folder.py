"""The folder of a run: which one it is, what it holds already, and whether a run may use it."""

from __future__ import annotations

import datetime
import enum
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from abm.errors import InputError
from abm.parameters.experiment import Experiment
from abm.yaml_text import from_yaml

RESULT = "run.h5"
CONFIG = "config.yaml"
OWN_FILES = (RESULT, CONFIG, "summary.json")
OUTPUTS = Path("outputs")
_LONGEST_NAME = 120
_CHECKPOINTS = "checkpoint*"

# Keys that do not change a result, so that a run may be continued with other ones.
WITHOUT_EFFECT = (
    "out",
    "resume",
    "overwrite",
    "check",
    "figures",
    "progress",
    "engine.devices",
    "engine.chunk_days",
    "engine.checkpoint_minutes",
)


class State(enum.Enum):
    """What a folder holds, as far as a run is concerned."""

    FREE = "nothing"
    STARTED = "an unfinished run"
    FINISHED = "a finished result"


def state_of(folder: Path) -> State:
    """What `folder` holds; a result counts even if the checkpoint before it is still there."""
    if (folder / RESULT).exists():
        return State.FINISHED
    if any(folder.glob(_CHECKPOINTS)):
        return State.STARTED
    return State.FREE


def choose_folder(experiment: Experiment) -> Path:
    """The folder that `out` names, or outputs/<experiment>/<date-time>."""
    if experiment.out is not None:
        return Path(experiment.out)
    base = OUTPUTS / experiment.experiment_name / f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def member_name(overrides: Sequence[str]) -> str:
    """Name of a sweep member's folder: its overrides, shortened by a digest where they are long."""
    keys = [text for text in overrides if text.split("=")[0].lstrip("+~") not in WITHOUT_EFFECT]
    full = ",".join(sorted(keys)) or "default"
    name = re.sub(r"[^A-Za-z0-9_.,=+~-]+", "-", full).strip("-.") or "default"
    if name == full and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{name[:_LONGEST_NAME]}-{digest}"


def check_folder(folder: Path, experiment: Experiment, config: Mapping[str, Any]) -> State:
    """Whether a run of `experiment` may use `folder`; nothing is written.

    Args:
        folder: the folder of the result.
        experiment: asks with `resume` and `overwrite`.
        config: the stored configuration of the run that is about to start.

    Returns:
        What the folder holds: FREE to start, STARTED to continue, FINISHED to keep.

    Raises:
        InputError: the folder is in use, holds another run, or cannot be written to.
    """
    _check_writable(folder)
    state = state_of(folder)
    if state is State.FREE or experiment.overwrite:
        return State.FREE
    if not experiment.resume:
        hint = "resume=true continues it" if state is State.STARTED else "resume=true keeps it"
        raise InputError(f"out = {folder}: holds {state.value}; {hint}, overwrite=true replaces it, or choose another folder.")
    differences = list(_differences(_stored(folder), config))
    if differences:
        listed = "; ".join(differences[:4]) + (f"; and {len(differences) - 4} more" if len(differences) > 4 else "")
        raise InputError(f"out = {folder}: holds {state.value} of another configuration ({listed}). Choose another folder, or overwrite=true.")
    return state


def prepare_folder(folder: Path, state: State, config_yaml: str) -> None:
    """Make the folder ready for a run that starts (FREE) or continues (STARTED)."""
    folder.mkdir(parents=True, exist_ok=True)
    if state is State.FREE:
        remove_checkpoints(folder)
        for name in OWN_FILES:
            (folder / name).unlink(missing_ok=True)
        for figure in (folder / "figures").glob("*"):
            if figure.suffix in (".png", ".svg", ".pdf"):
                figure.unlink()
        temporary = folder / f"{CONFIG}.{os.getpid()}.tmp"
        temporary.write_text(config_yaml, encoding="utf-8")
        os.replace(temporary, folder / CONFIG)


def remove_checkpoints(folder: Path) -> None:
    """Remove checkpoints, which nothing needs once the result is there."""
    for path in folder.glob(_CHECKPOINTS):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check_writable(folder: Path) -> None:
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(f"out = {folder}: {existing} is a file, not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"out = {folder}: {existing} cannot be written to.")


def _stored(folder: Path) -> Mapping[str, Any]:
    try:
        stored = from_yaml((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = f"its {CONFIG} cannot be read ({type(error).__name__}), so it cannot be resumed"
        raise InputError(f"out = {folder}: {reason}; overwrite=true replaces it.") from error
    return stored if isinstance(stored, Mapping) else {}


def _differences(there: Any, here: Any, key: str = "") -> Iterator[str]:
    """Lines 'key: old there, new now' for all values that differ and have an effect."""
    if key in WITHOUT_EFFECT or key.rsplit(".", 1)[-1] == "sources":
        return
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys([*there, *here]):
            yield from _differences(there.get(name), here.get(name), f"{key}.{name}" if key else str(name))
    elif there != here:
        yield f"{key}: {_short(there)} there, {_short(here)} now"


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
