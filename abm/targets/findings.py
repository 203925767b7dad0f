"""What is simulated for a target, with its interval, and the verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from abm.targets.published import Published

MET, MISSED, NOT_EVALUATED = "met", "missed", "not evaluated"
UNKNOWN_CAUSE = "The cause is not known."
LEVEL = 0.95  # of every interval
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Simulated:
    """A simulated value.

    Attributes:
        value: NaN says that there is none, and `remark` why.
        low, high: Limits at LEVEL where chance plays a part, NaN elsewhere.
        n: Subjects or replicates behind it; 0 = computed without chance.
        remark: How it was computed, or why there is no value.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    remark: str = ""


def absent(why: str) -> Simulated:
    """No value, and why."""
    return Simulated(math.nan, remark=why)


@dataclasses.dataclass(frozen=True)
class Line:
    """A target and what was simulated for it."""

    published: Published
    simulated: Simulated

    @property
    def verdict(self) -> str:
        """MET where the value lies in the band, whatever its interval; NOT_EVALUATED without a value."""
        if math.isnan(self.simulated.value):
            return NOT_EVALUATED
        return MET if self.published.holds(self.simulated.value) else MISSED

    @property
    def decided(self) -> bool:
        """Whether the whole interval lies on the side of the verdict; true without chance, false without a value."""
        limits = self.simulated.low, self.simulated.high
        if self.verdict == NOT_EVALUATED:
            return False
        if any(math.isnan(limit) for limit in limits):
            return True
        if self.verdict == MET:
            return all(self.published.holds(limit) for limit in limits)
        return limits[0] > self.published.high or limits[1] < self.published.low

    @property
    def reason(self) -> str:
        """What must be said beside the verdict; empty for a target that is met beyond doubt."""
        parts = []
        if self.verdict == MISSED:
            parts.append(self.published.missed or UNKNOWN_CAUSE)
        if self.verdict != NOT_EVALUATED and not self.decided:
            parts.append(f"Undecided: the interval of {self.simulated.n} reaches across the band's edge.")
        return " ".join([*parts, self.simulated.remark]).strip()


def share(count: int, of: int, remark: str = "") -> Simulated:
    """A proportion with its exact limits (Clopper and Pearson); no value for none of none."""
    if of == 0:
        return absent(f"No subject belongs to this group. {remark}".strip())
    limits = binomtest(count, of).proportion_ci(LEVEL, method="exact")
    return Simulated(count / of, float(limits.low), float(limits.high), of, remark)


def resampled(sample: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], float], remark: str = "") -> Simulated:
    """A statistic of independent numbers with percentile limits of the bootstrap; no value for fewer than two numbers."""
    if sample.size < 2:
        return absent(f"{sample.size} subjects are too few. {remark}".strip())
    random = np.random.default_rng(20260212)
    draws = [statistic(random.choice(sample, sample.size)) for _ in range(RESAMPLES)]
    low, high = np.quantile(draws, [0.5 - 0.5 * LEVEL, 0.5 + 0.5 * LEVEL], method="nearest")
    return Simulated(float(statistic(sample)), float(low), float(high), int(sample.size), remark)
