"""Figures of patients: drawn where they apply, showing what they say."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest
import yaml

from abm.errors import InputError
from abm.figures.clones import kinds, richest
from abm.figures.draw import FIGURES, applicable
from abm.figures.residual_disease import visits
from abm.figures.style import DISCLAIMER
from abm.figures.view import as_view
from abm.output.result import RunResult
from tests.unit.endpoints import patients
from tests.unit.output.synthetic import make_result

CLINICAL = ["overall_survival", "swimmers", "residual_disease", "toxicity", "clone_shares", "clone_genealogy", "biomarker"]


@functools.cache
def run() -> RunResult:
    return patients.result(patients.cohort(subjects=8, years=2.0), (33.0, 78.0))


def drawn_from_a_mix(result: RunResult) -> RunResult:
    """The same, of patients drawn from a mix of leukaemias that begin without subclones."""
    config = yaml.safe_load(result.config_yaml)
    leukaemias = {name: {**leukaemia, "subclones": {}} for name, leukaemia in config["leukaemias"].items()}
    cohort = {**config["cohort"], "mix": dict.fromkeys(leukaemias, 1.0 / len(leukaemias))}
    return dataclasses.replace(result, config_yaml=yaml.safe_dump({**config, "leukaemias": leukaemias, "cohort": cohort}))


@functools.cache
def mice() -> RunResult:
    return make_result(subjects=2, interval=5.0)


def test_patients_get_the_figures_of_the_clinic_and_mice_do_not() -> None:
    assert [name for name in CLINICAL if name in applicable(drawn_from_a_mix(run()))] == [name for name in CLINICAL if name != "toxicity"]
    assert not set(CLINICAL) & set(applicable(mice()))


def test_clones_are_drawn_where_some_arose_and_competence_where_it_was_drawn() -> None:
    """The leukaemias of the library begin with a subclone, which is the second line of the table, and are as many of each as was asked for."""
    assert "clone_shares" in applicable(run())  # a subclone from the start is a visible share
    assert not {"clone_genealogy", "biomarker"} & set(applicable(run()))
    cohort = yaml.safe_load(run().config_yaml)["cohort"]
    varied = dataclasses.replace(run(), config_yaml=yaml.safe_dump({"cohort": {**cohort, "variability": {"bmf_competence": 0.3}}}))
    assert "biomarker" in applicable(varied)
    few = run().series.copy(deep=True)
    few["count"].loc[{"population": "leukaemia_bax_loss"}] = 0
    assert "clone_shares" not in applicable(drawn_from_a_mix(dataclasses.replace(run(), series=few)))


@pytest.mark.parametrize("name", ["event_free_survival", *(name for name in CLINICAL if name != "toxicity")])
def test_a_figure_of_patients_says_what_it_is_not(name: str) -> None:
    said = "\n".join(text.get_text() for text in FIGURES[name](run()).texts)
    assert DISCLAIMER in said
    assert "mice" not in said


@pytest.mark.parametrize("name", CLINICAL)
def test_a_figure_that_does_not_apply_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="this run has no"):
        FIGURES[name](mice())


def test_readings_below_the_limit_are_open_marks_at_the_limit() -> None:
    view = as_view(run())
    assert visits(view) == {33.0: "33", 78.0: "78"}
    figure = FIGURES["residual_disease"](run())
    drawn = sum(len(line.get_xdata()) for axes in figure.axes for line in axes.lines if line.get_marker() == "v")
    negative = sum(int(view.endpoint(f"mrd_negative_day_{day}").sum()) for day in ("33", "78"))
    assert drawn == negative > 0
    levels = {float(y) for axes in figure.axes for line in axes.lines if line.get_marker() == "v" for y in line.get_ydata()}
    assert levels == {1e-4}


def test_kinds_of_clones_fill_the_curve() -> None:
    assert kinds(as_view(run())) == ["founder", "bax_loss"]
    axes = FIGURES["clone_shares"](run()).axes[0]
    top = max(path.vertices[:, 1].max() for area in axes.collections for path in area.get_paths())
    assert top == pytest.approx(max(axes.lines[0].get_ydata()), rel=1e-6)


def test_the_tree_shows_the_subject_with_most_clones() -> None:
    clones = pd.DataFrame(
        {
            "id": [0, 1, 0, 1, 2],
            "parent": [-1, 0, -1, 0, 1],
            "mechanism": ["founder", "a", "founder", "a", "b"],
            "birth_time_days": [-30.0, 3.0, -30.0, 5.0, 9.0],
            "origins": 1,
            "pooled": [False, False, False, False, True],
            "arm": "vehicle",
            "subject": ["patient-001"] * 2 + ["patient-002"] * 3,
            "count": [9, 1, 9, 0, 3],
        }
    )
    made = dataclasses.replace(run(), clones=clones)
    chosen = richest(as_view(made).clones)
    assert chosen is not None
    assert chosen[1] == "patient-002"
    axes = FIGURES["clone_genealogy"](made).axes[0]
    assert [line.get_marker() for line in axes.lines].count("D") == 1
    assert [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() in ("o", "D")] == [-30.0, 9.0, 5.0]


def test_grades_are_counted_per_arm() -> None:
    endpoints = mice().endpoints.copy(deep=True)
    endpoints["neutrophils_ctcae_grade"].values[3] = [4, 4, 3, 0, 0, 0]
    graded = dataclasses.replace(mice(), endpoints=endpoints)
    assert "toxicity" not in applicable(graded)  # the leukaemia lowers counts as well, which the figure says where it is asked for
    assert "crowds out" in "\n".join(text.get_text() for text in FIGURES["toxicity"](graded).texts)
    healthy = graded.series.copy(deep=True)
    healthy["count"].loc[{"population": "leukaemia"}] = 0
    assert applicable(dataclasses.replace(graded, series=healthy)) == ["blood_counts", "toxicity", "concentrations"]
    numbers = [text.get_text() for text in FIGURES["toxicity"](graded).axes[0].texts]
    assert sorted(numbers) == ["1", "2", "3", "6", "6", "6"]


def test_a_roc_curve_starts_at_nothing_and_ends_at_everyone() -> None:
    points = pd.DataFrame({"threshold": [1.0, 0.0], "sensitivity": [0.8, 1.0], "specificity": [0.9, 0.0], "arm": "combination"})
    area = {"area": 0.85, "low": 0.7, "high": 1.0, "cutoff": 1.0, "sensitivity": 0.8, "specificity": 0.9, "responders": 5, "n": 15}
    areas = pd.DataFrame([{"score": "bmf_competence", "response": "responded", "arm": "combination", **area, "note": ""}])
    made = dataclasses.replace(mice(), tables={"roc": points, "biomarker": areas})
    line = FIGURES["biomarker"](made).axes[0].lines[1]
    assert np.asarray(line.get_xdata()).tolist() == pytest.approx([0.0, 10.0, 100.0])
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([0.0, 80.0, 100.0])
