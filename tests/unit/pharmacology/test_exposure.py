"""Concentrations against closed forms and published tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.pharmacology.regimen import Dose
from tests.unit.pharmacology.closed_forms import EVEROLIMUS, PACLITAXEL, VENETOCLAX, Array, Model, after_one_mg, concentration, every, single

ONE = Model(2.0, 20.0)
ORAL = ONE._replace(ka=0.7)
EQUAL = Model(2.0, 20.0, ka=0.1)
FLIP_FLOP = ONE._replace(ka=0.01)
LAGGED = EVEROLIMUS._replace(lag=0.37, f=0.6)
MODELS = [ONE, ORAL, EQUAL, FLIP_FLOP, EVEROLIMUS, PACLITAXEL, VENETOCLAX, LAGGED]
NAMES = ["bolus", "oral", "oral_ka_is_ke", "flip_flop", "two_oral", "two_bolus", "two_oral_lag", "two_oral_lag_f"]
GRIDS = {
    "quarter_hour": np.arange(0.0, 96.0 + 0.1, 0.25),
    "third_hour": np.arange(0, 289) / 3.0,
    "hour": np.arange(0.0, 97.0),
    "day": np.arange(0.0, 97.0, 24.0),
    "irregular": np.concatenate([[0.0], np.sort(np.random.default_rng(5).uniform(0.01, 96.0, 60)), [96.0]]),
}
DOSES = (*every(7.3, 9, 3.0, start_h=0.0), *every(24.0, 4, 10.0, start_h=1.0 / 7.0), *every(24.0, 4, 10.0))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_concentration_is_the_closed_form_on_any_grid(model: Model, grid: str) -> None:
    expected = concentration(model, DOSES, GRIDS[grid])
    found = single(model, DOSES, GRIDS[grid]).conc[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("model", [ONE, PACLITAXEL], ids=["one", "two"])
def test_infusions_are_the_closed_form_on_any_grid(model: Model, grid: str) -> None:
    doses = (*every(24.0, 4, 10.0, duration_h=3.0), *every(24.0, 3, 5.0, duration_h=0.4, start_h=5.3), Dose(0.7, "drug", 30.0, 49.0 / 24.0))
    expected = concentration(model, doses, GRIDS[grid])
    np.testing.assert_allclose(single(model, doses, GRIDS[grid]).conc[:, 0, 0], expected, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("duration_h", [0.0, 0.4, 30.0])
@pytest.mark.parametrize("model", [ONE, ORAL, EQUAL, EVEROLIMUS, PACLITAXEL], ids=["one", "oral", "ka_is_ke", "two_oral", "two"])
def test_mean_over_a_step_is_the_average_of_the_concentration(model: Model, duration_h: float) -> None:
    doses = every(24.0, 3, 10.0, start_h=5.0 / 3.0, duration_h=duration_h)
    fine, coarse = np.linspace(0.0, 72.0, 72 * 6 + 1), GRIDS["irregular"][GRIDS["irregular"] <= 72.0]
    auc = np.concatenate([[0.0], np.cumsum(single(model, doses, fine).mean[:, 0, 0] / 6.0)])
    means = single(model, doses, coarse).mean[:, 0, 0]
    # Both are exact, so a coarse step must hold the same area, here read off on the union of both.
    merged = np.unique(np.concatenate([fine, coarse]))
    parts = single(model, doses, merged).mean[:, 0, 0] * np.diff(merged)
    area = np.concatenate([[0.0], np.cumsum(parts)])
    np.testing.assert_allclose(means * np.diff(coarse), np.diff(np.interp(coarse, merged, area)), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(np.interp(fine, merged, area), auc, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("t_h", [0.25, 1.0, 24.0])
def test_mean_over_a_step_is_the_integral_of_the_closed_form(t_h: float) -> None:
    course = single(EVEROLIMUS, every(24.0, 1, 10.0), np.array([0.0, t_h]))
    nodes, weights = np.polynomial.legendre.leggauss(120)
    expected = np.sum(weights / 2.0 * concentration(EVEROLIMUS, every(24.0, 1, 10.0), (nodes + 1.0) * t_h / 2.0))
    assert course.mean[0, 0, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_total_exposure_is_dose_over_clearance(model: Model) -> None:
    grid = np.arange(0.0, 24.0 * 220.0, 24.0)
    course = single(model, DOSES, grid)
    expected = model.f * sum(dose.amount_mg for dose in DOSES) / model.cl
    assert course.mean[:, 0, 0].sum() * 24.0 == pytest.approx(expected, rel=1e-9)


def test_accumulation_at_steady_state() -> None:
    interval = 8.0
    grid = np.arange(0.0, 60.0 * interval + 1.0, interval)
    course = single(ONE, every(interval, 61, 5.0), grid)
    ke = ONE.cl / ONE.v1
    assert course.conc[-1, 0, 0] / course.conc[0, 0, 0] == pytest.approx(1.0 / -np.expm1(-ke * interval), rel=1e-12)
    assert course.before[-1, 0, 0] == pytest.approx(course.conc[-1, 0, 0] - 5.0 / ONE.v1, rel=1e-12)
    assert course.mean[-1, 0, 0] * interval == pytest.approx(5.0 / ONE.cl, rel=1e-12)


def maximum(model: Model, doses: tuple[Dose, ...], start_h: float, stop_h: float) -> tuple[float, float]:
    grid = np.concatenate([[0.0] if start_h > 0.0 else [], np.linspace(start_h, stop_h, 8_001)])
    conc = single(model, doses, grid).conc[:, 0, 0]
    return float(conc[-8_001:].max()), float(grid[-8_001:][conc[-8_001:].argmax()] - start_h)


def test_everolimus_table() -> None:
    doses = every(24.0, 30, 10.0)
    first = single(EVEROLIMUS, doses, np.array([0.0, 24.0]))
    peak, at = maximum(EVEROLIMUS, doses, 0.0, 23.9)
    assert peak * 1000.0 == pytest.approx(61.76, abs=0.005)
    assert at == pytest.approx(0.736, abs=0.003)
    # The bolus of day 2 enters the depot, so the concentration at 24 h is that of day 1.
    assert first.conc[-1, 0, 0] * 1000.0 == pytest.approx(6.809, abs=0.0005)
    steady = single(EVEROLIMUS, doses, np.arange(0.0, 24.0 * 30.0 + 1.0, 24.0))
    assert maximum(EVEROLIMUS, doses, 24.0 * 29.0, 24.0 * 29.9)[0] * 1000.0 == pytest.approx(74.35, abs=0.005)
    assert steady.conc[-1, 0, 0] * 1000.0 == pytest.approx(12.880, abs=0.0005)
    assert steady.mean[-1, 0, 0] * 24.0 * 1000.0 == pytest.approx(574.71, abs=0.005)
    assert steady.mean[-1, 0, 0] / steady.mean[0, 0, 0] == pytest.approx(1.6078, abs=5e-5)


def test_paclitaxel_table() -> None:
    doses = every(504.0, 1, 410.0, duration_h=3.0)
    conc = single(PACLITAXEL, doses, np.array([0.0, 3.0, 6.0, 24.0, 48.0, 504.0]))
    np.testing.assert_allclose(conc.conc[1:5, 0, 0], [0.31512, 0.048057, 0.0061514, 4.105e-4], rtol=2e-5)
    assert np.sum(conc.mean[:, 0, 0] * np.diff([0.0, 3.0, 6.0, 24.0, 48.0, 504.0])) == pytest.approx(1.43860, abs=5e-6)


def test_venetoclax_of_the_label() -> None:
    doses = every(24.0, 41, 400.0)
    steady = single(VENETOCLAX, doses, np.arange(0.0, 24.0 * 40.0 + 1.0, 24.0))
    assert steady.mean[-1, 0, 0] * 24.0 == pytest.approx(400.0 / 12.2, rel=1e-6)  # 32.8 mg h/L
    peak, at = maximum(VENETOCLAX, doses, 24.0 * 39.0, 24.0 * 40.0)
    assert peak == pytest.approx(1.94, abs=0.01)
    assert at - VENETOCLAX.lag == pytest.approx(5.5, abs=0.05)
    tail = single(VENETOCLAX, every(24.0, 1, 400.0), np.array([0.0, 200.0, 224.0])).conc[:, 0, 0]
    assert 24.0 * np.log(2.0) / np.log(tail[1] / tail[2]) == pytest.approx(29.0, abs=0.5)


@pytest.mark.parametrize("model", [ONE, ORAL, EVEROLIMUS, VENETOCLAX], ids=["one", "oral", "everolimus", "venetoclax"])
def test_split_and_shifted_doses(model: Model) -> None:
    grid = GRIDS["hour"]
    whole = single(model, every(24.0, 3, 10.0), grid).conc
    halves = single(model, (*every(24.0, 3, 5.0), *every(24.0, 3, 5.0)), grid).conc
    np.testing.assert_allclose(halves, whole, rtol=1e-14, atol=0.0)
    shifted = single(model, every(24.0, 3, 10.0, start_h=5.6), grid + 5.6 * (grid > 0.0)).conc
    np.testing.assert_allclose(shifted[1:], whole[1:], rtol=1e-9, atol=0.0)


def test_infusion_in_two_halves() -> None:
    whole = single(PACLITAXEL, every(24.0, 1, 10.0, duration_h=3.0), GRIDS["hour"]).conc
    halves = (*every(24.0, 1, 5.0, duration_h=1.5), *every(24.0, 1, 5.0, duration_h=1.5, start_h=1.5))
    np.testing.assert_allclose(single(PACLITAXEL, halves, GRIDS["hour"]).conc, whole, rtol=1e-9, atol=0.0)


def test_infusion_into_a_depot_is_the_mean_of_many_oral_doses() -> None:
    t = np.arange(0.0, 25.0)
    starts = (np.arange(4000) + 0.5) / 4000.0 * 2.0
    expected = np.mean([10.0 * after_one_mg(EVEROLIMUS, t - start) for start in starts], axis=0)
    found = single(EVEROLIMUS, every(24.0, 1, 10.0, duration_h=2.0), t).conc[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_a_bolus_counts_at_its_own_moment() -> None:
    course = single(ONE, (Dose(0.0, "drug", 4.0, 0.0), Dose(0.25, "drug", 8.0, 0.0)), np.array([0.0, 3.0, 6.0, 9.0]))
    before = 0.2 * np.exp(-0.6)
    np.testing.assert_allclose(course.conc[[0, 2], 0, 0], [0.2, before + 0.4], rtol=1e-14)
    assert course.dosed[:, 0, 0].tolist() == [False, True, False]
    assert course.before[1, 0, 0] == pytest.approx(before, rel=1e-14)
    assert course.before[2, 0, 0] == course.conc[3, 0, 0]


def test_concentration_before_a_dose_within_a_step() -> None:
    doses = (Dose(0.0, "drug", 4.0, 0.0), Dose(4.5 / 24.0, "drug", 8.0, 0.0), Dose(5.0 / 24.0, "drug", 8.0, 0.5))
    course = single(ONE, doses, np.array([0.0, 3.0, 6.0, 9.0]))
    assert course.before[1, 0, 0] == pytest.approx(0.2 * np.exp(-0.45), rel=1e-13)
    assert course.dosed[:, 0, 0].tolist() == [False, True, False]


def test_doses_on_an_inexact_grid_meet_their_step() -> None:
    grid = np.cumsum(np.full(2400, 0.1))  # 240.0000000000066 h at the end
    doses = every(24.0, 9, 10.0, start_h=24.0)
    course = single(ONE, doses, np.concatenate([[0.0], grid]))
    assert np.flatnonzero(course.dosed[:, 0, 0]).tolist() == [240 * k - 1 for k in range(1, 10)]


@pytest.mark.parametrize(("grid_h", "dose_h"), [([0.0], 0.0), ([0.0, 1.0, 1.0], 0.0), ([0.0, 2.0, 1.0], 0.0), ([1.0, 2.0], 0.5)])
def test_senseless_grids_are_refused(grid_h: list[float], dose_h: float) -> None:
    with pytest.raises(ValueError, match=r"grid needs|before the first time"):
        single(ONE, every(24.0, 1, 1.0, start_h=dose_h), np.array(grid_h))


rates = st.floats(0.01, 50.0)
models = st.builds(
    Model, cl=rates, v1=rates, q=st.just(0.0) | rates, v2=rates, ka=st.none() | st.floats(0.01, 5.0), f=st.floats(0.05, 1.0), lag=st.floats(0.0, 3.0)
)
dose_lists = st.lists(
    st.builds(Dose, st.floats(0.0, 2.5), st.just("drug"), st.floats(0.1, 100.0), st.just(0.0) | st.floats(0.001, 1.0), st.just(0.0)),
    min_size=1,
    max_size=5,
)


def eliminated(model: Model, mean: Array, grid_h: Array) -> Array:
    return np.concatenate([[0.0], model.cl * np.cumsum(mean[:, 0, 0] * np.diff(grid_h))])


@settings(max_examples=40, deadline=None)
@given(model=models, doses=dose_lists)
def test_mass_is_conserved_and_never_negative(model: Model, doses: list[Dose]) -> None:
    grid = np.array([0.0, 1.0, 7.5, 13.0, 24.0, 25.0, 61.0, 90.0])
    course = single(model, doses, grid)
    given_mg = np.zeros(len(grid))
    for dose in doses:
        start = dose.time_days * 24.0 + model.lag
        stop = start + dose.duration_days * 24.0
        share = np.where(grid >= start - 1e-9, 1.0, 0.0) if stop == start else np.clip((grid - start) / (stop - start), 0.0, 1.0)
        given_mg += model.f * dose.amount_mg * share
    found = course.state[:, 0, 0].sum(axis=-1) + eliminated(model, course.mean, grid)
    np.testing.assert_allclose(found, given_mg, rtol=1e-9, atol=1e-9)
    assert np.all(course.state >= 0.0)
    assert np.all(course.mean >= 0.0)


@settings(max_examples=25, deadline=None)
@given(model=models, doses=dose_lists, factor=st.floats(0.01, 100.0))
def test_concentration_is_linear_in_dose(model: Model, doses: list[Dose], factor: float) -> None:
    grid = np.array([0.0, 1.0, 7.5, 24.0, 25.0, 90.0])
    scaled = [dose._replace(amount_mg=factor * dose.amount_mg) for dose in doses]
    np.testing.assert_allclose(single(model, scaled, grid).conc, factor * single(model, doses, grid).conc, rtol=1e-12, atol=1e-300)
