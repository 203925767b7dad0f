"""Structure of chance in trajectories: what a random generator that is reused or shared leaves behind.

For a birth-death process saved at equal intervals, with mean m and variance s2 of the
descendants of one cell over an interval, the residuals

    e_k = (X_{k+1} - m X_k) / sqrt(s2 X_k)

have mean 0, variance 1 and no correlation, neither between intervals nor between replicates.
One key used at every step shows as correlation between intervals; one number shared by all cells as a
variance far above 1; rounding in place of chance as a variance far below 1; keys shared by
replicates as correlation between them or as equal rows.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from abm.verification.exact_branching import moments
from abm.verification.findings import Finding, FloatArray
from abm.verification.tests_of_chance import check_error, check_normal

_BASIS = "normal law of a mean of {n} residuals"


def residuals(counts: FloatArray, b: float, d: float, interval: float) -> FloatArray:
    """Residuals (replicate, interval) of `counts` (replicate, time); NaN where no cell was left."""
    m, s2 = moments([(interval, b, d)], 1)
    before, after = counts[:, :-1], counts[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        e: FloatArray = np.where(before > 0, (after - m * before) / np.sqrt(s2 * before), np.nan)
    return e


def noise_findings(counts: FloatArray, b: float, d: float, interval: float) -> list[Finding]:
    """Mean, variance and correlations of the residuals; many cells per replicate are assumed, so that residuals are normal."""
    e = residuals(np.asarray(counts, np.float64), b, d, interval)
    kept = e[np.isfinite(e)]
    lagged = (e[:, 1:] * e[:, :-1])[np.isfinite(e[:, 1:] * e[:, :-1])]
    n = kept.size
    found = [
        check_normal("mean of the residuals", 0.0, float(kept.mean()), 1.0 / np.sqrt(n), _BASIS.format(n=n)),
        check_normal("variance of the residuals", 1.0, float(np.mean(kept**2)), float(np.sqrt(2.0 / n)), _BASIS.format(n=n)),
        check_normal("correlation between intervals", 0.0, float(lagged.mean()), 1.0 / np.sqrt(lagged.size), _BASIS.format(n=n)),
    ]
    return [*found, *_between_replicates(e, counts)]


def _between_replicates(e: FloatArray, counts: FloatArray) -> list[Finding]:
    """Largest correlation of two replicates, by Student's law and Bonferroni over pairs, and equal replicates."""
    whole = e[np.isfinite(e).all(axis=1)]
    replicates, k = whole.shape
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.asarray(np.corrcoef(whole))[np.triu_indices(replicates, 1)]
        largest = float(np.max(np.abs(np.nan_to_num(r, nan=1.0))))
        t = largest * np.sqrt((k - 2) / max(1.0 - largest**2, 1e-300))
    p = float(min(1.0, r.size * 2.0 * student.sf(t, k - 2)))
    doubled = len(counts) - len(np.unique(counts, axis=0))
    correlation = Finding("largest correlation of two replicates", 0.0, largest, p=p, basis=f"Student's law, Bonferroni over {r.size} pairs")
    return [correlation, check_error("replicates that repeat another", 0.0, float(doubled))]
