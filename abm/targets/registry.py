"""All computations by theme.  A computation is one decorated function in a module of `abm.targets.themes`; every target has exactly one."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping

from abm.errors import unknown_name
from abm.targets.findings import Simulated
from abm.targets.published import Published, read_published
from abm.targets.trials import Trials

Function = Callable[[Trials], Mapping[str, Simulated]]
_COMPUTATIONS: dict[str, Computation] = {}


@dataclasses.dataclass(frozen=True)
class Computation:
    """One function and the keys of the targets that it computes.

    Attributes:
        how: What is computed, in a sentence, for the page.
    """

    name: str
    keys: tuple[str, ...]
    how: str
    function: Function


def computes(*keys: str, how: str) -> Callable[[Function], Function]:
    """Register the function that follows as the computation of these targets."""

    def register(function: Function) -> Function:
        taken = [key for other in _COMPUTATIONS.values() for key in other.keys if key in keys]
        if taken:
            raise ValueError(f"two computations of {', '.join(taken)}")
        name = function.__name__
        _COMPUTATIONS[name] = Computation(name, keys, how, function)
        return function

    return register


def all_computations() -> dict[str, Computation]:
    """Every computation by name, in the order of the modules."""
    package = importlib.import_module("abm.targets.themes")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"abm.targets.themes.{module}")
    return dict(_COMPUTATIONS)


def chosen(names: list[str], published: Mapping[str, Published] | None = None) -> list[str]:
    """Keys of the targets that are named by key, by number (V22) or by theme; all without names, in the order of the file.

    Raises:
        InputError: A name is none of these.
    """
    known = read_published() if published is None else published
    words = {word for entry in known.values() for word in (entry.key, entry.target, entry.theme)}
    for name in names:
        if name not in words:
            raise unknown_name("target", name, words, noun="target")
    return [key for key, entry in known.items() if not names or {key, entry.target, entry.theme} & set(names)]
