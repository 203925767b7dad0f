"""The reference of a healthy lineage against the Friberg equations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from abm.parameters.drug import Cytotoxic
from tests.reference import near
from tests.reference_lineage import BLOOD, PROGENITOR, LineageReference, simulate_lineage
from tests.reference_machinery import constant, hill, no_drug
from tests.reference_parameters import Parameters, changed, parameters


def _friberg(given: Parameters, days: float, slowing: Callable[[float], float], kill: float = 0.0) -> np.ndarray:
    """Progenitors, transit and blood relative to rest, from the differential equations."""
    lin = given.lineage
    k = 4.0 / lin.transit_time_days

    def rates(t: float, y: np.ndarray) -> list[float]:
        feedback = min(y[4] ** -lin.feedback_exponent, lin.feedback_max)
        grow = k * (1.0 - lin.upstream_fraction) * slowing(t) * feedback
        chain = [k * (y[i] - y[i + 1]) for i in range(3)]
        return [grow * y[0] + k * lin.upstream_fraction - (k + kill) * y[0], *chain, (y[3] - y[4]) / lin.blood_life_days]

    return np.asarray(solve_ivp(rates, (0.0, days), np.ones(5), rtol=1e-8, max_step=0.05).y[:, -1])


def test_lineage_stays_at_rest_without_drugs() -> None:
    path = simulate_lineage(parameters(), no_drug, baseline_cells=160.0, subjects=40, times_days=[0.0, 2.0, 5.0], seed=13, step_hours=6.0, batch=20)
    assert path.count[0, 0].tolist() == [200, 200, 200, 200, 160]
    for stage in range(5):
        assert near(path.count[-1, :, stage].astype(float), float(path.count[0, 0, stage]))
    assert path.conserved
    assert path.clones.shape[2] == 1


def test_lineage_follows_friberg_under_a_drug() -> None:
    """Identical cells under everolimus and a cytotoxic: the mean of many cells is the differential equation."""
    given = changed(parameters(), amounts__cv=0.0, amounts__cv_size=0.0, apoptosis__max_per_day=0.0)
    traits = dataclasses.replace(given.lineage.progenitors, set_point=1.6, set_point_cv=0.0, bmf_competence_cv=0.0)
    poison = Cytotoxic(max_per_day=0.6, ec50_nm=1.0, hill=1.0, quiescent_factor=0.0)
    targets = dataclasses.replace(given.drugs["venetoclax"].targets, bh3=None, cytotoxic=poison)
    drugs = given.drugs | {"poison": dataclasses.replace(given.drugs["venetoclax"], targets=targets)}
    given = dataclasses.replace(given, drugs=drugs, lineage=dataclasses.replace(given.lineage, progenitors=traits, yield_per_cell=2.5))
    path = simulate_lineage(
        given, constant(everolimus=10.0, poison=1.0), baseline_cells=1_500.0, subjects=12, times_days=[0.0, 3.0], seed=14, step_hours=2.0, batch=6
    )
    block, on, relax = 0.9 * 50.0 / 51.0, 24.0 * 51.0 * np.log(2.0) / 36.0, 24.0 * np.log(2.0) / 0.3

    def slowing(t: float) -> float:
        loss = 1.6 * block * (1.0 - (relax * np.exp(-on * t) - on * np.exp(-relax * t)) / (relax - on))
        return 1.0 - 0.5 * float(hill(loss, 1.25, 6.0))

    expected = _friberg(given, 3.0, slowing, kill=0.3)
    assert expected[4] < 0.75
    for stage in range(5):
        assert near(path.count[-1, :, stage] / path.count[0, 0, stage], float(expected[stage]))
    assert path.count[-1].mean(axis=0).sum() / path.count[0, 0].sum() == pytest.approx(expected @ path.count[0, 0] / path.count[0, 0].sum(), rel=0.03)
    assert path.conserved
    assert path.quantiles["m"][-1, 0, 2] == pytest.approx(1.6 * (1.0 - block), rel=1e-3)


def test_progenitors_die_of_the_excess_only_and_blood_cells_if_they_have_traits() -> None:
    given = parameters()
    platelet = dataclasses.replace(given.lineage.progenitors, bcl2=0.02, bclxl=1.2, mcl1=0.02, bim=0.8, bmf_competence=0.0)
    given = dataclasses.replace(given, lineage=dataclasses.replace(given.lineage, blood_cells=platelet))
    for free, dies in (({}, False), ({"venetoclax": 300.0}, True)):
        model = LineageReference(given, constant(**free), 160.0, lambda time: 1.0, np.random.default_rng(15))
        model.feedback = np.ones(1)
        cells = model.found(1)
        model.inside.advance(cells, 1.0)
        death = model.hazards(cells)[0]
        rest = np.where(cells["state"] == BLOOD, 1.0 / given.lineage.blood_life_days, 0.0)
        assert (death - rest > 1e-6)[cells["state"] == PROGENITOR].any() == dies
        assert (death - rest > 1e-6)[cells["state"] == BLOOD].any() == dies
        assert (death[(cells["state"] > PROGENITOR) & (cells["state"] < BLOOD)] == 0.0).all()
        if not dies:
            np.testing.assert_allclose(death, rest, atol=1e-9)
