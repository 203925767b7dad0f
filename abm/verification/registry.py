"""All cases by name.  A case is one decorated function in a module of `abm.verification.cases`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from abm.config.library import read_catalogue
from abm.registry import Registry, check_names
from abm.verification.findings import Outcome
from abm.verification.runner import Runner

CASES: Registry[Case] = Registry("abm.verification.cases", "case")


@dataclasses.dataclass(frozen=True)
class Case:
    """One question with an exact answer.

    Attributes:
        needs: Theory experiments that it runs; without one of them the case is reported as not available.
        shows: What is checked, in a sentence.
        source: Where the exact law stands.
        reading: How to read the figure: what a correct and what a wrong program would show.
    """

    name: str
    shows: str
    source: str
    reading: str
    needs: tuple[str, ...]
    function: Callable[[Runner], Outcome]

    def missing(self) -> tuple[str, ...]:
        """Experiments that this version of the program does not have."""
        options = read_catalogue().options["experiment"]
        return tuple(name for name in self.needs if f"theory/{name}" not in options)


def case(
    name: str, *, shows: str, source: str, reading: str, needs: tuple[str, ...] = ()
) -> Callable[[Callable[[Runner], Outcome]], Callable[[Runner], Outcome]]:
    """Register the function that follows as a case."""

    def register(function: Callable[[Runner], Outcome]) -> Callable[[Runner], Outcome]:
        CASES.add(name, Case(name, shows, source, reading, needs, function))
        return function

    return register


def chosen(names: list[str]) -> list[Case]:
    """Cases of these names, all without names.

    Raises:
        InputError: A name is unknown.
    """
    known = CASES.all()
    check_names("case", names, known)
    return [known[name] for name in (names or known)]
