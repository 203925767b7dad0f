"""The linear birth-death process against its exact law, at several steps and numbers of packets.

Every test states n; exact values come from generating functions.  Mean and variance by
Chernoff's bound, extinction by the binomial law, the whole law by the inequality of
Dvoretzky, Kiefer and Wolfowitz and by Pearson's test, all at the level of `tests.false_alarm`.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from abm.verification.exact_branching import branching_law
from abm.verification.tests_of_chance import check_law as check_distance
from abm.verification.tests_of_chance import check_mean, check_variance
from tests.exact_branching import Phases, moments, p_of_chi_square, probabilities
from tests.false_alarm import holds, p_holds, proportion, student
from tests.theory_runs import NEVER, run

GROWTH: Phases = [(60.0, 0.14, 0.13)]
DECLINE: Phases = [(150.0, 0.14, 0.17)]
PULSED: Phases = [(7.0, 0.5, 0.2), (14.0, 0.5, 1.1), (21.0, 0.5, 0.2), (28.0, 0.5, 1.1)]
FAST_OFF_GRID: Phases = [(0.37, 3.0, 0.4), (1.21, 0.2, 2.5), (1.9, 2.0, 2.0)]


def check_law(x: np.ndarray, phases: Phases, n0: int, size: int) -> None:
    """Mean, variance, extinction and the whole distribution; the exact values from two sets of formulas that must agree."""
    p, law = probabilities(phases, n0, size), branching_law(phases, n0)
    mean, variance = moments(phases, n0)
    assert (p @ np.arange(size), law.mean, law.variance) == pytest.approx((mean, mean, variance), rel=1e-9)
    assert np.pad(law.probabilities, (0, size))[:size] == pytest.approx(p, abs=1e-12)
    holds(
        check_mean("mean", x, mean, variance, law.log_moment),
        check_variance("variance", x, law.probabilities),
        check_distance("distance of the law", x, law.probabilities),
    )
    proportion(int((x == 0).sum()), x.size, float(p[0]), what="extinct")
    p_holds(p_of_chi_square(x, p), "Pearson's test")


def final(series: xr.Dataset) -> np.ndarray:
    values: np.ndarray = series["count"].sel(arm="theory", population="cells").isel(time=-1).values
    return values


def test_exact_values_of_the_public_cases() -> None:
    assert moments(GROWTH, 200) == pytest.approx((364.42, 8089.2), rel=2e-5)
    assert moments(DECLINE, 500) == pytest.approx((5.5545, 56.76), rel=1e-4)
    assert moments(PULSED, 20) == pytest.approx((0.29991, 0.96865), rel=2e-5)
    assert probabilities(DECLINE, 500, 1024)[0] == pytest.approx(0.37149, abs=1e-5)
    assert probabilities(PULSED, 20, 1024)[0] == pytest.approx(0.86779, abs=1e-5)


def test_growth_at_the_default_step_with_packing() -> None:
    # n = 1500; 200 cells in 64 packets that are split and merged every day
    series = run("birth_death", {"n0": 200, "phases": GROWTH, "replicates": 1500}, interval_hours=240.0)
    check_law(final(series), GROWTH, 200, 4096)
    # Tallies: the expected births are b times the expected time lived, n0 (e^{gt} - 1) / g.
    growth = (np.exp(0.01 * series["time"].values[-1]) - 1.0) / 0.01
    for tally, rate in (("births", 0.14), ("deaths", 0.13)):
        x = series[tally].isel(time=-1).values.ravel()
        student(x, 200 * rate * growth, what=tally)
    assert np.array_equal(series["time"].values, np.arange(0.0, 61.0, 10.0))


@pytest.mark.parametrize(("dt_hours", "packets", "n"), [(24.0, 8, 8000), (1.0, 64, 3000)])
def test_pulsed_rates(dt_hours: float, packets: int, n: int) -> None:
    series = run("birth_death", {"n0": 20, "phases": PULSED, "replicates": n}, seed=2, dt_hours=dt_hours, packets=packets, packing_hours=NEVER)
    check_law(final(series), PULSED, 20, 1024)
    assert {0.0, 7.0, 14.0, 21.0, 28.0} <= set(series["time"].values.tolist())
    middle = series["count"].sel(time=14.0).values.ravel()
    check_law(middle, PULSED[:2], 20, 1024)


def test_decline_to_extinction_with_few_packets_and_long_steps() -> None:
    # n = 8000; 62 or 63 cells per packet
    series = run("birth_death", {"n0": 500, "phases": DECLINE, "replicates": 8000}, seed=3, dt_hours=24.0 * 7, packets=8, packing_hours=NEVER)
    check_law(final(series), DECLINE, 500, 1024)


def test_fast_rates_whose_phases_end_within_a_step() -> None:
    # n = 8000; the step of a day is cut so that a founder has at most half a birth between two draws
    series = run("birth_death", {"n0": 1, "phases": FAST_OFF_GRID, "replicates": 8000}, seed=4, dt_hours=24.0, packing_hours=NEVER)
    check_law(final(series), FAST_OFF_GRID, 1, 1024)
    assert {0.37, 1.21, 1.9} <= set(series["time"].values.tolist())
