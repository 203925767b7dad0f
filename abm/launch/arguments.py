"""What the command line asks for: run, sweep or show, with which overrides and folders."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NoReturn

from hydra._internal.utils import get_args_parser

from abm.config.check_overrides import parse_overrides
from abm.errors import InputError

Mode = Literal["run", "sweep", "show", "help", "version"]


@dataclasses.dataclass(frozen=True)
class Request:
    """A command line, read.

    Attributes:
        mode: run one job, sweep over several, show the configuration, help, or print the version.
        overrides: all `key=value` arguments.
        flags: all other arguments, as given.
        config_dirs: folders of the user that extend `conf`.
    """

    mode: Mode
    overrides: tuple[str, ...]
    flags: tuple[str, ...]
    config_dirs: tuple[Path, ...]


def read_arguments(argv: Sequence[str]) -> Request:
    """Read a command line; flags and overrides may stand in any order.

    Raises:
        InputError: an argument that this program does not take.
    """
    if "--version" in argv:
        return Request("version", (), tuple(argv), ())
    parser = get_args_parser()
    parser.prog = "abm"
    parser.error = _refuse  # type: ignore[method-assign]
    parsed = parser.parse_intermixed_args(list(argv))
    overrides = tuple(parsed.overrides)
    for name in ("config_path", "config_name", "experimental_rerun"):
        if getattr(parsed, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: is not supported; extend the configuration with --config-dir FOLDER.")
    if any(text.lstrip("+~").startswith("hydra.searchpath") for text in overrides):
        raise InputError("hydra.searchpath: is not supported; extend the configuration with --config-dir FOLDER.")
    dirs = () if parsed.config_dir is None else (Path(parsed.config_dir),)
    return Request(_mode_of(parsed, overrides), overrides, _without(argv, overrides), dirs)


def _mode_of(parsed: Namespace, overrides: Sequence[str]) -> Mode:
    if parsed.help or parsed.hydra_help:
        return "help"
    if parsed.cfg is not None or parsed.info is not None or parsed.shell_completion:
        return "show"
    return "sweep" if parsed.multirun or _mode_is_multirun(overrides) else "run"


def _refuse(message: str) -> NoReturn:
    raise InputError(f"{message}. `abm --help` and `abm --hydra-help` list what can be given; settings have the form key=value.")


def _mode_is_multirun(overrides: Sequence[str]) -> bool:
    return any(text.replace(" ", "").upper() == "HYDRA.MODE=MULTIRUN" for text in overrides)


def _without(argv: Sequence[str], overrides: Sequence[str]) -> tuple[str, ...]:
    left = list(argv)
    for text in overrides:
        left.remove(text)
    return tuple(left)


def value_of(overrides: Sequence[str], key: str) -> str | None:
    """Value that the last override of `key` gives, as text; None if there is none or it is null."""
    found = None
    for override in parse_overrides(overrides):
        if override.key_or_group == key and not override.is_delete():
            value = override.value()
            found = None if value is None else str(value)
    return found
