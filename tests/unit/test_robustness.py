"""The claim-robustness study: what is drawn, how claims are judged, and a small run from end to end."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.errors import InputError
from abm.parameters.experiment import Experiment
from abm.parameters.robustness import Robustness
from abm.studies.context import Context
from abm.studies.robustness_draws import Uncertain, changed, draw_numbers, uncertain_numbers
from abm.studies.robustness_ranking import claim_shares, rank_regression, ranking, wilson

TYPICAL = "leukaemias.bmf_competent.traits"


@functools.cache
def study(*overrides: str) -> tuple[Experiment, Robustness, dict[str, Any], str]:
    """(experiment, settings, stored configuration, its text)."""
    cfg = compose(["experiment=claim_robustness", *overrides])
    experiment = build(cfg)
    assert experiment.robustness is not None
    text = stored_yaml(cfg, experiment)
    return experiment, Robustness(**experiment.robustness), yaml.load(text, Loader=yaml.CSafeLoader), text


@functools.cache
def numbers(*overrides: str) -> dict[str, Uncertain]:
    experiment, settings, config, _ = study(*overrides)
    return {n.key: n for n in uncertain_numbers(config, overrides, settings, experiment.host.species)}


@functools.cache
def values(*overrides: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    experiment, settings, _, _ = study(*overrides)
    found = numbers(*overrides)
    return draw_numbers(list(found.values()), settings, experiment.seed, {k: n.value for k, n in found.items()})


def test_what_is_drawn_and_what_is_not() -> None:
    found = numbers()
    for key in ("cell.apoptosis.half_activator_nm", f"{TYPICAL}.bclxl", "drugs.venetoclax.targets.bh3.ki_bcl2_nm", "host.carrying_capacity", "cell.amounts.cv"):
        assert key in found
    for key in found:
        assert ".human." not in key
        assert not key.startswith(("trial", "engine", "regimens", "lineages.mouse_erythrocyte"))
        assert not key.endswith(("clearance_cv", "lag_h", "growth_cv", "molar_mass_g_per_mol"))
    assert all(n.low < n.high for n in found.values())
    assert all(n.low <= n.value <= n.high for n in found.values())


def test_a_number_set_by_the_user_is_held_with_all_that_follow_it() -> None:
    key = f"{TYPICAL}.mcl1"
    found = numbers(f"{key}=1.2")
    assert key not in found
    assert "leukaemias.bmf_null.traits.mcl1" not in found
    assert f"{TYPICAL}.bclxl" in found


def test_values_stay_in_their_ranges_and_half_of_a_range_is_about_the_default() -> None:
    found = numbers()
    drawn, _ = values()
    for key, n in found.items():
        if n.of is None:
            assert drawn[key].min() >= n.low * (1 - 1e-12)
            assert drawn[key].max() <= n.high * (1 + 1e-12)
            assert np.ptp(drawn[key]) > 0.9 * (n.high - n.low) or n.low > 0
    n = Uncertain("x", 4.0, 1.0, 16.0, "x")
    np.testing.assert_allclose(n.at(np.array([0.0, 0.5, 1.0]), 1.0), [1.0, 4.0, 16.0])
    np.testing.assert_allclose(n.at(np.array([0.0, 0.5, 1.0]), 0.5), [2.0, 4.0, 8.0])
    zero = Uncertain("y", 0.0, 0.0, 0.3, "y")
    np.testing.assert_allclose(zero.at(np.array([0.0, 1.0]), 0.5), [0.0, 0.15])


def test_one_assumption_is_one_number() -> None:
    drawn, independent = values()
    for name in ("bcl2", "bclxl", "bim", "mcl1", "set_point", "set_point_cv"):
        np.testing.assert_array_equal(drawn[f"{TYPICAL}.{name}"], drawn[f"leukaemias.bmf_null.traits.{name}"])
    np.testing.assert_array_equal(drawn[f"{TYPICAL}.mcl1"], drawn["leukaemias.etp_like.traits.mcl1"])
    np.testing.assert_allclose(drawn["lineages.mouse_neutrophil.blood_life_days"] * 4.0, drawn["lineages.mouse_neutrophil.transit_time_days"], rtol=1e-12)
    assert not any(key.startswith("leukaemias.bmf_null") for key in independent)
    multiple = drawn["leukaemias.etp_like.traits.bclxl"] / drawn[f"{TYPICAL}.bclxl"]
    np.testing.assert_allclose(multiple, independent["leukaemias.etp_like.traits.bclxl"])
    assert multiple.min() >= 0.05
    assert multiple.max() <= 0.3


def test_more_draws_begin_with_the_same_ones_and_another_seed_gives_others() -> None:
    few, _ = values("robustness.draws=16")
    many, _ = values("robustness.draws=64")
    other, _ = values("robustness.draws=16", "seed=3")
    key = "cell.apoptosis.hill"
    np.testing.assert_array_equal(few[key], many[key][:16])
    assert not np.array_equal(few[key], other[key])


def test_numbers_are_put_in_their_place() -> None:
    experiment, *_ = study()
    after = changed(experiment, {"cell.apoptosis.hill": 3.0, f"{TYPICAL}.bim": 1.7, "host.carrying_capacity": 1e9})
    assert after.cell.apoptosis.hill == 3.0
    assert after.leukaemias["bmf_competent"].traits.bim == 1.7
    assert after.host.carrying_capacity == 1e9
    assert after.cell.bmf == experiment.cell.bmf
    assert after.leukaemias["bmf_null"] == experiment.leukaemias["bmf_null"]


def test_wilson_interval() -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(29, 29)[1] == 1.0


def test_rank_regression_finds_what_a_response_rests_on() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(400, 5))
    response = np.exp(3.0 * x[:, 0]) * np.exp(-1.5 * x[:, 1]) * np.exp(0.2 * rng.standard_normal(400))
    coefficients, errors, r2, method = rank_regression(x, response)
    assert method == "rank regression"
    assert coefficients[0] == pytest.approx(0.88, abs=0.04)
    assert coefficients[1] == pytest.approx(-0.44, abs=0.04)
    assert np.all(np.abs(coefficients[2:]) < 4.0 * errors[2:])
    assert 0.9 < r2 < 1.0
    alone, spread, unknown, method = rank_regression(x[:8], response[:8])
    assert method == "rank correlation"
    assert np.isnan(unknown)
    assert np.all(np.abs(alone) <= 1.0 + 1e-12)
    assert np.all(spread >= 0.0)


def test_shares_and_ranking_of_known_margins() -> None:
    x = np.linspace(0.0, 1.0, 40)
    margins = pd.DataFrame({"core": x - 0.75, "never": np.full(40, -1.0)})
    shares = claim_shares(margins)
    assert shares["share"].tolist() == [0.25, 0.0]
    assert (shares["low"] <= shares["share"]).all()
    table = ranking(margins, {"a": x, "b": np.cos(40.0 * x)})
    assert list(table["claim"].unique()) == ["core"]  # a constant margin rests on nothing
    assert table.iloc[0]["parameter"] == "a"
    assert table.iloc[0]["importance"] == pytest.approx(1.0, abs=1e-6)


def test_a_missing_leukaemia_is_refused() -> None:
    from abm.studies.robustness import read_settings

    experiment, *_ = study("cohort.leukaemias=[bmf_competent,bmf_null]")
    with pytest.raises(InputError, match=r"robustness\.etp_like"):
        read_settings(experiment)


SMALL = (
    "robustness.draws=16",
    "robustness.confirm_draws=2",
    "robustness.confirm_packets=512",  # chance moves the combination by 0.08 log10 (one standard deviation)
)


def test_a_small_study_from_end_to_end() -> None:
    from abm.studies.dispatch import run_experiment

    experiment, settings, _, text = study(*SMALL, "robustness.range_fraction=0.05")
    result = run_experiment(experiment, Context(config_yaml=text))
    claims = result.tables["claims"].set_index("claim")
    assert claims.index[0] == "core"
    assert (claims["n"] == settings.draws).all()
    # So close to the defaults the claims hold in most draws; joint claims hold no more often than their parts.
    assert claims.loc["beyond_bliss", "share"] == 1.0
    assert claims.loc["core", "share"] >= 0.9
    assert claims.loc["all", "share"] <= claims.loc["core_and_healthy", "share"] <= claims.loc["core", "share"]
    draws = result.tables["draws"]
    assert draws["holds_core"].mean() == claims.loc["core", "share"]
    assert draws["bmf_null_lost"].between(0.7, 1.0).all()
    confirmation = result.tables["confirmation"]
    assert len(confirmation) == 2 * 3
    assert confirmation["difference_log10"].abs().max() < 0.25
    assert result.summary["claims"]["core"]["share"] == claims.loc["core", "share"]
