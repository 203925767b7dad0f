"""Null models of two drugs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.endpoints.synergy import DoseResponse, bliss, hsa, loewe, log_interaction, zip_reference
from abm.errors import InputError

A, B = DoseResponse(1.0, 0.0, 1.0, 1.5), DoseResponse(1.0, 0.1, 2.0, 0.8)


def test_public_case() -> None:
    sa, sb = A.survival(0.7), B.survival(1.5)
    assert (sa, sb) == pytest.approx((0.63065, 0.60156), abs=6e-6)
    assert bliss(sa, sb) == pytest.approx(0.37937, abs=6e-6)
    assert hsa(sa, sb) == pytest.approx(0.60156, abs=6e-6)
    assert loewe(0.7, 1.5, A, B) == pytest.approx(0.44050, abs=6e-6)
    assert zip_reference(0.7, 1.5, A, B) == pytest.approx(bliss(sa, sb), rel=1e-14)


@given(st.floats(0.05, 5.0), st.floats(0.05, 5.0), st.floats(0.3, 4.0), st.floats(0.0, 0.6))
def test_a_drug_does_not_interact_with_itself_by_loewe(x: float, y: float, h: float, e_max: float) -> None:
    drug = DoseResponse(1.0, e_max, 1.3, h)
    assert loewe(x, y, drug, drug) == pytest.approx(drug.survival(x + y), abs=1e-9)


def test_bliss_finds_an_interaction_in_a_sham_mixture() -> None:
    drug = DoseResponse(1.0, 0.0, 1.0, 2.0)
    assert loewe(0.6, 0.7, drug, drug) == pytest.approx(0.371747, abs=6e-7)
    assert bliss(drug.survival(0.6), drug.survival(0.7)) == pytest.approx(0.493486, abs=6e-7)


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_loewe_solves_its_equation_and_lies_below_each_drug(x: float, y: float) -> None:
    s = loewe(x, y, A, B)
    assert s <= min(A.survival(x), B.survival(y)) + 1e-9
    if x > 1e-3 and y > 1e-3:
        assert x / A.dose(s) + y / B.dose(s) == pytest.approx(1.0, abs=1e-6)


def test_beyond_the_weaker_drug_the_stronger_acts_alone() -> None:
    weak = DoseResponse(1.0, 0.5, 1.0, 2.0)
    s = loewe(1.0, 8.0, weak, A)
    assert s == pytest.approx(A.survival(8.0), abs=1e-9)
    assert weak.dose(0.4) == math.inf
    assert weak.dose(1.0) == 0.0
    assert loewe(0.0, 8.0, weak, A) == A.survival(8.0)
    assert loewe(1.0, 0.0, weak, A) == weak.survival(1.0)


def test_log_interaction_of_hazards() -> None:
    def s(hazard: float) -> float:
        return math.exp(-3.0 * hazard)

    assert log_interaction(s(0.1), s(0.3), s(0.2), s(0.4)) == pytest.approx(0.0, abs=1e-14)
    assert log_interaction(s(0.1), s(0.3), s(0.2), s(0.45)) == pytest.approx(-0.15, rel=1e-12)


def test_curves_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="different survivals without drug"):
        loewe(1.0, 1.0, A, A._replace(e0=0.9))
    with pytest.raises(InputError, match="must fall"):
        loewe(1.0, 1.0, A, A._replace(e_max=1.1))
