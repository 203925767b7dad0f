"""Differences between arms, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm.endpoints.arm_comparisons import hazard_ratio
from abm.endpoints.contrasts import paired_t, sign_test, sign_test_of_times, welch
from abm.endpoints.survival import kaplan_meier, schoenfeld_power
from abm.verification.cases.trial_statistics import PLACEBO, TREATED


def test_the_paired_mean_is_students() -> None:
    first, second = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.5, 3.5, 4.5, 5.0])
    found, scipy = paired_t(first, second), stats.ttest_rel(second, first)
    limits = scipy.confidence_interval(0.95)
    assert (found.estimate, found.low, found.high, found.p) == pytest.approx((1.125, limits.low, limits.high, scipy.pvalue))


def test_a_cleared_subject_has_a_sign_but_no_mean() -> None:
    first, second = [1.0, 2.0, np.inf, 0.5], [np.inf, 1.0, np.inf, 0.7]
    assert np.isnan(paired_t(first, second).estimate)
    assert "1 of 4 differences are infinite" in paired_t(first, second).note
    found = sign_test(first, second)
    assert (found.estimate, found.n, found.note) == (pytest.approx(2.0 / 3.0), 3, "1 of 4 pairs undecided")


def test_six_of_six_pairs() -> None:
    found = sign_test(np.zeros(6), np.arange(1.0, 7.0))
    assert found.p == pytest.approx(2.0 / 2**6)
    assert (found.low, found.high) == pytest.approx((0.025 ** (1.0 / 6.0), 1.0))


def test_equal_differences_have_no_spread() -> None:
    assert paired_t([1.0, 2.0], [2.0, 3.0]).p == 0.0
    assert paired_t([1.0, 2.0], [1.0, 2.0]).p == 1.0
    assert "two pairs" in paired_t([1.0], [2.0]).note


def test_a_pair_is_decided_only_by_an_event() -> None:
    """Later event; censored before the other's event; event before the other was censored; both censored."""
    found = sign_test_of_times([10.0, 20.0, 15.0, 30.0], [True, False, True, False], [20.0, 25.0, 30.0, 40.0], [True, True, False, False])
    assert (found.estimate, found.n) == (1.0, 2)


def test_welch_is_scipys() -> None:
    first, second = [1.0, 2.0, 3.0], [2.0, 4.0, 7.0, 3.0]
    assert welch(first, second).p == pytest.approx(stats.ttest_ind(second, first, equal_var=False).pvalue)
    assert np.isnan(welch([1.0, np.inf], second).estimate)


def test_freireichs_hazard_ratio_and_the_power_of_its_thirty_events() -> None:
    data = PLACEBO + TREATED
    ratio, power = hazard_ratio(np.array([t for t, _ in data], float), np.array([e for _, e in data]), np.arange(42) >= 21)
    assert (ratio.estimate, ratio.p, ratio.n) == (pytest.approx(np.exp((9.0 - 19.2505) / 6.25696), rel=1e-4), pytest.approx(4.169e-5, rel=1e-3), 42)
    assert ratio.low < ratio.estimate < ratio.high < 1.0
    # 30 events: shift ln 2 x sqrt(30 / 4) = 1.898 against 1.960.
    assert power.estimate == pytest.approx(stats.norm.cdf(np.log(2.0) * np.sqrt(7.5) - 1.959964) + stats.norm.cdf(-np.log(2.0) * np.sqrt(7.5) - 1.959964))


def test_schoenfelds_number_of_events_gives_its_power() -> None:
    # (1.960 + 0.842)^2 / (0.25 ln(2)^2) = 65.3 events for 80 %.
    assert schoenfeld_power(66, 0.5, 2.0) == pytest.approx(0.8, abs=0.006)
    assert schoenfeld_power(1000, 0.5, 1.0) == pytest.approx(0.05)


def test_without_events_there_is_a_reason() -> None:
    ratio, _ = hazard_ratio(np.array([5.0, 6.0]), np.array([False, False]), np.array([False, True]))
    assert np.isnan(ratio.estimate)
    assert "both groups at risk" in ratio.note


def test_limits_of_a_survival_curve_stay_inside() -> None:
    curve = kaplan_meier(np.arange(1.0, 7.0), [True, True, False, True, True, True])
    low, high = curve.interval()
    inside = (curve.survival > 0) & (curve.survival < 1)
    assert np.all((low[inside] > 0) & (low[inside] < curve.survival[inside]) & (curve.survival[inside] < high[inside]) & (high[inside] < 1))
    assert np.isnan(low[~inside]).all()
    # At 1/2 after 3 of 6 events: exp(-exp(ln(-ln 0.5) +- 1.96 x se / (0.5 x ln 2))).
    whole = kaplan_meier(np.arange(1.0, 7.0), np.ones(6, bool))
    half = 1.959964 * np.sqrt(0.25 / 6.0) / (0.5 * np.log(2.0))
    assert whole.interval()[0][2] == pytest.approx(0.5 ** np.exp(half))
