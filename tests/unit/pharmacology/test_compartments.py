"""Matrix exponentials and the parameters of individual subjects."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.stats import norm

from abm.config.build import build
from abm.config.compose import compose
from abm.parameters.drug import Drug, Pharmacokinetics, Targets
from abm.pharmacology.compartments import IndividualPk, exponential, individual_parameters
from abm.pharmacology.covariates import host_pharmacokinetics

TYPICAL = Pharmacokinetics(
    scaling="per_kg",
    clearance_l_per_h=6.0,
    central_volume_l=50.0,
    intercompartmental_l_per_h=1.5,
    peripheral_volume_l=20.0,
    absorption_per_h=0.5,
    bioavailability=0.8,
    lag_h=0.25,
    fraction_unbound=0.005,
    tissue_factor=0.5,
    clearance_cv=0.395,
    volume_cv=0.467,
)
SUBJECT = dataclasses.replace(TYPICAL, scaling="per_subject")
NO_TARGETS = Targets(bh3=None, mtorc1=None, stress=None, bim=None, cytotoxic=None)

rate = st.just(0.0) | st.floats(1e-4, 5.0)


@settings(max_examples=100, deadline=None)
@given(off_diagonal=st.lists(rate, min_size=12, max_size=12), drain=st.lists(rate, min_size=4, max_size=4), hours=st.floats(0.0, 40.0))
def test_exponential_agrees_with_scipy_and_is_never_negative(off_diagonal: list[float], drain: list[float], hours: float) -> None:
    generator = np.zeros((4, 4))
    generator[~np.eye(4, dtype=bool)] = off_diagonal
    generator -= np.diag(generator.sum(axis=0) + drain)
    found = exponential(generator[None], hours)[0]
    np.testing.assert_allclose(found, expm(generator * hours), rtol=1e-10, atol=1e-12)
    assert np.all(found >= 0.0)


def test_small_elements_keep_their_relative_accuracy() -> None:
    chain = np.array([[[-2.0, 0.0], [2.0, -3.0]]])
    found = exponential(chain, 100.0)[0]
    # exp(-2 t), exp(-3 t) and their Bateman combination, all far below the rounding of 1.
    expected = [math.exp(-200.0), 2.0 * (math.exp(-200.0) - math.exp(-300.0)), math.exp(-300.0)]
    np.testing.assert_allclose([found[0, 0], found[1, 0], found[1, 1]], expected, rtol=1e-12)
    assert found[0, 1] == 0.0


def test_exponential_over_no_time_is_the_identity() -> None:
    assert np.array_equal(exponential(np.array([[[-2.0, 1.0], [2.0, -3.0]]]), 0.0)[0], np.eye(2))


def test_each_exponential_depends_on_its_own_matrix_only() -> None:
    rng = np.random.default_rng(3)
    many = rng.uniform(0.0, 3.0, (57, 5, 5)) * 10.0 ** rng.uniform(-3.0, 1.0, (57, 1, 1))
    many -= np.eye(5) * many.sum(axis=1, keepdims=True)
    together = exponential(many, 7.0)
    for index in (0, 13, 56):
        assert np.array_equal(exponential(many[index : index + 1], 7.0)[0], together[index])


def test_typical_subject_has_the_parameters_scaled_by_weight() -> None:
    mouse = build(compose([])).host
    drug = Drug(label="", matrix="plasma", molar_mass_g_per_mol=500.0, pharmacokinetics={"mouse": TYPICAL}, targets=NO_TARGETS)
    one = individual_parameters(host_pharmacokinetics(drug, dataclasses.replace(mouse, weight_kg=0.025)), np.zeros((1, 2)))
    assert {name: float(value[0]) for name, value in one.items()} == {
        "clearance_l_per_h": 6.0 * 0.025,
        "central_volume_l": 50.0 * 0.025,
        "intercompartmental_l_per_h": 1.5 * 0.025,
        "peripheral_volume_l": 20.0 * 0.025,
        "absorption_per_h": 0.5,
        "bioavailability": 0.8,
        "lag_h": 0.25,
    }
    per_subject = individual_parameters(dataclasses.replace(SUBJECT, absorption_per_h=None), np.zeros((1, 2)))
    assert per_subject["clearance_l_per_h"][0] == 6.0
    assert np.isnan(per_subject["absorption_per_h"][0])


def test_subjects_vary_log_normally_around_the_median() -> None:
    z = norm.ppf((np.arange(20_001) + 0.5) / 20_001)
    many = individual_parameters(SUBJECT, np.stack([z, -z], axis=1))
    for name, median, cv in (("clearance_l_per_h", 6.0, 0.395), ("central_volume_l", 50.0, 0.467)):
        assert np.median(many[name]) == pytest.approx(median, rel=1e-12)
        assert np.std(many[name]) / np.mean(many[name]) == pytest.approx(cv, rel=2e-3)
        assert np.mean(many[name]) == pytest.approx(median * math.sqrt(1.0 + cv**2), rel=1e-3)
    assert np.all(np.diff(many["clearance_l_per_h"]) > 0.0)
    assert np.all(np.diff(many["central_volume_l"]) < 0.0)


def test_stack_joins_drugs_and_allows_none() -> None:
    one = individual_parameters(SUBJECT, np.zeros((4, 2)))
    assert IndividualPk.stack([one, one, one], rows=4).lag_h.shape == (4, 3)
    assert IndividualPk.stack([], rows=4).lag_h.shape == (4, 0)
