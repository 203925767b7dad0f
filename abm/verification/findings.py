"""What a case of the verification reports: numbers with a verdict, and what to draw."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

FloatArray = NDArray[np.float64]

# Chance that a correct program fails any check of a run, by Bonferroni over at most so many checks with chance.
FALSE_ALARM = 1e-6
MOST_CHECKS = 400
LEVEL = FALSE_ALARM / MOST_CHECKS
Z_BOUND = float(norm.isf(0.5 * LEVEL))


@dataclasses.dataclass(frozen=True)
class Finding:
    """One number against its exact value.

    With chance, `p` bounds the probability of so large a deviation in a correct program, and the
    check fails at p <= LEVEL.  Without chance, `tolerance` bounds |simulated - exact|.
    """

    quantity: str
    exact: float
    simulated: float
    p: float | None = None
    tolerance: float | None = None
    half_width: float = float("nan")  # of the interval about `simulated` at LEVEL, where there is chance
    basis: str = ""  # of p: a bound, an exact law or an approximation

    @property
    def passed(self) -> bool:
        """Verdict; a number that is not finite fails."""
        if not np.isfinite(self.simulated):
            return False
        if self.p is not None:
            return self.p > LEVEL
        assert self.tolerance is not None, f"{self.quantity}: a check needs p or a tolerance"
        return abs(self.simulated - self.exact) <= self.tolerance

    @property
    def share_of_bound(self) -> float:
        """Deviation over what is allowed, with its sign: a check passes between -1 and 1."""
        sign = 1.0 if self.simulated >= self.exact else -1.0
        if self.p is not None:
            return sign * self.z / Z_BOUND
        deviation = abs(self.simulated - self.exact)
        return sign * deviation / self.tolerance if self.tolerance else sign * (np.inf if deviation else 0.0)

    @property
    def z(self) -> float:
        """Normal deviate of the same two-sided p, never negative."""
        return float("nan") if self.p is None else float(norm.isf(0.5 * min(max(self.p, 1e-300), 1.0)))


@dataclasses.dataclass(frozen=True)
class LawPanel:
    """Distribution of a sample against its exact law on 0, 1, 2, ..."""

    title: str
    sample: NDArray[np.int64]
    law: FloatArray
    label: str


@dataclasses.dataclass(frozen=True)
class CurvePanel:
    """Curves against exact curves; `spread` is half of the interval about each simulated value."""

    title: str
    x: FloatArray
    exact: dict[str, FloatArray]
    simulated: dict[str, FloatArray]
    x_label: str
    y_label: str
    log: bool = False
    spread: dict[str, FloatArray] | None = None


@dataclasses.dataclass(frozen=True)
class SlopePanel:
    """An error that must fall as a power, on logarithmic axes."""

    title: str
    x: FloatArray
    y: FloatArray
    slope: float
    x_label: str
    y_label: str


@dataclasses.dataclass(frozen=True)
class PValuePanel:
    """p-values that must be uniform."""

    title: str
    values: dict[str, FloatArray]  # by group


Panel = LawPanel | CurvePanel | SlopePanel | PValuePanel


@dataclasses.dataclass(frozen=True)
class Outcome:
    """All that a case found."""

    findings: list[Finding]
    panels: list[Panel] = dataclasses.field(default_factory=list)
    remark: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passed; a case without a check has not."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)


@dataclasses.dataclass(frozen=True)
class Execution:
    """One run of the program that a case rests on."""

    experiment: str
    overrides: tuple[str, ...]
    device: str
    dt_hours: float
    packets: int
    steps: int
    seconds: float


def as_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """Findings as plain numbers for a table or a file."""
    rows = []
    for finding in outcome.findings:
        row = dataclasses.asdict(finding)
        rows.append(row | {"passed": finding.passed, "z": finding.z, "share_of_bound": finding.share_of_bound})
    return rows
