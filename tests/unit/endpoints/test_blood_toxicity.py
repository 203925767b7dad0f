"""Grades of blood counts: absolute in man, relative in the mouse; nadir, recovery, days at grade 3 or more."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import xarray as xr

from abm.config.build import plain
from abm.config.compose import compose
from abm.config.schema import read_record
from abm.endpoints.blood_toxicity import blood_toxicity, ctcae_grade, days_below, healthy_counts, scaled_limits
from abm.parameters.experiment import Experiment
from abm.parameters.lineage import Lineage
from abm.parameters.toxicity import Toxicity


@functools.cache
def everything() -> Experiment:
    """The default experiment with the library of both species."""
    problems: list[str] = []
    experiment = read_record(Experiment, plain(compose([])), "", problems)
    assert experiment is not None, problems
    return experiment


def criteria() -> Toxicity:
    found = everything().toxicity
    assert found is not None
    return found


def of_species(species: str) -> dict[str, Lineage]:
    return {name: lineage for name, lineage in everything().lineages.items() if lineage.species == species}


# Counts just below every limit of CTCAE v5, typed in from the criteria.
BELOW = {
    "neutrophils": [1.99, 1.49, 0.99, 0.49],
    "platelets": [149.0, 74.9, 49.9, 24.9],
    "haemoglobin": [119.0, 99.9, 79.9],
    "lymphocytes": [0.99, 0.79, 0.49, 0.19],
    "leukocytes": [3.99, 2.99, 1.99, 0.99],
}


@pytest.mark.parametrize("name", BELOW)
def test_grades_in_man_are_absolute(name: str) -> None:
    for healthy in (1.0, healthy_counts(of_species("human"))[name]):
        limits = scaled_limits(criteria().counts[name], "human", healthy)
        np.testing.assert_array_equal(ctcae_grade(np.array(BELOW[name]), limits), np.arange(1, len(BELOW[name]) + 1))
    assert ctcae_grade(np.array([healthy_counts(of_species("human"))[name]]), limits) == 0


@pytest.mark.parametrize("name", ["neutrophils", "platelets", "haemoglobin"])
def test_grades_in_a_mouse_mean_the_same_relative_loss(name: str) -> None:
    healthy = healthy_counts(of_species("mouse"))[name]
    limits = scaled_limits(criteria().counts[name], "mouse", healthy)
    loss = np.array(BELOW[name]) / criteria().counts[name].healthy
    np.testing.assert_array_equal(ctcae_grade(healthy * loss, limits), np.arange(1, len(loss) + 1))
    assert ctcae_grade(np.array([healthy]), limits) == 0


def test_days_below_a_limit() -> None:
    count = np.array([[2.0, 0.9, 0.8, 1.5, 0.7], [2.0] * 5])
    np.testing.assert_array_equal(days_below(count, np.array([0.0, 1.0, 3.0, 4.0, 6.0]), 1.0), [3.0, 0.0])


def test_human_counts_add_up() -> None:
    counts = healthy_counts(of_species("human"))
    assert counts["lymphocytes"] == pytest.approx(2.0)
    assert counts["leukocytes"] == pytest.approx(6.6, abs=0.2)
    assert "leukocytes" not in healthy_counts(of_species("mouse"))


def test_a_course_of_a_patient() -> None:
    neutrophils = of_species("human")["human_neutrophil"]
    days = np.arange(6.0)
    curves = np.array([[[4.0, 2.0, 0.9, 0.4, 2.0, 3.8]], [[4.0, 4.0, 4.0, 4.0, 4.0, 4.0]]])
    series = xr.Dataset(
        {"neutrophils": (("arm", "subject", "time"), curves, {"units": "1e9/L"})}, coords={"arm": ["drug", "vehicle"], "subject": ["a"], "time": days}
    )
    found = blood_toxicity(series, {"n": neutrophils}, "vehicle", criteria()).isel(arm=0, subject=0)
    expected = {"nadir_percent": 10.0, "nadir_day": 3.0, "nadir": 0.4, "recovery_day": 5.0, "ctcae_grade": 4, "grade_3_days": 2.0}
    assert {name: float(found[f"neutrophils_{name}"]) for name in expected} == pytest.approx(expected)
    assert found["neutrophils_nadir"].attrs["units"] == "1e9/L"
    without = blood_toxicity(series, {"n": neutrophils}, "vehicle", None)
    assert "neutrophils_ctcae_grade" not in without
    unknown = dataclasses.replace(criteria(), counts={})
    assert "neutrophils_grade_3_days" not in blood_toxicity(series, {"n": neutrophils}, None, unknown)
