"""Differences between two arms: paired where subjects are twins, unpaired where they are not.

Twins are the same subjects, so a test that takes arms for independent (log-rank) does not
apply to them and is refused.  A cleared subject has an infinite log10 reduction; signs
of differences are always known, means are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95


class Contrast(NamedTuple):
    """An estimate with its confidence limits; NaN where there is none, and why."""

    method: str
    estimate: float
    low: float
    high: float
    p: float
    n: int
    note: str = ""


def refused(method: str, why: str, n: int = 0) -> Contrast:
    """A contrast that cannot be given."""
    return Contrast(method, np.nan, np.nan, np.nan, np.nan, n, why)


def paired_t(first: ArrayLike, second: ArrayLike) -> Contrast:
    """Mean of the differences second - first of twins, by Student's law; refused where a difference is not finite."""
    method = "mean of paired differences (t)"
    d = _differences(first, second)
    if not np.all(np.isfinite(d)):
        return refused(method, f"{int(np.sum(~np.isfinite(d)))} of {d.size} differences are infinite: a subject was cleared", d.size)
    if d.size < 2:
        return refused(method, "at least two pairs are needed", d.size)
    mean, error = float(d.mean()), float(d.std(ddof=1) / np.sqrt(d.size))
    half = float(stats.t.isf(0.5 * (1.0 - LEVEL), d.size - 1)) * error
    p = 2.0 * float(stats.t.sf(abs(mean) / error, d.size - 1)) if error > 0.0 else (1.0 if mean == 0.0 else 0.0)
    return Contrast(method, mean, mean - half, mean + half, p, d.size)


def sign_test(first: ArrayLike, second: ArrayLike) -> Contrast:
    """Share of the decided pairs of twins in which the second is larger, with exact limits (Clopper-Pearson)."""
    return _signs(np.sign(_differences(first, second)))


def sign_test_of_times(first: ArrayLike, first_seen: ArrayLike, second: ArrayLike, second_seen: ArrayLike) -> Contrast:
    """As `sign_test` for times to an event; a pair is decided only if the earlier time is an event.

    Args:
        first, second: Days of the event or of the last observation.
        first_seen, second_seen: Whether it was the event.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    later = (a < b) & np.asarray(first_seen, bool)
    earlier = (b < a) & np.asarray(second_seen, bool)
    return _signs(later.astype(int) - earlier.astype(int))


def welch(first: ArrayLike, second: ArrayLike) -> Contrast:
    """Difference of the means of two independent groups, second - first, by Welch's approximation."""
    method = "difference of means (Welch)"
    a, b = (np.asarray(x, float) for x in (first, second))
    n = a.size + b.size
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return refused(method, "a subject was cleared: its reduction is infinite", n)
    if min(a.size, b.size) < 2 or a.var() + b.var() == 0.0:
        return refused(method, "at least two subjects per arm that differ are needed", n)
    test = stats.ttest_ind(b, a, equal_var=False)
    low, high = test.confidence_interval(LEVEL)
    return Contrast(method, float(b.mean() - a.mean()), float(low), float(high), float(test.pvalue), n)


def _differences(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    a, b = np.asarray(first, float), np.asarray(second, float)
    same = a == b  # two cleared twins are a tie, though inf - inf is not a number
    return np.subtract(b, a, out=np.zeros(a.shape), where=~same)


def _signs(signs: np.ndarray) -> Contrast:
    method = "share of pairs larger (sign test)"
    above, decided = int(np.sum(signs > 0)), int(np.sum(signs != 0))
    note = f"{signs.size - decided} of {signs.size} pairs undecided" if decided < signs.size else ""
    if decided == 0:
        return refused(method, note or "no pairs", 0)
    test = stats.binomtest(above, decided)
    limits = test.proportion_ci(LEVEL, method="exact")
    return Contrast(method, above / decided, float(limits.low), float(limits.high), float(test.pvalue), decided, note)
