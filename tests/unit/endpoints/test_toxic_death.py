"""Deaths of low counts: the law of the published hazard, its part in survival, nothing where counts are normal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from abm.endpoints.registry import Material
from abm.endpoints.toxic_death import daily_hazards, death_of, toxic_deaths
from abm.parameters.clinic import CountHazard
from tests import false_alarm
from tests.unit.endpoints import patients

DAYS = np.arange(0.0, 101.0)
HAZARDS = {
    "infection": CountHazard(readout="neutrophils", below=0.5, per_day=0.01),
    "bleeding": CountHazard(readout="platelets", below=10.0, per_day=0.03),
}


def material(subjects: int, neutrophils: np.ndarray | float, platelets: float = 250.0, share: float = 1e-4) -> Material:
    """Patients in one arm with few blasts and given counts, (days,)."""
    made = patients.material(DAYS, np.full((1, subjects, len(DAYS)), share), neutrophils=neutrophils, platelets=platelets, design="parallel")
    clinic = dataclasses.replace(made.experiment.clinic, toxic_death=HAZARDS)
    return dataclasses.replace(made, experiment=dataclasses.replace(made.experiment, clinic=clinic))


def test_hazards_act_below_their_limits_and_add_up() -> None:
    counts = {"neutrophils": np.array([0.6, 0.5, 0.4]), "platelets": np.array([5.0, 50.0, 5.0])}
    assert daily_hazards(counts, HAZARDS).tolist() == [[0.0, 0.0, 0.01], [0.03, 0.0, 0.03]]


def test_a_death_lies_where_the_integrated_hazard_reaches_the_draw() -> None:
    hazards = np.array([[0.0, 0.2, 0.0, 0.4, 0.0], [0.0, 0.0, 0.0, 0.4, 0.0]])
    times = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    assert death_of(times, hazards, float(np.exp(-0.1)), 0.9) == (pytest.approx(1.5), 0)
    assert death_of(times, hazards, float(np.exp(-0.6)), 0.4) == (pytest.approx(4.5), 0)
    assert death_of(times, hazards, float(np.exp(-0.6)), 0.6) == (pytest.approx(4.5), 1)
    assert death_of(times, hazards, float(np.exp(-1.01)), 0.6) == (np.inf, -1)


def test_deaths_of_many_follow_the_published_hazard() -> None:
    """Thirty days below 0.5e9/L at 0.01 a day kill 1 - exp(-0.3), all within these days."""
    found = toxic_deaths(material(4000, np.where((DAYS >= 10.0) & (DAYS < 40.0), 0.2, 3.0)))
    died = np.isfinite(found.day)
    false_alarm.proportion(int(died.sum()), died.size, 1.0 - float(np.exp(-0.3)))
    assert found.day[died].min() > 10.0
    assert found.day[died].max() < 40.0
    assert set(found.cause[died]) == {"infection"}


def test_normal_counts_and_a_clinic_without_hazards_kill_nobody() -> None:
    assert not np.isfinite(toxic_deaths(material(50, 3.0)).day).any()
    made = material(50, 0.01, 5.0)
    none = dataclasses.replace(made, experiment=dataclasses.replace(made.experiment, clinic=dataclasses.replace(made.experiment.clinic, toxic_death={})))
    assert not np.isfinite(toxic_deaths(none).day).any()


def test_a_death_ends_event_free_and_overall_survival_and_nobody_is_judged_after_it() -> None:
    made = material(200, np.where(DAYS < 60.0, 0.2, 3.0), 5.0)
    endpoints, _ = patients.judged(made)
    day = endpoints["toxic_death_day"].values[0]
    died = np.isfinite(day)
    assert 0 < died.sum() < 200
    assert set(endpoints["event_kind"].values[0][died]) == {"toxic_death"}
    np.testing.assert_array_equal(endpoints["event_day"].values[0][died], day[died])
    np.testing.assert_array_equal(endpoints["overall_survival_day"].values[0][died], day[died])
    assert endpoints["overall_survival_observed"].values[0][died].all()
    assert not endpoints["remission"].values[0][day < 60.0].any()
    assert set(endpoints["toxic_death_cause"].values[0][~died]) == {""}


def test_what_happens_before_a_relapse_counts_and_what_happens_after_it_is_in_the_law_of_survival() -> None:
    made = material(200, np.where(DAYS < 50.0, 3.0, 0.1), 250.0)
    back = np.where(DAYS < 40.0, 1e-4, 0.5)
    made.series["blast_fraction"].values[:] = back
    endpoints, _ = patients.judged(made)
    assert set(endpoints["event_kind"].values.ravel()) == {"relapse"}
    assert not np.isfinite(endpoints["toxic_death_day"].values).any()
