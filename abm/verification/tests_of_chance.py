"""Checks with chance, by bounds that hold at any sample size rather than by the normal approximation.

- A mean: Chernoff's inequality, P(mean >= x) <= exp(-n sup_t (t x - K(t))), with the exact
  cumulant function K (Chernoff 1952, doi:10.1214/aoms/1177729330).  Any t gives a valid bound.
- A whole law: the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant,
  P(sup |F_n - F| > e) <= 2 exp(-2 n e^2) (Massart 1990, doi:10.1214/aop/1176990746), for any F.
- A proportion: the binomial law itself.

So the stated probability of a false alarm is an upper bound also far in the tails, where skewed
laws make a normal approximation wrong by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binom, chi2, norm, poisson, t

from abm.verification.findings import LEVEL, Z_BOUND, Finding, FloatArray

Cumulants = Callable[[float], float]


def chernoff(log_moment: Cumulants, mean: float, variance: float, observed: float, n: int) -> float:
    """Bound of the two-sided p-value of the mean `observed` of n numbers with K(t) = `log_moment(t)` (inf where it does not exist)."""
    if observed == mean:
        return 1.0
    guess = (observed - mean) / max(variance, 1e-300)

    def exponent(share: float) -> float:
        at = share * guess
        value = log_moment(at)
        return at * observed - value if np.isfinite(value) else -np.inf

    widest = 4.0
    while widest > 1e-6 and exponent(widest) == -np.inf:
        widest *= 0.5
    best = minimize_scalar(lambda share: -exponent(share), bounds=(0.0, widest), method="bounded", options={"xatol": 1e-6})
    return float(min(1.0, 2.0 * np.exp(-n * max(0.0, -float(best.fun)))))


def cumulants_of(law: FloatArray, scores: FloatArray) -> Cumulants:
    """K(t) of `scores` under probabilities `law`."""
    log_law = np.log(np.where(law > 0.0, law, 1.0))
    kept = law > 0.0

    def log_moment(at: float) -> float:
        return float(logsumexp((log_law + at * scores)[kept]))

    return log_moment


def check_mean(quantity: str, sample: ArrayLike, mean: float, variance: float, log_moment: Cumulants, allowed: float = 0.0) -> Finding:
    """Mean of a sample.  `allowed` is the bias that a documented approximation may have; a deviation counts from there."""
    x = np.asarray(sample, np.float64).ravel()
    seen = float(x.mean())
    beyond = seen - float(np.clip(seen, mean - allowed, mean + allowed))
    p = chernoff(log_moment, mean, variance, mean + beyond, x.size)
    basis = "Chernoff bound" + (f", beyond a bias of {allowed:.3g}" if allowed else "")
    return Finding(quantity, mean, seen, p=p, half_width=Z_BOUND * float(np.sqrt(variance / x.size)), basis=basis)


def check_variance(quantity: str, sample: ArrayLike, law: FloatArray, lost: float = 0.0, allowed: float = 0.0) -> Finding:
    """Variance about the exact mean; `lost` bounds the probability of outcomes beyond `law`."""
    x = np.asarray(sample, np.float64).ravel()
    k = np.arange(len(law), dtype=np.float64)
    law = law / law.sum()
    mean = float(law @ k)
    scores: FloatArray = (k - mean) ** 2
    variance = float(law @ scores)
    fourth = float(law @ scores**2) - variance**2
    seen = float(np.mean((x - mean) ** 2))
    beyond = seen - float(np.clip(seen, variance - allowed, variance + allowed))
    p = min(1.0, chernoff(cumulants_of(law, scores), variance, fourth, variance + beyond, x.size) + x.size * lost)
    basis = "Chernoff bound" + (f", beyond a bias of {allowed:.3g}" if allowed else "")
    return Finding(quantity, variance, seen, p=p, half_width=Z_BOUND * float(np.sqrt(fourth / x.size)), basis=basis)


def check_proportion(quantity: str, hits: int, n: int, probability: float, allowed: float = 0.0) -> Finding:
    """`hits` of n independent trials, by the binomial law."""
    seen = hits / n
    nearest = float(np.clip(seen, max(0.0, probability - allowed), min(1.0, probability + allowed)))
    tail = binom.sf(hits - 1, n, nearest) if seen >= probability else binom.cdf(hits, n, nearest)
    half = Z_BOUND * float(np.sqrt(max(probability * (1.0 - probability), 1.0 / n) / n))
    basis = "binomial law" + (f", beyond a bias of {allowed:.3g}" if allowed else "")
    return Finding(quantity, probability, seen, p=float(min(1.0, 2.0 * tail)), half_width=half, basis=basis)


def check_law(quantity: str, sample: ArrayLike, law: FloatArray, allowed: float = 0.0) -> Finding:
    """Largest distance between the distribution functions; `allowed` as in `check_mean`."""
    x = np.asarray(sample, np.int64).ravel()
    seen = np.cumsum(np.bincount(np.minimum(x, len(law)), minlength=len(law) + 1)[: len(law)]) / x.size
    distance = float(np.abs(seen - np.cumsum(law)).max())
    p = float(min(1.0, 2.0 * np.exp(-2.0 * x.size * max(0.0, distance - allowed) ** 2)))
    basis = "Dvoretzky-Kiefer-Wolfowitz bound" + (f", beyond a bias of {allowed:.3g}" if allowed else "")
    return Finding(quantity, 0.0, distance, p=p, half_width=float(np.sqrt(-0.5 * np.log(0.5 * LEVEL) / x.size)), basis=basis)


def check_normal(quantity: str, exact: float, seen: float, error: float, basis: str = "normal law") -> Finding:
    """A number that is normal about `exact` with the standard error `error`."""
    return Finding(quantity, exact, seen, p=float(2.0 * norm.sf(abs(seen - exact) / error)), half_width=Z_BOUND * error, basis=basis)


def check_student(quantity: str, sample: ArrayLike, mean: float, allowed: float = 0.0) -> Finding:
    """Mean of a sample of unknown variance, by Student's law."""
    x = np.asarray(sample, np.float64).ravel()
    seen, error = float(x.mean()), float(x.std(ddof=1) / np.sqrt(x.size))
    beyond = seen - float(np.clip(seen, mean - allowed, mean + allowed))
    p = float(2.0 * t.sf(abs(beyond) / error, x.size - 1)) if error > 0.0 else float(beyond == 0.0)
    basis = "Student's law" + (f", beyond a bias of {allowed:.3g}" if allowed else "")
    return Finding(quantity, mean, seen, p=p, half_width=float(t.isf(0.5 * LEVEL, x.size - 1)) * error, basis=basis)


