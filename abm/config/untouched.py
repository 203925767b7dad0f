"""Library entries that a composition does not touch, put in after it.

Hydra copies, merges and re-parents all that it is given with every file that it adds, and most of
that is drugs, regimens and leukaemias as they stand in their files.  So it is given only those that
an override, or a file, says something of; a composition takes a third of the time so.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from abm.config.check_overrides import parse_overrides
from abm.config.keys import split_key
from abm.config.library import LIBRARY_GROUPS, Catalogue, library_files, stands_alone
from abm.config.sources_apart import read, read_apart

Entry = tuple[str, str]  # (mapping, name), e.g. ("drugs", "venetoclax")
_MAPPINGS = tuple(LIBRARY_GROUPS.values())


def untouched(overrides: Sequence[str], catalogue: Catalogue) -> dict[Entry, None]:
    """Entries of which neither an override nor any file of the configuration says something, in the order of the tree."""
    entries = {(LIBRARY_GROUPS[group], option): None for group, option, path, _ in library_files(catalogue) if stands_alone(*read(path))}
    paths = [split_key(override.key_or_group) for override in parse_overrides(overrides)]
    touched = {entry for group, option in _other_files(catalogue) for entry in _said_of(catalogue.path(group, option))}
    touched |= _said_of(catalogue.folders[0] / "config.yaml", package="_global_")
    touched |= {(path[0], path[1]) if len(path) > 1 else (path[0], None) for path in paths if path[0] in _MAPPINGS}
    return {entry: None for entry in entries if entry not in touched and (entry[0], None) not in touched}


def _other_files(catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(group, option) for group, options in catalogue.options.items() if group not in LIBRARY_GROUPS for option in options]


def _said_of(path: Path, package: str | None = None) -> set[tuple[str, str | None]]:
    """Entries of which a file says something; (mapping, None) is all of a mapping."""
    content, header = read(path)
    package = header.get("package") or package
    if package not in (None, "_global_"):
        return {(mapping, None) for mapping in _MAPPINGS}
    by_default: set[tuple[str, str | None]] = {(mapping, None) for mapping in _MAPPINGS if f"@{mapping}" in str(content.get("defaults", ""))}
    if package is None:
        return by_default  # it stands below the name of its group
    said = {mapping: content[mapping] for mapping in _MAPPINGS if mapping in content}
    return by_default | {(mapping, name) for mapping, value in said.items() for name in (value if isinstance(value, Mapping) else (None,))}


def completed(cfg: DictConfig, entries: Mapping[Entry, None], catalogue: Catalogue) -> DictConfig:
    """The composed tree with `entries` as their files state them, each mapping in the order of its files."""
    files = library_files(catalogue)
    library: DictConfig = pickle.loads(_pickled(tuple(files)))
    for mapping in _MAPPINGS:
        found = cfg[mapping]
        ordered = OmegaConf.create({}, flags={"no_deepcopy_set_nodes": True})
        for name in [*library[mapping], *(name for name in found if name not in library[mapping])]:
            if (mapping, name) in entries:
                ordered[name] = library[mapping]._get_node(name)
            elif name in found:
                ordered[name] = found._get_node(name)
        ordered._set_flag("no_deepcopy_set_nodes", None)
        cfg._set_flag("no_deepcopy_set_nodes", True)
        cfg[mapping] = ordered
        cfg._set_flag("no_deepcopy_set_nodes", None)
    return cfg


@functools.lru_cache(maxsize=8)
def _pickled(files: tuple[tuple[str, str, Path, int], ...]) -> bytes:
    """All entries that stand alone, with the names of their files in the place of their sources; pickled, which is the fastest copy."""
    library: dict[str, dict[str, Any]] = {mapping: {} for mapping in _MAPPINGS}
    for group, option, path, _ in files:
        content, header = read_apart(path)
        if stands_alone(content, header):
            library[LIBRARY_GROUPS[group]][option] = content
    return pickle.dumps(OmegaConf.create(library))
