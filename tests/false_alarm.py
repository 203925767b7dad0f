"""Chance in the tests of laws: one budget for the whole suite, and every bound from here.

A correct program fails any check with chance of a whole run of the suite with a probability of
at most SUITE, by Bonferroni: each check has the level LEVEL = SUITE / MOST_CHECKS, and each
books what it spends.  `tests/conftest.py` adds the books of all workers and fails the run
when they exceed SUITE.  A check of an array of n numbers is n checks.

The level is an upper bound where the tail is one: binomial and Poisson laws, Chernoff's and
Dvoretzky-Kiefer-Wolfowitz's inequalities (`abm.verification.tests_of_chance`).  Where only
a mean and its standard error are at hand (`within`, `student`, `alike`) it is the normal or
Student's law of a mean, an approximation that the size of the sample must justify.

A systematic error that an approximation of the program may have is never hidden in the
bound: it is the argument `allowed`, and chance counts from there.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from abm.verification.findings import Finding
from abm.verification.tests_of_chance import check_proportion

SUITE = 1e-6
MOST_CHECKS = 4000
LEVEL = SUITE / MOST_CHECKS
# Two-sided normal bound of one check.
Z = float(stats.norm.isf(0.5 * LEVEL))

# Checks by test file.
ledger: collections.Counter[str] = collections.Counter()


def spend(checks: int = 1) -> None:
    """Book `checks` checks at LEVEL each on the test that runs."""
    ledger[os.environ.get("PYTEST_CURRENT_TEST", "?").partition("::")[0]] += checks


def spent(books: collections.Counter[str]) -> float:
    """Bound of the false-alarm probability of all checks in the books."""
    return books.total() * LEVEL


def z_bound(checks: int = 1) -> float:
    """Bound on |z| of each of `checks` normal numbers; books them."""
    spend(checks)
    return Z


def holds(*findings: Finding) -> None:
    """Findings of the verification, each at the level of this suite; those without chance by their tolerance."""
    for finding in findings:
        if finding.p is None:
            assert finding.passed, f"{finding.quantity}: {finding.simulated:.9g}, exact {finding.exact:.9g}, tolerance {finding.tolerance}"
            continue
        spend()
        assert np.isfinite(finding.simulated), finding.quantity
        assert finding.p > LEVEL, f"{finding.quantity}: {finding.simulated:.9g}, exact {finding.exact:.9g}, p {finding.p:.2g} ({finding.basis})"


def p_holds(p: ArrayLike, what: str = "p-value") -> None:
    """p-values of tests whose law is exact or bounded."""
    values = np.asarray(p, float).ravel()
    spend(values.size)
    assert np.all(values > LEVEL), f"{what}: smallest of {values.size} is {np.min(values):.2g}, level {LEVEL:.2g}"


def proportion(hits: int, n: int, p: float, *, allowed: float = 0.0, what: str = "proportion") -> None:
    """`hits` of n independent trials, by the binomial law."""
    holds(check_proportion(what, int(hits), n, p, allowed))


def events(seen: int, mean: float, *, what: str = "number of events") -> None:
    """A Poisson number."""
    p = min(1.0, 2.0 * min(stats.poisson.sf(seen - 1, mean), stats.poisson.cdf(seen, mean)))
    p_holds(p, f"{what}: {seen}, mean {mean:.6g}")


def within(seen: ArrayLike, expected: ArrayLike, error: ArrayLike, *, allowed: ArrayLike = 0.0, what: str = "value") -> None:
    """Numbers that are normal about `expected` (or within `allowed` of it) with the standard error `error`."""
    x, mu, se, tolerance = np.broadcast_arrays(*(np.asarray(a, float) for a in (seen, expected, error, allowed)))
    bound = tolerance + z_bound(x.size) * se
    beyond = np.abs(x - mu) - bound
    # Not `beyond <= 0` alone: a NaN must fail.
    ok = np.isfinite(x) & (beyond <= 0.0)
    worst = int(np.argmax(np.where(np.isfinite(beyond), beyond, np.inf)))
    assert np.all(ok), f"{what}: {x.flat[worst]:.9g}, expected {mu.flat[worst]:.9g}, bound {bound.flat[worst]:.3g} ({np.sum(~ok)} of {x.size} beyond)"


def student(sample: ArrayLike, mean: float, *, allowed: float = 0.0, what: str = "mean") -> None:
    """Mean of a sample of unknown variance, by Student's law."""
    x = np.asarray(sample, float).ravel()
    spend()
    error, gap = x.std(ddof=1) / np.sqrt(x.size), max(0.0, abs(x.mean() - mean) - allowed)
    assert gap <= stats.t.isf(0.5 * LEVEL, x.size - 1) * error, f"{what}: {x.mean():.9g}, expected {mean:.9g}, standard error {error:.3g}"


def alike(one: ArrayLike, other: ArrayLike, *, allowed: float = 0.0, what: str = "means") -> None:
    """Two independent samples of one mean, by Welch's approximation."""
    a, b = (np.asarray(x, float).ravel() for x in (one, other))
    parts = [x.var(ddof=1) / x.size for x in (a, b)]
    freedom = sum(parts) ** 2 / max(sum(v**2 / (x.size - 1) for v, x in zip(parts, (a, b), strict=True)), 1e-300)
    spend()
    gap = max(0.0, abs(a.mean() - b.mean()) - allowed)
    assert gap <= stats.t.isf(0.5 * LEVEL, max(freedom, 1.0)) * np.sqrt(sum(parts)), f"{what}: {a.mean():.9g} and {b.mean():.9g}"


def spread(sample: ArrayLike, variance: ArrayLike, *, what: str = "variance") -> None:
    """Variances of normal samples along axis 0, by the chi-square law."""
    x = np.asarray(sample, float)
    freedom = x.shape[0] - 1
    ratio = freedom * x.var(axis=0, ddof=1) / np.asarray(variance, float)
    p_holds(np.minimum(1.0, 2.0 * np.minimum(stats.chi2.cdf(ratio, freedom), stats.chi2.sf(ratio, freedom))), what)


def greater(sample: ArrayLike, *, than: float = 0.0, what: str = "mean") -> None:
    """The mean of a sample is beyond `than`, by one-sided Student's law: the effect must be there, chance alone would not make it."""
    x = np.asarray(sample, float).ravel()
    spend()
    t = (x.mean() - than) / max(x.std(ddof=1) / np.sqrt(x.size), 1e-300)
    assert t > stats.t.isf(LEVEL, x.size - 1), f"{what}: {x.mean():.6g} is not beyond {than:.6g}, t {t:.2f}"


def report(books: collections.Counter[str]) -> str:
    """The books in a line."""
    return f"{books.total()} checks with chance, false alarm of the whole run at most {spent(books):.2g} (budget {SUITE:g})"


def overspent(books: collections.Counter[str]) -> bool:
    """Whether the checks are more than their level is set for."""
    return spent(books) > SUITE


def merged(books: Iterable[dict[str, Any]]) -> collections.Counter[str]:
    """Sum of books."""
    total: collections.Counter[str] = collections.Counter()
    for book in books:
        total.update(book)
    return total
