"""In how many batches a trial runs: an arm at a time where that shares the program of the lead-in at little cost."""

from __future__ import annotations

import dataclasses

import pytest

from abm.parameters.experiment import Experiment
from abm.studies.grids import trial_batches
from tests.small_trial import small_experiment


def trial(days: float, design: str = "twin") -> Experiment:
    """Two arms on one device; steps of an hour."""
    base = small_experiment(devices=1)
    cohort, calendar = dataclasses.replace(base.cohort, design=design), dataclasses.replace(base.trial, treatment_days=days, follow_up_days=days)
    return dataclasses.replace(base, cohort=cohort, trial=calendar)


@pytest.mark.parametrize(
    ("days", "design", "rows", "batches"),
    [
        (20.0, "twin", 4, 2),  # short
        (100.0, "twin", 4, 1),  # long, on processors that few subjects do not fill
        (100.0, "twin", 16, 2),  # long, and an arm fills them
        (20.0, "parallel", 4, 1),  # the lead-in has the rows of all arms
    ],
)
def test_short_trials_and_large_ones_run_an_arm_at_a_time(days: float, design: str, rows: int, batches: int) -> None:
    assert trial_batches(trial(days, design), rows) == batches
