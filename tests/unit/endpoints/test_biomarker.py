"""ROC curves whose area is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from abm.endpoints.biomarker import roc, telling_response
from abm.errors import InputError
from tests import false_alarm
from tests.unit.endpoints import patients


def test_separable_scores_have_area_1_and_the_cut_off_between() -> None:
    curve = roc([0.1, 0.2, 0.3, 0.8, 0.9], [False, False, False, True, True])
    assert (curve.area, curve.standard_error, curve.threshold[curve.cutoff]) == (1.0, 0.0, 0.8)
    assert curve.interval() == (1.0, 1.0)


def test_equal_scores_have_area_one_half() -> None:
    curve = roc([1.0, 1.0, 1.0, 1.0], [False, True, False, True])
    assert (curve.area, curve.standard_error) == (0.5, 0.0)
    assert (curve.sensitivity.tolist(), curve.specificity.tolist()) == ([1.0], [0.0])


def test_the_area_is_mann_and_whitneys_and_that_under_the_curve() -> None:
    rng = np.random.default_rng(5)
    score, hit = np.round(rng.normal(0.0, 1.0, 60), 1), rng.random(60) < 0.4
    score[hit] += 0.5
    curve = roc(score, hit)
    assert curve.area == pytest.approx(mannwhitneyu(score[hit], score[~hit]).statistic / (hit.sum() * (~hit).sum()))
    false, true = np.concatenate([[0.0], 1.0 - curve.specificity]), np.concatenate([[0.0], curve.sensitivity])
    assert np.trapezoid(true, false) == pytest.approx(curve.area)
    assert curve.interval()[0] < curve.area < curve.interval()[1]
    assert roc(-score, hit).area == pytest.approx(1.0 - curve.area)


def test_delongs_variance_by_hand() -> None:
    # Responders 2 and 4, others 1 and 3: wins 1/2 and 1 per responder, 1 and 1/2 per other; variance (1/8 + 1/8) / 2.
    assert roc([2.0, 4.0, 1.0, 3.0], [True, True, False, False]).standard_error == pytest.approx(np.sqrt(0.125))


def test_delongs_error_is_the_spread_of_the_area() -> None:
    rng = np.random.default_rng(8)
    curves = [roc(np.concatenate([rng.normal(0.0, 1.0, 40), rng.normal(0.8, 1.0, 40)]), np.arange(80) >= 40) for _ in range(400)]
    areas = np.array([c.area for c in curves])
    error = float(np.sqrt(np.mean([c.standard_error**2 for c in curves])))
    # DeLong's error is right to about 1 / n; the rest is chance.
    false_alarm.within(areas.std(ddof=1) / error, 1.0, 1.0 / np.sqrt(2.0 * 399.0), allowed=0.04, what="spread over DeLong's error")


def test_all_or_none_is_refused() -> None:
    with pytest.raises(InputError, match="2 of 2 subjects responded"):
        roc([1.0, 2.0], [True, True])


def test_the_response_is_the_first_that_tells_subjects_apart() -> None:
    everyone, known = np.ones((1, 3), bool), np.ones((1, 3), bool)
    mixed = np.array([[True, False, True]])
    assert telling_response({"responded": everyone, "mrd_negative_day_33": mixed}, known) == "mrd_negative_day_33"
    assert telling_response({"complete_remission": mixed, "responded": mixed}, known) == "complete_remission"
    assert telling_response({"responded": everyone}, known) == "responded"
    assert telling_response({}, known) is None


def test_bmf_foretells_remission_where_only_the_competent_clear() -> None:
    days = np.arange(0.0, 71.0, 7.0)
    clears, stays = 0.8 * np.exp(-0.15 * days), np.full(len(days), 0.8)
    of = ("bmf_competent", "bmf_null") * 4
    share = np.stack([np.stack([stays] * 8), np.stack([clears, stays] * 4)])
    _, tables = patients.judged(patients.material(days, share, leukaemias=of))
    vehicle, combination = tables["biomarker"].to_dict("records")
    assert (combination["area"], combination["responders"], combination["cutoff"]) == (1.0, 4, 1.0)
    assert "variance is 0" in combination["note"]
    assert np.isnan(vehicle["area"])
    assert "0 of 8" in vehicle["note"]
    assert set(tables["roc"]["arm"]) == {"combination"}


def test_a_score_of_each_subject_is_used_where_there_is_one() -> None:
    days = np.arange(0.0, 71.0, 7.0)
    share = np.stack([np.stack([0.8 * np.exp(-rate * days) for rate in (0.15, 0.15, 0.0, 0.0)])])
    made = patients.material(days, share, design="parallel")
    assert "biomarker" not in patients.judged(made)[1]  # all have the mean of one leukaemia
    own = dataclasses.replace(made, scores={"bmf_competence": np.array([[0.9, 0.4, 0.6, 0.1]])})
    (line,) = patients.judged(own)[1]["biomarker"].to_dict("records")
    assert (line["area"], line["n"]) == (0.75, 4)
