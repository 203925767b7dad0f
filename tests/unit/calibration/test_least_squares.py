"""Descent and intervals where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import norm

from abm.calibration.intervals import CLUSTERS, profile, widening
from abm.calibration.least_squares import minimise

TIMES = np.linspace(0.0, 3.0, 12)
TRUTH = np.array([0.3, 0.7])
DATA = 2.0 * TRUTH[0] * np.exp(-3.0 * TRUTH[1] * TIMES) + 0.05 * np.sin(5.0 * TIMES)


def decay(x: np.ndarray) -> np.ndarray:
    return 20.0 * (2.0 * x[:, :1] * np.exp(-3.0 * x[:, 1:2] * TIMES) - DATA)


def test_descents_reach_the_minimum_of_scipy_and_do_not_touch_one_another() -> None:
    starts = np.array([[0.9, 0.1], [0.05, 0.95], [0.5, 0.5]])
    together = minimise(decay, starts)
    reference = least_squares(lambda x: decay(x[None])[0], [0.5, 0.5], bounds=(0.0, 1.0), xtol=1e-12)
    assert together.converged.all()
    np.testing.assert_allclose(together.x, np.tile(reference.x, (3, 1)), atol=2e-3)
    np.testing.assert_allclose(together.cost, 2.0 * reference.cost, rtol=1e-3)
    np.testing.assert_array_equal(minimise(decay, starts[1:2]).x, together.x[1:2])


def test_a_minimum_beyond_the_range_is_sought_at_its_end_and_a_held_number_stays() -> None:
    def line(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0] - 1.4, x[:, 1] + x[:, 0] - 1.5], axis=1)

    free = minimise(line, np.array([[0.2, 0.1]]))
    np.testing.assert_allclose(free.x, [[1.0, 0.5]], atol=1e-3)
    held = minimise(line, np.array([[0.2, 0.1]]), free=np.array([[False, True]]))
    np.testing.assert_allclose(held.x, [[0.2, 1.0]], atol=1e-3)


def test_the_interval_of_a_linear_problem_is_the_exact_one() -> None:
    design = np.array([[30.0, 0.0, 0.0], [0.0, 20.0, 0.0], [20.0, 20.0, 0.0]])  # the third number changes nothing

    def linear(x: np.ndarray) -> np.ndarray:
        return (x - 0.5) @ design.T

    sd = np.sqrt(np.diag(np.linalg.inv(design[:, :2].T @ design[:, :2])))
    found = profile(linear, np.full(3, 0.5), 0.0, np.arange(3))
    for interval, expected in zip(found, norm.ppf(0.975) * sd, strict=False):
        assert interval.high == pytest.approx(0.5 + expected, rel=0.02)
        assert interval.low == pytest.approx(0.5 - expected, rel=0.02)
        assert interval.verdict == "identified"
    assert (found[2].low, found[2].high) == (0.0, 1.0)
    assert found[2].verdict.startswith("not identified")


def test_values_of_one_subject_that_move_together_widen_the_interval_by_their_number() -> None:
    r = np.where(np.arange(CLUSTERS * 2) % 2 == 0, 1.0, -1.0)
    alone = widening(np.ones((r.size, 1)), r, np.arange(r.size))
    copies = widening(np.ones((r.size * 5, 1)), np.repeat(r, 5), np.repeat(np.arange(r.size), 5))
    assert alone[0] == pytest.approx(1.0, rel=0.1)
    assert copies[0] == pytest.approx(5.0 * r.size / (r.size - 1), rel=1e-9)


def test_scatter_beyond_the_stated_errors_widens_the_interval() -> None:
    assert widening(np.ones((9, 1)), np.full(9, 2.0), np.arange(9))[0] == pytest.approx(36.0 / 8.0)
