"""Measured values over the figures of a trial, and in its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.figures.blood_counts import blood_counts
from abm.figures.human_cd45 import human_cd45
from abm.figures.measured import NOTE
from abm.output.reader import load
from abm.output.result import RunResult
from abm.output.validate import validate
from abm.output.writer import write_run
from abm.parameters.measured import Measurement
from abm.studies.measured_table import measured_tables
from tests.small_trial import shipped
from tests.unit.output.synthetic import make_result

VALUES = tuple(
    Measurement(arm=arm, leukaemia="bmf_null", subject="m1", day=day, variable=variable, value=value, file="mine.csv", line=2)
    for arm, day, variable, value in [
        ("vehicle", 7.0, "human_cd45_fraction", 0.4),
        ("vehicle", 14.0, "human_cd45_fraction", 0.0),
        ("combination", 14.0, "platelets", 700.0),
    ]
)


@pytest.fixture(scope="module")
def result() -> RunResult:
    made = make_result(subjects=2, interval=4.0)
    return dataclasses.replace(made, tables=measured_tables(dataclasses.replace(shipped("experiment=pdx_trial"), measured=VALUES)))


def points(figure: Any) -> list[tuple[int, float, float]]:
    """(panel, day, height) of every point."""
    found = []
    for i, axes in enumerate(figure.axes):
        for line in axes.lines:
            if line.get_marker() == "o":
                found += [(i, float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
    return found


def test_points_lie_at_the_measured_values_of_their_leukaemia(result: RunResult) -> None:
    figure = human_cd45(result)
    floor = figure.axes[1].get_ylim()[0] * 1.25
    assert points(figure) == [(1, 7.0, 40.0), (1, 14.0, pytest.approx(floor))]
    assert "Measured" in [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert NOTE in "\n".join(text.get_text() for text in figure.texts)


def test_blood_counts_are_shown_as_counted_where_some_were_measured(result: RunResult) -> None:
    assert [(x, y) for _, x, y in points(blood_counts(result))] == [(14.0, 700.0)]
    without = blood_counts(dataclasses.replace(result, tables={}))
    assert points(without) == []
    assert "%" in without.axes[0].get_ylabel()
    assert "%" not in blood_counts(result).axes[0].get_ylabel()


def test_a_file_holds_the_measured_values(result: RunResult, tmp_path: Path) -> None:
    run = load(write_run(result, tmp_path))
    assert validate(run) == []
    table = run.tables["measured"]
    assert list(table["unit"]) == ["1", "1", "1e9/L"]
    np.testing.assert_array_equal(table["value"], [0.4, 0.0, 700.0])


def test_a_trial_without_measured_values_has_no_such_table() -> None:
    assert measured_tables(shipped("experiment=pdx_trial")) == {}
