"""Remission, relapse and survival of made-up patients, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from abm.endpoints.remission import DAYS_PER_MONTH, Curves, course, event_of, external_survival_days
from abm.parameters.clinic import Clinic, Salvage
from tests import false_alarm
from tests.unit.endpoints import patients

SALVAGE = Salvage(label="made up", months=10.0, share_alive=0.25, shape=0.5)
CLINIC = Clinic(
    label="made up",
    age_group="adult",
    remission_blasts=0.05,
    remission_neutrophils=1.0,
    remission_platelets=100.0,
    extramedullary_cells=1e6,
    remission_by_day=56.0,
    salvage=SALVAGE,
)
DAYS = np.array([0.0, 14.0, 28.0, 42.0, 56.0, 70.0, 84.0])
NOWHERE = np.zeros(7)
HIGH = np.full(7, 500.0)


def test_remission_in_three_steps_and_relapse_when_it_is_seen() -> None:
    blasts = np.array([0.8, 0.2, 0.04, 0.01, 0.001, 0.01, 0.25])
    neutrophils = np.array([0.2, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0])
    platelets = np.array([30.0, 30.0, 40.0, 60.0, 100.0, 100.0, 90.0])
    found = course(DAYS, Curves(blasts, neutrophils, platelets, NOWHERE), CLINIC)
    assert (found.mlfs, found.cri, found.cr, found.best) == (28.0, 42.0, 56.0, "CR")
    assert found.relapse == 84.0
    assert event_of(found, 84.0, 56.0) == (found.relapse, "relapse")


def test_blasts_at_the_limit_are_no_remission() -> None:
    found = course(DAYS, Curves(np.full(7, 0.05), HIGH, HIGH, NOWHERE), CLINIC)
    assert np.isnan([found.mlfs, found.cri, found.cr, found.relapse]).all()
    assert found.best == "none"
    assert event_of(found, 84.0, 56.0) == (56.0, "no_remission")
    assert event_of(found, 84.0, None) == (84.0, "")
    assert event_of(found, 49.0, 56.0) == (49.0, "")


def test_leukaemia_in_the_nervous_system_alone_is_a_relapse() -> None:
    outside = np.array([1e7, 1e5, 1e3, 1e3, 1e5, 1e7, 1e9])
    found = course(DAYS, Curves(np.full(7, 0.01), HIGH, HIGH, outside), CLINIC)
    assert found.cr == 14.0
    assert found.relapse == pytest.approx(63.0)


def test_the_marrow_is_known_from_visits() -> None:
    """Blasts that pass the limit and come back between two visits are not seen; those of a visit hold while the blood recovers."""
    clinic = dataclasses.replace(CLINIC, marrow_days=(28.0, 56.0), marrow_interval_days=20.0)
    assert clinic.marrow_visits(84.0) == [28.0, 56.0, 76.0]
    assert clinic.marrow_visits(75.0) == [28.0, 56.0]
    blasts = np.array([0.8, 0.03, 0.04, 0.07, 0.02, 0.06, 0.08])
    neutrophils = np.array([2.0, 2.0, 0.2, 2.0, 2.0, 2.0, 2.0])
    platelets = np.array([200.0, 200.0, 20.0, 30.0, 200.0, 200.0, 200.0])
    found = course(DAYS, Curves(blasts, neutrophils, platelets, NOWHERE), clinic)
    # The clear marrow of day 14 is not known; the visit of day 76 is kept at the look of day 84.
    assert (found.mlfs, found.cri, found.cr, found.relapse) == (28.0, 42.0, 56.0, 84.0)
    weekly = np.arange(0.0, 85.0, 7.0)
    rising = 0.01 * np.exp(np.log(100.0) * np.clip((weekly - 56.0) / 20.0, 0.0, 1.0))
    overt = course(weekly, Curves(rising, *np.full((2, 13), 500.0), np.zeros(13)), clinic)
    assert overt.relapse == pytest.approx(56.0 + 20.0 * np.log(25.0) / np.log(100.0))


def test_without_a_visit_nothing_is_known_of_the_marrow() -> None:
    clinic = dataclasses.replace(CLINIC, marrow_days=(90.0,))
    found = course(DAYS, Curves(np.full(7, 0.01), HIGH, HIGH, NOWHERE), clinic)
    assert np.isnan([found.mlfs, found.relapse]).all()


def test_a_remission_after_the_set_day_does_not_undo_the_failure() -> None:
    blasts = np.array([0.8, 0.5, 0.4, 0.3, 0.2, 0.01, 0.01])
    assert event_of(course(DAYS, Curves(blasts, HIGH, HIGH, NOWHERE), CLINIC), 84.0, 56.0) == (56.0, "no_remission")


def test_external_survival_goes_through_its_published_point_and_follows_weibull() -> None:
    assert external_survival_days(np.array([0.25]), SALVAGE)[0] == pytest.approx(10.0 * DAYS_PER_MONTH)
    scale = 10.0 * DAYS_PER_MONTH / (-np.log(0.25)) ** 2.0
    uniform = np.random.default_rng(2).random(2000)
    false_alarm.p_holds(stats.kstest(external_survival_days(uniform, SALVAGE), stats.weibull_min(0.5, scale=scale).cdf).pvalue)


def test_the_adult_law_gives_the_published_median() -> None:
    made, _ = patients.experiment()
    assert external_survival_days(np.array([0.5]), made.clinic.salvage)[0] / DAYS_PER_MONTH == pytest.approx(8.4, rel=0.005)


def test_endpoints_of_patients() -> None:
    """Two patients in two arms: one clears and relapses with the resistant line, one never clears; in the other arm both stay in remission."""
    days = np.arange(0.0, 701.0, 7.0)
    relapsing = np.where(days < 300.0, 0.5 * 10.0 ** (-days / 30.0), 1e-10 * np.exp(0.08 * (days - 300.0)))
    share = np.stack([np.stack([np.minimum(relapsing, 0.9), np.full(len(days), 0.6)]), np.stack([1e-5 + 0.5 * np.exp(-days)] * 2)])
    resistant = np.where(days < 300.0, 0.0, 0.9)
    made = patients.material(days, share, resistant=np.broadcast_to(resistant, share.shape), mrd_days=(28.0,))
    endpoints, tables = patients.judged(made)
    # The visit of day 546 sees 3.5 % blasts; before that of day 637 the relapse is overt.
    back = 300.0 + np.log(0.25 / 1e-10) / 0.08
    assert endpoints["relapse_day"].values[0, 0] == pytest.approx(back, abs=1e-6)
    assert endpoints["event_kind"].values.tolist() == [["relapse", "no_remission"], ["", ""]]
    assert endpoints["event_day"].values.tolist() == [[pytest.approx(back), 56.0], [700.0, 700.0]]
    assert endpoints["relapse_clone"].values.tolist() == [["bax_loss", ""], ["", ""]]
    assert endpoints["best_response"].values.tolist() == [["CR", "none"], ["CR", "CR"]]
    assert endpoints["cr_day"].values[0, 0] == 56.0  # 0.5 x 10^(-28 / 30) = 0.058 on the visit before
    assert endpoints["mrd_negative_day_28"].values.tolist() == [[False, False], [True, True]]
    assert endpoints["mrd_day_28"].values[0, 1] == pytest.approx(0.6, abs=0.01)
    assert np.all(endpoints["overall_survival_day"].values[0] > endpoints["event_day"].values[0])
    (line,) = tables["relapses"].to_dict("records")
    assert (line["subject"], line["clone"], line["mechanism"], line["birth_time"], line["pooled"], line["origins"]) == (
        "patient-001",
        1,
        "bax_loss",
        -10.0,
        True,
        5,
    )
    assert line["share"] == pytest.approx(0.9)


def test_tumour_lysis_is_the_worst_interval() -> None:
    days = np.array([0.0, 1.0, 3.0, 10.0])
    share = np.array([[[0.5, 0.4, 0.1, 0.09]]])
    endpoints, _ = patients.judged(patients.material(days, share))
    assert endpoints["tumour_lysis_cells_per_day"].item() == pytest.approx(1.5e11)
    assert endpoints["tumour_lysis_day"].item() == 1.0
    assert endpoints["tumour_lysis_risk"].item()
