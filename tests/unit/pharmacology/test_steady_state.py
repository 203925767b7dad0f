"""Steady state against the superposition of very many earlier doses in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from abm.pharmacology.regimen import Dose
from tests.unit.pharmacology.closed_forms import EVEROLIMUS, MOLAR_MASS, PACLITAXEL, VENETOCLAX, Model, concentration, plan_for, single

GRID_H = np.arange(0.0, 72.0 + 1e-9, 3.0)
EARLIER = 1000
"""Earlier doses of the comparison; half-lives are a few intervals, so that what is left out is below 1e-15."""
ONE_COMPARTMENT = Model(cl=5.0, v1=40.0, f=0.7, lag=1.5)

CASES = {
    "oral, at the start": (EVEROLIMUS, 0.0, 24.0, 0.0),
    "oral with lag, at the start": (VENETOCLAX, 0.0, 24.0, 0.0),
    "oral with lag, later, between two steps": (VENETOCLAX, 7.3, 12.0, 0.0),
    "infusion, at the start": (PACLITAXEL, 0.0, 24.0, 3.0),
    "infusion, later": (PACLITAXEL, 9.0, 48.0, 4.5),
    "bolus with lag": (ONE_COMPARTMENT, 6.0, 8.0, 0.0),
    "infusion with lag": (ONE_COMPARTMENT, 0.0, 8.0, 5.0),
}


@pytest.mark.parametrize("case", CASES)
def test_steady_state_is_that_of_infinitely_many_earlier_doses(case: str) -> None:
    model, start_h, interval_h, duration_h = CASES[case]
    dose = Dose(start_h / 24.0, "drug", 10.0, duration_h / 24.0)
    later = Dose((start_h + interval_h) / 24.0, "drug", 10.0, duration_h / 24.0)
    earlier = [dose._replace(time_days=(start_h - k * interval_h) / 24.0) for k in range(1, EARLIER)]
    after = start_h - 1e-9 <= GRID_H
    expected = concentration(model, [*earlier, dose, later], GRID_H)[after]
    got = single(model, [dose._replace(steady_interval_days=interval_h / 24.0), later], GRID_H).conc[after, 0, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def trough(model: Model, interval_h: float, duration_h: float) -> float:
    """Concentration just before the next of very many doses, nmol/L."""
    given = [Dose(-k * interval_h / 24.0, "drug", 10.0, duration_h / 24.0) for k in range(1, EARLIER)]
    return float(concentration(model, given, np.array([model.lag]))[0]) * 1e6 / MOLAR_MASS


@pytest.mark.parametrize("case", CASES)
def test_the_trough_before_the_first_dose_is_that_of_the_steady_state(case: str) -> None:
    """A lag moves dose and trough alike, so that the dose enters when the trough is reached."""
    model, start_h, interval_h, duration_h = CASES[case]
    dose = Dose(start_h / 24.0, "drug", 10.0, duration_h / 24.0, interval_h / 24.0)
    found = single(model, [dose], GRID_H)
    first = found.before[found.dosed[:, 0, 0], 0, 0]
    if len(first) == 0:  # a bolus at the very beginning is part of the state there
        plan = plan_for([[model]], [[dose]], GRID_H, track_of_row=[0], drugs=["drug"])
        first = np.asarray(plan.initial_trough)[0]
    np.testing.assert_allclose(first, [trough(model, interval_h, duration_h)], rtol=1e-9)


def test_before_the_first_dose_there_is_nothing() -> None:
    found = single(EVEROLIMUS, [Dose(1.0, "drug", 10.0, 0.0, 1.0)], GRID_H)
    assert np.all(found.conc[GRID_H < 24.0] == 0.0)
    assert np.all(found.conc[GRID_H >= 24.0] > 0.0)
    assert found.dosed.sum() == 1


def test_a_steady_state_leaves_other_drugs_and_tracks_alone() -> None:
    """A drug that is never eliminated has no steady state, and none is asked for."""
    kept = Model(cl=0.0, v1=10.0)
    doses = [(Dose(0.0, "a", 1.0, 0.0, 1.0), Dose(0.0, "b", 1.0, 0.0)), (Dose(0.0, "a", 1.0, 0.0),)]
    plan = plan_for([[EVEROLIMUS, kept]] * 2, doses, GRID_H, track_of_row=[0, 1], drugs=["a", "b"])
    without = plan_for(
        [[EVEROLIMUS, kept]] * 2, [(doses[0][0]._replace(steady_interval_days=0.0), doses[0][1]), doses[1]], GRID_H, track_of_row=[0, 1], drugs=["a", "b"]
    )
    np.testing.assert_array_equal(plan.initial_state[1], without.initial_state[1])
    np.testing.assert_array_equal(plan.initial_state[0, 1], without.initial_state[0, 1])
    assert plan.initial_state[0, 0].sum() > without.initial_state[0, 0].sum()


def test_a_drug_that_accumulates_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="no steady state"):
        single(Model(cl=0.0, v1=10.0), [Dose(0.0, "drug", 1.0, 0.0, 1.0)], GRID_H)


def test_an_infusion_that_goes_on_when_the_next_dose_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="must end before the next dose"):
        single(ONE_COMPARTMENT._replace(lag=4.0), [Dose(0.0, "drug", 1.0, 6.0 / 24.0, 8.0 / 24.0)], GRID_H)


def test_a_lag_as_long_as_the_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="must be shorter than the interval"):
        single(ONE_COMPARTMENT._replace(lag=8.0), [Dose(0.0, "drug", 1.0, 0.0, 8.0 / 24.0)], GRID_H)
