"""The checks themselves: a right sample passes, a wrong one fails, and bounds are bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm.verification import tests_of_chance as checks
from abm.verification.exact_branching import branching_law
from abm.verification.findings import LEVEL, Z_BOUND, Finding, Outcome

LAW = branching_law([(7.0, 0.5, 0.2), (14.0, 0.5, 1.1)], 20)


def sample(n: int, seed: int = 3) -> np.ndarray:
    p = LAW.probabilities / LAW.probabilities.sum()
    return np.random.default_rng(seed).choice(len(p), n, p=p)


def test_a_sample_of_the_law_passes_and_another_does_not() -> None:
    x = sample(4000)
    assert checks.check_mean("mean", x, LAW.mean, LAW.variance, LAW.log_moment).passed
    assert checks.check_variance("variance", x, LAW.probabilities, LAW.lost).passed
    assert checks.check_law("law", x, LAW.probabilities).passed
    assert checks.check_proportion("extinct", int((x == 0).sum()), x.size, LAW.extinct).passed
    wrong = x + (np.arange(x.size) % 3 == 0)
    assert not checks.check_mean("mean", wrong, LAW.mean, LAW.variance, LAW.log_moment).passed
    assert not checks.check_law("law", wrong, LAW.probabilities).passed
    assert not checks.check_variance("variance", 2 * x, LAW.probabilities, LAW.lost).passed
    assert not checks.check_proportion("extinct", int((wrong == 0).sum()), x.size, LAW.extinct).passed


def test_an_allowed_bias_is_only_that() -> None:
    x = sample(4000)
    # Two cells are far beyond chance, so that the allowance decides.
    assert not checks.check_mean("mean", x + 2, LAW.mean, LAW.variance, LAW.log_moment, allowed=0.1).passed
    assert checks.check_mean("mean", x + 2, LAW.mean, LAW.variance, LAW.log_moment, allowed=3.0).p == 1.0
    assert checks.check_mean("mean", x, LAW.mean, LAW.variance, LAW.log_moment, allowed=0.5).p == 1.0
    assert checks.check_proportion("p", 500, 1000, 0.45, allowed=0.05).p == pytest.approx(1.0, abs=0.05)
    assert not checks.check_proportion("p", 600, 1000, 0.45, allowed=0.01).passed


def test_chernoff_bounds_the_tail_of_a_skewed_law() -> None:
    # Exponential numbers: the sum of n is gamma, so that the tail is known.
    n, mean = 50, 1.0
    for seen in (0.6, 1.3, 1.8):
        bound = checks.chernoff(lambda t: -np.log1p(-t) if t < 1.0 else np.inf, mean, 1.0, seen, n)
        exact = stats.gamma.sf(n * seen, n) if seen > 1.0 else stats.gamma.cdf(n * seen, n)
        assert exact < bound < 60.0 * exact
    assert checks.chernoff(lambda t: -np.log1p(-t) if t < 1.0 else np.inf, mean, 1.0, 1.0, n) == 1.0


def test_false_alarms_are_rarer_than_stated() -> None:
    # At a level of 5 % bounds reject fewer than 5 % of 300 samples.
    p = np.array([checks.check_mean("mean", sample(50, seed), LAW.mean, LAW.variance, LAW.log_moment).p for seed in range(300)])
    q = np.array([checks.check_law("law", sample(50, seed), LAW.probabilities).p for seed in range(300)])
    assert np.mean(p < 0.05) < 0.05
    assert np.mean(q < 0.05) < 0.05


def test_a_finding_says_how_far_it_is_from_its_bound() -> None:
    assert Finding("x", 1.0, 1.5, tolerance=1.0).share_of_bound == 0.5
    assert Finding("x", 1.0, -1.5, tolerance=1.0).share_of_bound == -2.5
    edge = Finding("x", 0.0, 1.0, p=LEVEL)
    assert edge.share_of_bound == pytest.approx(1.0)
    assert edge.z == pytest.approx(Z_BOUND)
    assert not edge.passed
    assert not Finding("x", 0.0, float("nan"), p=1.0).passed
    assert not Outcome([]).passed


def test_student_spread_and_poisson() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(3.0, 2.0, 400)
    assert checks.check_student("mean", x, 3.0).passed
    assert not checks.check_student("mean", x, 4.0).passed
    assert checks.check_spread("variance", x, 4.0).passed
    assert not checks.check_spread("variance", x, 10.0).passed
    assert checks.check_poisson("collisions", 102, 100.0).passed
    assert not checks.check_poisson("collisions", 200, 100.0).passed
    assert not checks.largest_error("curve", np.ones(3), np.array([1.0, 1.0, 1.1]), 0.01).passed
