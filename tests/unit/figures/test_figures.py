"""Every figure is drawn from a fresh and from a stored run, shows what it says, and degrades with grace."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from scipy.stats import CensoredData, ecdf

from abm.errors import InputError
from abm.figures.draw import FIGURES, applicable, draw_all
from abm.figures.event_free_survival import kaplan_meier
from abm.figures.style import CLAIM, DISCLAIMER, arm_styles
from abm.figures.view import as_view, median_over, quantiles_over
from abm.figures.waterfall import bliss_expectation
from abm.output.reader import load
from abm.output.result import RunResult
from abm.output.writer import write_run
from tests.unit.output.synthetic import ARMS, make_result

TRIAL = ["human_cd45", "waterfall", "event_free_survival", "blood_counts", "cell_state", "concentrations"]


@pytest.fixture(scope="module")
def result() -> RunResult:
    return make_result(subjects=3, interval=2.0)


def footnote(figure: object) -> str:
    return "\n".join(text.get_text() for text in figure.texts)  # type: ignore[attr-defined]


def changed_config(result: RunResult, **parts: object) -> RunResult:
    return dataclasses.replace(result, config_yaml=yaml.safe_dump({**yaml.safe_load(result.config_yaml), **parts}))


def theory_result(values: np.ndarray) -> RunResult:
    time = np.arange(values.shape[2], dtype=float)
    subjects = [str(i) for i in range(values.shape[1])]
    coords = {"arm": [f"a{i}" for i in range(values.shape[0])], "subject": subjects, "time": time, "population": ["cells"]}
    series = xr.Dataset({"count": (("arm", "subject", "time", "population"), values[..., None])}, coords)
    return dataclasses.replace(make_result(subjects=1, interval=20.0), series=series, endpoints=xr.Dataset(), config_yaml="task: theory\n")


def test_a_trial_is_drawn_in_the_figures_that_apply(result: RunResult, tmp_path: Path) -> None:
    assert applicable(result) == TRIAL
    paths = draw_all(result, tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [f"figures/{name}.png" for name in TRIAL]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_stored_run_gives_the_same_figures(result: RunResult, tmp_path: Path) -> None:
    fresh = draw_all(result, tmp_path / "fresh")
    stored = draw_all(load(write_run(result, tmp_path)), tmp_path / "stored")
    assert [p.read_bytes() for p in fresh] == [p.read_bytes() for p in stored]


@pytest.mark.parametrize("name", [*TRIAL, "counts"])
def test_every_figure_says_what_it_is_not(result: RunResult, name: str) -> None:
    assert DISCLAIMER in footnote(FIGURES[name](result))


@pytest.mark.parametrize("name", ["human_cd45", "waterfall", "event_free_survival"])
def test_a_lead_of_the_combination_is_qualified(result: RunResult, name: str) -> None:
    assert CLAIM in footnote(FIGURES[name](result))
    behind = result.endpoints.copy(deep=True)
    behind["log10_reduction_at_end_of_treatment"].values[list(ARMS).index("combination")] = -9.0
    assert CLAIM not in footnote(FIGURES[name](dataclasses.replace(result, endpoints=behind)))


def test_arms_keep_their_colours_in_a_run_with_more_arms(result: RunResult) -> None:
    before = arm_styles(as_view(result))
    again = {"arms": {**{a: {"regimen": a} for a in ARMS}, "repeat": {"regimen": "everolimus"}}}
    more = changed_config(dataclasses.replace(result, series=result.series.reindex(arm=["repeat", *ARMS], fill_value=0)), **again)
    after = arm_styles(as_view(more))
    assert len({style.colour for style in after.values()}) == 5
    for arm in ("vehicle", "venetoclax", "combination"):
        assert after[arm].colour == before[arm].colour
    assert {after["repeat"].label, after["everolimus"].label} == {"Repeat", "Everolimus"}


def test_the_waterfall_shows_every_mouse_and_those_without_a_cell(result: RunResult) -> None:
    endpoints = result.endpoints.copy(deep=True)
    endpoints["log10_reduction_at_end_of_treatment"].values[3, :2] = np.inf
    figure = FIGURES["waterfall"](dataclasses.replace(result, endpoints=endpoints))
    bars = [len(axes.patches) for axes in figure.axes]
    assert bars == [12, 12, 12]
    assert [t.get_text() for t in figure.axes[0].texts].count("0") == 2
    assert "no leukaemic cell left" in footnote(figure)


def test_bliss_adds_log_changes_beyond_the_vehicle(result: RunResult) -> None:
    view = as_view(result)
    change = np.array([[1.0], [0.7], [0.4], [-2.0]])  # vehicle, venetoclax, everolimus, combination
    expected = bliss_expectation(view, change)
    assert expected is not None
    assert expected == pytest.approx(1.0 - 0.3 - 0.6)
    parallel = as_view(changed_config(result, cohort={"design": "parallel"}))
    assert bliss_expectation(parallel, change) is None


def test_survival_agrees_with_scipy() -> None:
    rng = np.random.default_rng(4)
    days, observed = np.round(rng.exponential(20.0, 80)), rng.random(80) < 0.6
    at, probability = kaplan_meier(days, observed)
    reference = ecdf(CensoredData.right_censored(days, ~observed)).sf
    np.testing.assert_array_equal(at[1:], reference.quantiles)
    np.testing.assert_allclose(probability[1:], reference.probabilities, atol=1e-12)


def test_subjects_that_were_never_randomised_are_left_out() -> None:
    result = make_result(subjects=2, interval=5.0, never=2)
    for name in applicable(result):
        FIGURES[name](result).canvas.draw()
    at_risk = [text.get_text() for text in FIGURES["event_free_survival"](result).axes[3].texts]
    assert set(at_risk) <= {"0", "At risk"}


def test_a_theory_run_is_drawn_as_counts(tmp_path: Path) -> None:
    values = np.random.default_rng(2).poisson(50.0, (4, 30, 8))
    result = theory_result(values)
    assert applicable(result) == ["counts"]
    assert [p.name for p in draw_all(result, tmp_path)] == ["counts.png"]
    axes = FIGURES["counts"](result).axes[0]
    assert len(axes.lines) == 4
    np.testing.assert_allclose(axes.lines[0].get_ydata(), values[0].mean(0))


@pytest.mark.parametrize(("values", "scale"), [([100, 10, 1], "log"), ([100, 1, 0], "symlog"), ([12, 11, 10], "linear")])
def test_the_scale_of_counts_follows_the_numbers(values: list[int], scale: str) -> None:
    assert FIGURES["counts"](theory_result(np.array(values)[None, None])).axes[0].get_yscale() == scale


def test_a_figure_that_does_not_apply_says_what_is_missing() -> None:
    result = theory_result(np.ones((1, 1, 2), int))
    for name, missing in (("human_cd45", "human_cd45_fraction"), ("waterfall", "log10_reduction"), ("blood_counts", "neutrophils"), ("cell_state", "mtorc1")):
        with pytest.raises(InputError, match=missing):
            FIGURES[name](result)


def test_without_a_vehicle_blood_counts_refer_to_day_0(result: RunResult) -> None:
    keep = ["venetoclax", "everolimus"]
    alone = dataclasses.replace(result, series=result.series.sel(arm=keep), endpoints=result.endpoints.sel(arm=keep))
    assert "% of day 0" in FIGURES["blood_counts"](alone).axes[0].get_ylabel()
    assert "% of vehicle twin" in FIGURES["blood_counts"](result).axes[0].get_ylabel()


def test_claims_and_what_they_rest_on(result: RunResult) -> None:
    claims = pd.DataFrame({"claim": ["beats_singles", "whole_chain"], "share": [0.6, 0.1], "low": [0.5, 0.05], "high": [0.7, 0.2], "n": [200, 200]})
    ranking = pd.DataFrame({"claim": ["beats_singles", "whole_chain"], "parameter": ["a", "b"], "importance": [0.4, -0.3]})
    figure = FIGURES["claim_robustness"](dataclasses.replace(result, tables={"claims": claims, "ranking": ranking}))
    assert len(figure.axes) == 2
    assert "200 draws" in footnote(figure)
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["b"]
    with pytest.raises(InputError, match="claim_robustness"):
        FIGURES["claim_robustness"](result)


def test_quantiles_leave_out_what_is_missing() -> None:
    values = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, np.nan]])
    np.testing.assert_array_equal(median_over(values), [2.0, np.nan, 5.0])
    np.testing.assert_array_equal(quantiles_over(values, (0.0, 1.0))[1], [3.0, np.nan, 5.0])
    np.testing.assert_array_equal(median_over(np.array([[1.0, 2.0], [3.0, 4.0]])), [2.0, 3.0])
