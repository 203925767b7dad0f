"""All computations by theme.  A computation is one decorated function in a module of `abm.targets.themes`; every target has exactly one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from abm.registry import Registry, check_names
from abm.targets.findings import Simulated
from abm.targets.published import Published, read_published
from abm.targets.trials import Trials

Function = Callable[[Trials], Mapping[str, Simulated]]
COMPUTATIONS: Registry[Computation] = Registry("abm.targets.themes", "computation")


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
        taken = [key for other in COMPUTATIONS.entries.values() for key in other.keys if key in keys]
        if taken:
            raise ValueError(f"two computations of {', '.join(taken)}")
        COMPUTATIONS.add(function.__name__, Computation(function.__name__, keys, how, function))
        return function

    return register


def chosen(names: list[str], published: Mapping[str, Published] | None = None) -> list[str]:
    """Keys of the targets that are named by key, by number (V22) or by theme; all without names, in the order of the file.

    Raises:
        InputError: A name is none of these.
    """
    known = read_published() if published is None else published
    words = {word for entry in known.values() for word in (entry.key, entry.target, entry.theme)}
    check_names("target", names, words)
    return [key for key, entry in known.items() if not names or {key, entry.target, entry.theme} & set(names)]
