"""Kaplan-Meier curve and log-rank test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm.endpoints.survival import kaplan_meier, log_rank
from abm.errors import InputError
from abm.verification.cases.trial_statistics import GREENWOOD, PLACEBO, SURVIVAL, TREATED

TIMES = np.array([t for t, _ in PLACEBO + TREATED], float)
OBSERVED = np.array([e for _, e in PLACEBO + TREATED])
SECOND = np.arange(42) >= 21


def test_freireich_1963() -> None:
    curve = kaplan_meier(TIMES[SECOND], OBSERVED[SECOND])
    assert dict(zip(curve.time.astype(int).tolist(), np.round(curve.survival, 4).tolist(), strict=True)) == SURVIVAL
    assert dict(zip(curve.time.astype(int).tolist(), np.round(curve.standard_error, 4).tolist(), strict=True)) == GREENWOOD
    assert curve.median == 23.0
    test = log_rank(TIMES, OBSERVED, SECOND)
    assert (test.observed, test.expected, test.variance) == pytest.approx((9.0, 19.2505, 6.25696), abs=6e-5)
    assert (test.chi_square, test.p) == pytest.approx((16.7929, 4.169e-5), rel=1e-4)
    low, high = test.interval()
    assert low < test.hazard_ratio < high < 1.0


def test_the_same_as_scipy_on_ties_and_censoring() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        time, observed = rng.integers(1, 12, 60).astype(float), rng.random(60) < 0.7
        group = rng.random(60) < 0.5
        ecdf = stats.ecdf(stats.CensoredData.right_censored(time, ~observed)).sf
        curve = kaplan_meier(time, observed)
        assert curve.survival == pytest.approx(ecdf.evaluate(curve.time), rel=1e-12)
        scipy = stats.logrank(*(stats.CensoredData.right_censored(time[g], ~observed[g]) for g in (group, ~group)))
        assert log_rank(time, observed, group).chi_square == pytest.approx(float(scipy.statistic) ** 2, rel=1e-9)


def test_groups_may_be_swapped_and_time_rescaled() -> None:
    first, second = log_rank(TIMES, OBSERVED, SECOND), log_rank(7.0 * TIMES, OBSERVED, ~SECOND)
    assert first.chi_square == pytest.approx(second.chi_square, rel=1e-12)
    assert first.hazard_ratio * second.hazard_ratio == pytest.approx(1.0, rel=1e-12)


def test_nobody_with_an_event_stays_at_one() -> None:
    curve = kaplan_meier([3.0, 5.0], [False, False])
    assert curve.survival.size == 0
    assert np.isnan(curve.median)
    everyone = kaplan_meier([3.0, 5.0], [True, True])
    assert everyone.survival.tolist() == [0.5, 0.0]
    assert everyone.standard_error[-1] == 0.0


def test_input_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="as many of one as of the other"):
        kaplan_meier([1.0, 2.0], [True])
    with pytest.raises(InputError, match="all finite"):
        kaplan_meier([1.0, np.nan], [True, True])
    with pytest.raises(InputError, match="both groups at risk"):
        log_rank([1.0, 2.0], [True, True], [True, True])


def test_size_of_the_test_is_near_its_level() -> None:
    # 2000 trials of 2 x 40 without a difference; 8000 trials elsewhere gave 5.64 +- 0.26 %.
    rng = np.random.default_rng(7)
    group = np.arange(80) < 40
    rejected = 0
    for _ in range(2000):
        time = rng.exponential(10.0, 80)
        rejected += log_rank(np.minimum(time, 24.0), time <= 24.0, group).p < 0.05
    assert 0.035 < rejected / 2000 < 0.075
