"""Compute the chosen targets, one computation after the other."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from abm.errors import FAULTS, in_a_line
from abm.targets.findings import MET, Line, absent
from abm.targets.published import read_published
from abm.targets.registry import COMPUTATIONS, Computation
from abm.targets.trials import Made, Trials


@dataclasses.dataclass(frozen=True)
class Result:
    """What one computation gave.

    Attributes:
        fault: The error that stopped it, or empty; its targets are then not evaluated.
    """

    computation: Computation
    lines: list[Line]
    made: list[Made]
    seconds: float
    fault: str = ""


def run_targets(keys: Sequence[str], trials: Trials, tell: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """Results of every computation that has one of these targets; a fault in one does not stop the others.

    Raises:
        KeyError: A computation left out a target that it is registered for.
    """
    results = []
    for computation in COMPUTATIONS.all().values():
        wanted = [key for key in computation.keys if key in keys]
        if wanted:
            results.append(_run(computation, wanted, trials))
            tell(results[-1])
    return results


def _run(computation: Computation, keys: list[str], trials: Trials) -> Result:
    began, before, fault = time.perf_counter(), len(trials.made), ""
    try:
        values = computation.function(trials)
    except FAULTS as error:
        fault = in_a_line(error)
        values = {key: absent(f"Fault: {fault}") for key in keys}
    published = read_published()
    lines = [Line(published[key], values[key]) for key in keys]
    return Result(computation, lines, trials.made[before:], time.perf_counter() - began, fault)


def lines_of(results: Sequence[Result]) -> list[Line]:
    """All lines in the order of the file of targets."""
    by_key = {line.published.key: line for result in results for line in result.lines}
    return [by_key[key] for key in read_published() if key in by_key]


def count_met(lines: Sequence[Line]) -> int:
    """How many are met."""
    return sum(line.verdict == MET for line in lines)
