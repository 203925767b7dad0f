"""Growth until randomisation against the forecast of it, which integrates the same balance by another scheme."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from abm.calibration.lead_in import body_of, growth_to_start
from abm.engine.devices import configure_jax
from abm.parameters.experiment import Experiment
from abm.records import enable_pytrees
from abm.studies.forecast.randomisation import burden_to_qualify
from tests.small_trial import shipped


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """The default trial whose subjects are looked at without end."""
    configure_jax(None)
    enable_pytrees()
    base = shipped("experiment=pdx_trial")
    return dataclasses.replace(base, engine=dataclasses.replace(base.engine, window_hours=1e-9))


def start(experiment: Experiment, before: list[float]) -> np.ndarray:
    leukaemia = experiment.leukaemias["bmf_competent"]
    return growth_to_start(experiment, body_of([(experiment, leukaemia)]), np.array([experiment.host.expected_founders]), np.array(before))[:, 0]


def test_the_trial_starts_with_the_burden_of_the_forecast(experiment: Experiment) -> None:
    expected = burden_to_qualify(experiment, experiment.leukaemias["bmf_competent"])
    assert start(experiment, [0.0])[0] == pytest.approx(expected, rel=5e-3)


def test_subjects_that_are_looked_at_once_a_window_start_half_a_window_later(experiment: Experiment) -> None:
    at_once, day = start(experiment, [0.0]), 2.0
    windows = dataclasses.replace(experiment, engine=dataclasses.replace(experiment.engine, window_hours=48.0 * day))
    late = start(windows, [-day, 0.0])
    assert late[0] == pytest.approx(at_once[0], rel=1e-9)
    assert late[1] > 1.5 * late[0]


def test_a_trial_that_starts_at_a_burden_starts_there_and_one_that_starts_at_once_with_its_seed(experiment: Experiment) -> None:
    burden = dataclasses.replace(experiment, trial=dataclasses.replace(experiment.trial, start_rule="burden", start_burden_cells=3e7))
    assert start(burden, [0.0])[0] == pytest.approx(3e7, rel=1e-3)
    injection = dataclasses.replace(experiment, trial=dataclasses.replace(experiment.trial, start_rule="injection"))
    np.testing.assert_allclose(start(injection, [-5.0, 0.0]), experiment.host.expected_founders)