def check_spread(quantity: str, sample: ArrayLike, variance: float, basis: str = "chi-square law of normal numbers") -> Finding:
    """Sample variance of normal numbers over the exact one."""
    x = np.asarray(sample, np.float64).ravel()
    ratio, freedom = float(x.var(ddof=1) / variance), x.size - 1
    p = float(min(1.0, 2.0 * min(chi2.cdf(ratio * freedom, freedom), chi2.sf(ratio * freedom, freedom))))
    return Finding(quantity, 1.0, ratio, p=p, half_width=Z_BOUND * float(np.sqrt(2.0 / freedom)), basis=basis)


def check_poisson(quantity: str, seen: int, mean: float) -> Finding:
    """A number of rare events."""
    p = float(min(1.0, 2.0 * min(poisson.sf(seen - 1, mean), poisson.cdf(seen, mean))))
    return Finding(quantity, mean, float(seen), p=p, half_width=Z_BOUND * float(np.sqrt(mean)), basis="Poisson law")


def check_error(quantity: str, exact: float, seen: float, *, relative: float = 0.0, absolute: float = 0.0) -> Finding:
    """A number without chance."""
    return Finding(quantity, float(exact), float(seen), tolerance=relative * abs(exact) + absolute)


def largest_error(quantity: str, exact: NDArray[np.floating], seen: NDArray[np.floating], relative: float) -> Finding:
    """Largest deviation of a curve over its largest value."""
    error = float(np.max(np.abs(np.asarray(seen) - exact)) / np.max(np.abs(exact)))
    return Finding(quantity, 0.0, error, tolerance=relative)
