"""Tables of the cohort: what is counted, what is refused, and that the file holds them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

import abm
from abm.endpoints.registry import all_tables, groups
from abm.endpoints.survival import kaplan_meier, log_rank
from abm.output.validate import validate
from abm.output.writer import write_run
from tests.unit.endpoints import patients


def test_twins_are_paired_and_a_log_rank_test_is_refused() -> None:
    _, tables = patients.judged(patients.cohort(subjects=8))
    contrasts = tables["contrasts"]
    refused = contrasts[contrasts["method"] == "hazard ratio (log-rank)"]
    assert len(refused) == 6  # event-free and overall survival of two leukaemias and of all
    assert refused["estimate"].isna().all()
    assert refused["note"].str.contains("twins").all()
    assert "power of the log-rank test" not in set(contrasts["method"])


def test_parallel_arms_get_the_hazard_ratio_of_the_log_rank_test() -> None:
    endpoints, tables = patients.judged(patients.cohort(subjects=30, design="parallel"))
    contrasts = tables["contrasts"].set_index(["endpoint", "group", "method"])
    line = contrasts.loc[("event_free_survival", "all", "hazard ratio (log-rank)")]
    days, seen = endpoints["event_day"].values, endpoints["event_observed"].values
    test = log_rank(days.ravel(), seen.ravel(), np.repeat([False, True], 30))
    assert (line["estimate"], line["p"], line["n"]) == (pytest.approx(test.hazard_ratio), pytest.approx(test.p), 60)
    assert 0.0 < contrasts.loc[("event_free_survival", "all", "power of the log-rank test")]["estimate"] < 1.0
    assert "share of pairs larger (sign test)" not in set(tables["contrasts"]["method"])


def test_rates_have_clopper_and_pearsons_limits() -> None:
    days = np.arange(0.0, 71.0, 7.0)
    share = np.where(np.arange(10)[:, None] < 3, 0.8 * np.exp(-0.15 * days), 0.8)[None]
    _, tables = patients.judged(patients.material(days, share, design="parallel"))
    rates = tables["responses"].set_index("response")
    assert rates.loc["complete_remission", ["n", "of", "share"]].tolist() == [3, 10, 0.3]
    assert rates.loc["complete_remission", ["low", "high"]].tolist() == pytest.approx([beta.ppf(0.025, 3, 8), beta.ppf(0.975, 4, 7)])


def test_curves_are_those_of_kaplan_and_meier() -> None:
    endpoints, tables = patients.judged(patients.cohort(subjects=10))
    table = tables["survival"]
    own = table[(table["endpoint"] == "event_free_survival") & (table["group"] == "all") & (table["arm"] == "vehicle")]
    curve = kaplan_meier(endpoints["event_day"].values[0], endpoints["event_observed"].values[0])
    np.testing.assert_array_equal(own["survival"], curve.survival)
    assert table.attrs["units"]["time"] == "d"
    sources = dict(zip(tables["survival_summary"]["endpoint"], tables["survival_summary"]["source"], strict=True))
    assert sources == {
        "event_free_survival": "simulated, deaths of low counts external",
        "overall_survival": "external after the event, deaths of low counts external",
    }


def test_subjects_who_were_never_randomised_are_not_counted() -> None:
    made = patients.cohort(subjects=6)
    endpoints, _ = patients.judged(made)
    missing = endpoints["event_day"].copy()
    missing[:, 0] = np.nan
    tables = all_tables(made, endpoints.assign(event_day=missing))
    assert set(tables["responses"].query("group == 'all'")["of"]) == {5}
    assert set(tables["survival_summary"].query("group == 'all'")["n"]) == {5}


def test_one_leukaemia_is_one_group() -> None:
    endpoints, _ = patients.judged(patients.material(np.array([0.0, 7.0]), np.full((2, 3, 2), 0.5)))
    assert list(groups(endpoints)) == ["bmf_competent"]


def test_a_file_with_all_of_it_is_valid(tmp_path: Path) -> None:
    days = np.arange(0.0, 200.0, 7.0)
    rates = np.array([[0.02, 0.1, 0.2, 0.3], [0.3, 0.2, 0.1, 0.05]])[..., None]
    visits = (35.0, 77.0)
    made = patients.material(days, 0.8 * np.exp(-rates * days), leukaemias=("bmf_competent", "bmf_null") * 2, mrd_days=visits)
    result = patients.result(made, visits)
    statistics = {"responses": result.tables["responses"].to_dict("records")}
    run = abm.load(write_run(dataclasses.replace(result, summary={"statistics": statistics}), tmp_path))
    assert validate(run) == []
    assert {"contrasts", "survival_summary", "responses"} <= set(run.tables)
    assert run.endpoints["mrd_negative_day_77"].dtype == bool
    assert len(run.summary["statistics"]["responses"]) == len(run.tables["responses"])
