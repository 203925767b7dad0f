"""Where a result comes from: software, parameters with the source of every number, environment, device, costs.

The shape follows the provenance schema of tskit (schema_version, software, parameters,
environment, resources), with `sources`, `device` and `seed` added.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SCHEMA_VERSION = "1.0.0"
LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "xarray", "pandas", "h5py", "h5netcdf", "hydra-core", "omegaconf", "matplotlib")
KINDS = ("measured", "derived", "fitted", "assumed", "setting", "override", "unsourced")

Source = dict[str, Any]


def build_provenance(
    config: Mapping[Any, Any],
    *,
    overrides: Sequence[str] = (),
    device: str = "",
    seed: int | None = None,
    wall_seconds: Mapping[str, float] | None = None,
    peak_memory_mib: float | None = None,
) -> dict[str, Any]:
    """Provenance of a run with the resolved `config` (sources included) and the user's `overrides`."""
    commit = git_commit()
    software = {"name": "abm", "version": software_version(), **({"commit": commit} if commit else {})}
    return {
        "schema_version": SCHEMA_VERSION,
        "software": software,
        "parameters": {"overrides": list(overrides), "config": without_sources(config)},
        "sources": gather_sources(config, overrides),
        "environment": environment(),
        "device": device,
        "seed": config.get("seed") if seed is None else seed,
        "resources": {
            "wall_seconds": dict(wall_seconds or {}),
            "peak_memory_mib": peak_memory() if peak_memory_mib is None else peak_memory_mib,
        },
    }


def software_version() -> str:
    """Installed version of abm, or 'unknown' in a bare checkout."""
    try:
        return importlib.metadata.version("abm")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def software_line() -> str:
    """Name, version and, in a checkout, commit of this program."""
    commit = git_commit()
    return f"abm {software_version()}" + (f", commit {commit}" if commit else "")


def git_commit() -> str | None:
    """Commit of the checkout, with '+changes' where tracked files differ; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()


def environment() -> dict[str, Any]:
    """Operating system, Python and the versions of the libraries that are installed."""
    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    system = {"system": platform.system(), "release": platform.release(), "machine": platform.machine(), "cores": os.cpu_count()}
    return {"os": system, "python": platform.python_version(), "libraries": libraries}


def peak_memory() -> float | None:
    """Largest resident memory of this process in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def without_sources(value: Any) -> Any:
    """The configuration without its `sources`."""
    if isinstance(value, Mapping):
        return {str(k): without_sources(v) for k, v in value.items() if k != "sources"}
    if isinstance(value, (list, tuple)):
        return [without_sources(v) for v in value]
    return value


def gather_sources(config: Mapping[Any, Any], overrides: Sequence[str] = ()) -> dict[str, Source]:
    """Source of every number: {dotted key: {value, kind, ref, where, range, ...}}.

    Entries of an outer `sources` win over inner ones (an experiment over the file that it
    changes); an entry for a mapping or list covers the numbers below it that have none of
    their own, and `*` stands for any one name.  A number that the user set has kind
    `override` and keeps the source that it replaces under `replaces`.  A number without
    any source has kind `unsourced`.
    """
    entries = dict(_entries(config, ()))
    set_by_user = [key for key, value in map(_split_override, overrides) if key and not _is_group_choice(config, key, value)]
    found: dict[str, Source] = {}
    for path, value in _numbers(config, ()):
        source = {"value": value, **_lookup(entries, path)}
        if any(path == tuple(key) or path[: len(key)] == tuple(key) for key in set_by_user):
            source = {"value": value, "kind": "override", "ref": "set by the user of this run", "replaces": source}
            source["replaces"].pop("value")
        found[".".join(path)] = source
    return found


def _numbers(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float | int]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key != "sources":
                yield from _numbers(below, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, below in enumerate(value):
            yield from _numbers(below, (*path, str(index)))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


def _entries(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Source]]:
    """Entries of all `sources`, innermost first."""
    if isinstance(value, (list, tuple)):
        for index, below in enumerate(value):
            yield from _entries(below, (*path, str(index)))
    if not isinstance(value, Mapping):
        return
    for key, below in value.items():
        if key != "sources":
            yield from _entries(below, (*path, str(key)))
    sources = value.get("sources")
    if isinstance(sources, Mapping):
        yield from _flatten(sources, path)


def _flatten(sources: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Source]]:
    for key, entry in sources.items():
        here = (*path, *re.sub(r"\[(\d+)\]", r".\1", str(key)).split("."))
        if isinstance(entry, Mapping) and ("kind" in entry or "ref" in entry):
            yield here, {"kind": "unsourced", **{str(k): v for k, v in entry.items()}}
        elif isinstance(entry, Mapping):
            yield from _flatten(entry, here)


def _lookup(entries: Mapping[tuple[str, ...], Source], path: tuple[str, ...]) -> Source:
    """The entry of the longest key that covers `path`; list positions may be left out of a key."""
    names = tuple(p for p in path if not p.isdecimal())
    for wanted in dict.fromkeys((path, names)):
        for length in range(len(wanted), 0, -1):
            exact = entries.get(wanted[:length])
            if exact is not None:
                return exact
    for pattern, entry in entries.items():
        if "*" in "".join(pattern) and any(_matches(pattern, wanted) for wanted in (path, names)):
            return entry
    return {"kind": "unsourced"}


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(pattern) <= len(path) and all(fnmatchcase(p, q) for q, p in zip(pattern, path, strict=False))


def _split_override(override: str) -> tuple[tuple[str, ...], str]:
    """Path and value of a hydra override; an empty path for a removal or a setting of hydra itself."""
    key, separator, value = override.partition("=")
    if not separator or key.startswith("~") or key.startswith("hydra"):
        return (), ""
    return tuple(key.lstrip("+").split("@")[0].replace("/", ".").split(".")), value.strip()


def _is_group_choice(config: Mapping[Any, Any], key: tuple[str, ...], value: str) -> bool:
    """Whether an override picks a file (host=mouse_nsg) rather than setting numbers."""
    here: Any = config
    for name in key:
        here = here.get(name) if isinstance(here, Mapping) else None
    return isinstance(here, Mapping) and not value.startswith("{")
