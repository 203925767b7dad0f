"""Times to an event: the product-limit curve, its error, the log-rank test, the hazard ratio.

Someone censored at the time of an event was still at risk then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from abm.errors import InputError

FloatArray = NDArray[np.float64]


class SurvivalCurve(NamedTuple):
    """Product-limit estimate at the times of events."""

    time: FloatArray
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    survival: FloatArray
    standard_error: FloatArray  # Greenwood

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Confidence limits at the times of events on the scale log(-log S), which keeps them in [0, 1]; NaN at 0 and 1."""
        inside = (self.survival > 0.0) & (self.survival < 1.0)
        s = np.where(inside, self.survival, 0.5)
        half = norm.isf(0.5 * (1.0 - level)) * self.standard_error / (s * np.log(s))
        return np.where(inside, s ** np.exp(-half), np.nan), np.where(inside, s ** np.exp(half), np.nan)

    @property
    def median(self) -> float:
        """First time at which survival is 1/2 or below; NaN if it stays above."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.time[below[0]]) if below.size else float("nan")


class LogRank(NamedTuple):
    """Log-rank test of two groups; numbers of the second group."""

    observed: float
    expected: float
    variance: float
    chi_square: float
    p: float

    @property
    def hazard_ratio(self) -> float:
        """exp((O - E) / V), Peto's one-step estimate (Yusuf et al. 1985, doi:10.1016/S0033-0620(85)80003-7)."""
        return float(np.exp((self.observed - self.expected) / self.variance))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the hazard ratio."""
        half = norm.isf(0.5 * (1.0 - level)) / np.sqrt(self.variance)
        centre = (self.observed - self.expected) / self.variance
        return float(np.exp(centre - half)), float(np.exp(centre + half))


def _times_and_events(time: ArrayLike, observed: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    t, e = np.asarray(time, np.float64).ravel(), np.asarray(observed).astype(bool).ravel()
    if t.shape != e.shape or t.size == 0 or not np.all(np.isfinite(t)):
        raise InputError(f"times and events: as many of one as of the other are needed, at least one, all finite; there are {t.size} and {e.size}.")
    return t, e


def kaplan_meier(time: ArrayLike, observed: ArrayLike) -> SurvivalCurve:
    """Product-limit estimate (Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452) with Greenwood's error.

    Args:
        time: Time of the event, or of the last observation.
        observed: Whether the event was observed.

    Raises:
        InputError: Lengths differ, nothing is given or a time is not finite.
    """
    t, e = _times_and_events(time, observed)
    at = np.unique(t[e])
    at_risk = (t[None, :] >= at[:, None]).sum(axis=1)
    events = ((t[None, :] == at[:, None]) & e[None, :]).sum(axis=1)
    survival = np.cumprod(1.0 - events / at_risk)
    left = at_risk - events
    terms = np.divide(events, at_risk * left, out=np.zeros(len(at)), where=left > 0)
    return SurvivalCurve(at, at_risk, events, survival, survival * np.sqrt(np.cumsum(terms)))


def schoenfeld_power(events: int, share: float, hazard_ratio: float, level: float = 0.05) -> float:
    """Power of the log-rank test to find a hazard ratio with a number of events (Schoenfeld 1983, doi:10.2307/2531021).

    Args:
        events: Events in both groups.
        share: Share of the subjects that is in one of the groups.
        hazard_ratio: The hazard ratio to be found.
        level: Level of the two-sided test.
    """
    shift = abs(np.log(hazard_ratio)) * np.sqrt(events * share * (1.0 - share))
    bound = norm.isf(0.5 * level)
    return float(norm.sf(bound - shift) + norm.cdf(-bound - shift))


def log_rank(time: ArrayLike, observed: ArrayLike, group: ArrayLike) -> LogRank:
    """Log-rank test (Mantel 1966) of independent groups; arms whose subjects are twins are not independent.

    Args:
        time, observed: As for `kaplan_meier`.
        group: Which of two groups each belongs to; false or 0 is the first.

    Raises:
        InputError: As for `kaplan_meier`, or there are no events that could tell the groups apart.
    """
    t, e = _times_and_events(time, observed)
    second = np.asarray(group).astype(bool).ravel()
    at = np.unique(t[e])
    risk = t[None, :] >= at[:, None]
    event = (t[None, :] == at[:, None]) & e[None, :]
    n, n2, d = risk.sum(axis=1), (risk & second).sum(axis=1), event.sum(axis=1)
    share = n2 / n
    seen, expected = float((event & second).sum()), float((d * share).sum())
    variance = float(np.sum(np.divide(d * share * (1.0 - share) * (n - d), n - 1, out=np.zeros(len(at)), where=n > 1)))
    if variance == 0.0:
        raise InputError("log-rank test: at no event were both groups at risk.")
    statistic = (seen - expected) ** 2 / variance
    return LogRank(seen, expected, variance, statistic, float(chi2.sf(statistic, 1)))
