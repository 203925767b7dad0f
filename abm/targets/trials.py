"""Trials behind the targets: their size, and each run once however many targets read it."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from abm.config.library import read_catalogue
from abm.run import simulate

if TYPE_CHECKING:
    from abm.output.result import RunResult


@dataclasses.dataclass(frozen=True)
class Made:
    """A run as a user would make it, and what it took."""

    overrides: tuple[str, ...]
    seconds: float

    @property
    def command(self) -> str:
        """The command line."""
        return "scripts/run " + " ".join(f"'{o}'" if any(c in o for c in "[]{} ") else o for o in self.overrides)


@dataclasses.dataclass
class Trials:
    """Runs trials in memory.

    Attributes:
        subjects: Virtual patients of a cohort.
        packets: Packets per subject.
        quick: Smaller samples; cohorts of patients to day 90 only.
        seed: Of all runs.
    """

    subjects: int = 40
    packets: int = 256
    quick: bool = False
    seed: int = 20260212
    made: list[Made] = dataclasses.field(default_factory=list)
    _results: dict[tuple[str, ...], RunResult] = dataclasses.field(default_factory=dict)

    def size(self, quick: int, full: int) -> int:
        """A sample size."""
        return quick if self.quick else full

    @property
    def sizes(self) -> str:
        """Size of the cohorts in words."""
        number, packets = self._size
        return f"{number} virtual patients, {packets} packets each" + (", to day 90 only (--quick)" if self.quick else "")

    @property
    def _size(self) -> tuple[int, int]:
        return (min(self.subjects, 16), min(self.packets, 64)) if self.quick else (self.subjects, self.packets)

    def has(self, experiment: str) -> bool:
        """Whether this version has an experiment."""
        return experiment in read_catalogue().options["experiment"]

    def run(self, experiment: str, *overrides: str) -> RunResult:
        """Result of an experiment with these keys."""
        keys = (f"experiment={experiment}", f"seed={self.seed}", "progress=false", *overrides)
        if keys not in self._results:
            began = time.perf_counter()
            self._results[keys] = simulate(list(keys))
            self.made.append(Made(keys, time.perf_counter() - began))
        return self._results[keys]

    def cohort(self, experiment: str, *overrides: str) -> RunResult:
        """Result of a cohort of virtual patients of the size of these trials."""
        number, packets = self._size
        return self.run(experiment, f"cohort.subjects={number}", f"engine.packets={packets}", *overrides)
