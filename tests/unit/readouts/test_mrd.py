"""Residual disease as an assay reads it: Poisson's law, the limit, whose draw it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm.config.build import build
from abm.config.compose import compose
from abm.errors import InputError
from abm.parameters.clinic import Assay
from abm.readouts.laboratory import Reading, measured
from abm.streams import subject_key
from tests import false_alarm

FLOW = Assay(label="Flow", limit_of_detection=1e-4, cells_assayed=5e5)
KEYS = np.stack([subject_key(7, "patient", i) for i in range(1500)])


def read(share: np.ndarray, assay: Assay, keys: np.ndarray, day: float) -> Reading:
    """Residual disease on a day."""
    return measured(share, assay, keys, "mrd", day)


def test_the_cells_that_are_found_follow_poissons_law() -> None:
    """1500 subjects with 20 leukaemic cells expected among those assayed: the mean, and the share below the limit of 50 (none) and of 20."""
    share = np.full(len(KEYS), 4e-5)
    found = read(share, FLOW, KEYS, 33.0).value * FLOW.cells_assayed
    assert np.allclose(found, np.rint(found))
    false_alarm.events(round(found.sum()), 20.0 * len(KEYS), what="leukaemic cells found")
    near = Assay(label="Near its limit", limit_of_detection=4e-5, cells_assayed=5e5)
    below = read(share, near, KEYS, 33.0).below_limit
    false_alarm.proportion(int(below.sum()), len(KEYS), float(stats.poisson.cdf(19, 20.0)), what="readings below the limit")


def test_a_reading_belongs_to_the_subject_and_the_day() -> None:
    share = np.full(40, 1e-4)
    first, second = read(share, FLOW, KEYS[:40], 33.0), read(share, FLOW, KEYS[:40], 78.0)
    alone = np.concatenate([read(share[:1], FLOW, KEYS[i : i + 1], 33.0).value for i in range(40)])
    np.testing.assert_array_equal(first.value, alone)
    assert not np.array_equal(first.value, second.value)


def test_more_leukaemia_never_reads_lower() -> None:
    shares = np.geomspace(1e-8, 1.0, 60)
    readings = read(shares, FLOW, np.repeat(KEYS[:1], 60, axis=0), 33.0)
    assert np.all(np.diff(readings.value) >= 0.0)
    assert readings.value[-1] <= 1.0
    np.testing.assert_array_equal(readings.below_limit, readings.value < 1e-4)


def test_no_leukaemia_is_negative_and_nobody_is_unknown() -> None:
    reading = read(np.array([0.0, np.nan]), FLOW, KEYS[:2], 33.0)
    assert reading.value[0] == 0.0
    assert np.isnan(reading.value[1])
    assert reading.below_limit.tolist() == [True, False]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("readout.mrd_days=[70]", "day 70 is outside the trial, 0 to 60"),
        ("readout.mrd_days=[3.2]", "must be a multiple of the engine's window"),
        ("readout.mrd_assay=flo", "flow"),
    ],
)
def test_visits_that_make_no_sense_are_refused(override: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        build(compose([override]))


def test_only_the_assay_that_is_used_is_part_of_a_run() -> None:
    assert list(build(compose(["readout.mrd_assay=ngs"])).assays) == ["ngs"]
