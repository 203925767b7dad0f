"""Curves, expectations and intervals of a plate of two drugs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from abm.endpoints.dose_matrix import DEFINITIONS, expected, fit_curve, inhibitory_concentration, mean_and_interval, single_agent
from abm.endpoints.synergy import DoseResponse, loewe

DOSES = np.array([0.0, 1.0, 3.0, 10.0, 30.0, 100.0])


def curve_at(curve: DoseResponse, doses: np.ndarray) -> np.ndarray:
    return np.array([curve.survival(float(d)) for d in doses])


@given(st.floats(0.0, 0.7), st.floats(1.5, 60.0), st.floats(0.5, 4.0))
def test_a_curve_without_noise_is_found_again(e_max: float, c: float, h: float) -> None:
    survival = curve_at(DoseResponse(1.0, e_max, c, h), DOSES)
    fitted = fit_curve(DOSES, survival)
    np.testing.assert_allclose(curve_at(fitted, DOSES), survival, atol=2e-4)


def test_half_effect_is_interpolated_in_the_logarithm() -> None:
    assert inhibitory_concentration(np.array([0.0, 10.0, 1000.0]), np.array([1.0, 0.75, 0.25])) == pytest.approx(100.0)
    assert inhibitory_concentration(DOSES, np.full(6, 0.8)) == math.inf
    assert inhibitory_concentration(np.array([0.0, 10.0]), np.array([1.0, 0.2])) == 10.0


def test_independent_drugs_have_no_excess_by_bliss_and_zip() -> None:
    a, b = DoseResponse(1.0, 0.1, 5.0, 1.3), DoseResponse(1.0, 0.4, 20.0, 2.0)
    plate = np.outer(curve_at(a, DOSES), curve_at(b, DOSES))
    found = expected(plate, DOSES, DOSES, single_agent(DOSES, plate[:, 0]), single_agent(DOSES, plate[0]))
    assert set(found) == set(DEFINITIONS)
    for name in DEFINITIONS:
        assert np.isnan(found[name][0]).all()
        assert np.isnan(found[name][:, 0]).all()
    np.testing.assert_allclose(found["bliss"][1:, 1:], plate[1:, 1:], rtol=1e-12)
    np.testing.assert_allclose(found["zip"][1:, 1:], plate[1:, 1:], atol=1e-3)
    np.testing.assert_allclose(found["hsa"][1:, 1:], np.minimum(plate[1:, :1], plate[:1, 1:]), rtol=1e-12)


def test_a_sham_mixture_has_no_excess_by_loewe() -> None:
    drug = DoseResponse(1.0, 0.05, 12.0, 1.5)
    plate = np.array([[drug.survival(float(x + y)) for y in DOSES] for x in DOSES])
    alone = single_agent(DOSES, plate[0])
    found = expected(plate, DOSES, DOSES, alone, alone)
    np.testing.assert_allclose(found["loewe"][1:, 1:], plate[1:, 1:], atol=2e-3)
    assert found["loewe"][3, 3] == pytest.approx(loewe(10.0, 10.0, drug, drug), abs=2e-3)


def test_a_drug_without_an_effect_leaves_that_of_the_other() -> None:
    b = DoseResponse(1.0, 0.2, 10.0, 1.0)
    plate = np.outer(np.ones(6), curve_at(b, DOSES))
    silent, other = single_agent(DOSES, plate[:, 0]), single_agent(DOSES, plate[0])
    assert not silent.has_effect
    assert silent.ic50_nm == math.inf
    found = expected(plate, DOSES, DOSES, silent, other)
    for name in DEFINITIONS:
        np.testing.assert_allclose(found[name][1:, 1:], plate[1:, 1:], atol=1e-3)


def test_two_concentrations_make_no_curve_and_no_expectation_from_curves() -> None:
    plate = np.array([[1.0, 0.8], [0.7, 0.3]])
    doses = np.array([0.0, 10.0])
    found = expected(plate, doses, doses, single_agent(doses, plate[:, 0]), single_agent(doses, plate[0]))
    assert found["bliss"][1, 1] == pytest.approx(0.56)
    assert np.isnan(found["loewe"]).all()
    assert np.isnan(found["zip"]).all()


def test_the_interval_is_that_of_students_test() -> None:
    values = np.array([0.1, 0.3, 0.2, 0.25])
    mean, low, high = mean_and_interval(values[None])
    interval = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (mean[0], low[0], high[0]) == pytest.approx((0.2125, interval.low, interval.high), rel=1e-9)
    assert np.isnan(mean_and_interval(values[:1])[1])
