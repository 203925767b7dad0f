"""Sweeps: every member is checked before the first one runs, and has a folder of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from abm.config.build import build
from abm.config.check_overrides import check_overrides, group_of, parse_overrides
from abm.config.compose import compose
from abm.config.library import Catalogue
from abm.errors import InputError
from abm.launch.arguments import value_of
from abm.launch.folder import member_name
from abm.launch.job import run_job


def check_sweep(overrides: Sequence[str], catalogue: Catalogue, config_dirs: Sequence[Path]) -> None:
    """Compose and validate the first member, and then every other value of the sweep on its own.

    Raises:
        InputError: the first value that is refused.
    """
    check_overrides(overrides, catalogue, multirun=True)
    parsed = parse_overrides(overrides)
    first = [_first_value(override) for override in parsed if not override.is_hydra_override()]
    base = compose(first, config_dirs=config_dirs)
    build(base)
    for override in parsed:
        if override.is_hydra_override() or not override.is_discrete_sweep():
            continue
        key = override.get_key_element()
        if group_of(override, catalogue):
            others = [text for text in first if not text.startswith(f"{key}=")]
            trees: Iterator[DictConfig] = (compose([*others, f"{key}={value}"], config_dirs=config_dirs) for value in _values(override)[1:])
        else:
            trees = (_with_value(base, f"{key}={value}") for value in _values(override)[1:])
        for tree in trees:
            build(tree)


def _values(override: Override) -> list[str]:
    return list(override.sweep_string_iterator())


def _first_value(override: Override) -> str:
    if not override.is_sweep_override():
        return override.input_line or ""
    if override.is_discrete_sweep():
        return f"{override.get_key_element()}={_values(override)[0]}"
    raise InputError(f"{override.input_line}: give the values of a sweep one by one, as choice(...) or range(...).")


def _with_value(base: DictConfig, text: str) -> DictConfig:
    tree = copy.deepcopy(base)
    override = parse_overrides([text])[0]
    OmegaConf.update(tree, override.key_or_group, override.value(), merge=True, force_add=True)
    return tree


def sweep_folder_override(overrides: Sequence[str]) -> list[str]:
    """`hydra.sweep.dir` as `out` says, unless the user sets it."""
    out = value_of(overrides, "out")
    if out is None or value_of(overrides, "hydra.sweep.dir") is not None:
        return []
    quoted = out.replace("\\", "\\\\").replace("'", "\\'")
    return [f"hydra.sweep.dir='{quoted}'"]


def sweep_member(cfg: DictConfig) -> None:
    """Run one member of a sweep; hydra calls this, also in other processes."""
    hydra_cfg = HydraConfig.get()
    overrides = list(hydra_cfg.overrides.task)
    run_job(cfg, overrides, Path(hydra_cfg.sweep.dir) / member_name(overrides))
