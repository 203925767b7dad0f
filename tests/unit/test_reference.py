"""The reference simulators against formulas, quadrature and deterministic equations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from abm.parameters.drug import BimInducer, Cytotoxic, Drug, StressAgonist
from tests.reference import LeukaemiaReference, balanced_growth, clones_of, near, simulate_leukaemia
from tests.reference_machinery import AMOUNTS, FAST, QUANTILES, Machinery, constant, hill, no_drug, solve_balance
from tests.reference_parameters import Parameters, changed, parameters, subclone


def without_apoptosis(given: Parameters) -> Parameters:
    """No death but the baseline, no trafficking, no crowding."""
    return changed(given, apoptosis__max_per_day=0.0, host__egress_at_half_cd45_per_day=0.0, host__carrying_capacity=1e15)


def identical(given: Parameters) -> Parameters:
    """No differences between cells."""
    return changed(given, amounts__cv=0.0, amounts__cv_size=0.0, traits__set_point_cv=0.0, traits__bmf_competence_cv=0.0)


def birth_death(given: Parameters, b: float, d: float) -> Parameters:
    """All cells cycle and divide and die at constant hazards."""
    return changed(
        without_apoptosis(given), growth__quiescent_fraction=0.0, growth__quiescent_to_cycling_per_day=0.0, growth__net_per_day=b - d, growth__death_per_day=d
    )


def machinery(given: Parameters, concentrations: Callable[[float], Any] = no_drug, seed: int = 1) -> Machinery:
    """Machinery of the leukaemic cells."""
    return Machinery(given.cell, clones_of(given.leukaemia), given.drugs, concentrations, np.random.default_rng(seed))


@pytest.mark.parametrize("step_hours", [6.0, 48.0])
def test_birth_death_follows_kendall_at_any_step(step_hours: float) -> None:
    b, d, t, founders, n = 0.5, 0.4, 4.0, 5, 3000
    path = simulate_leukaemia(
        birth_death(parameters(), b, d), no_drug, cells=founders, subjects=n, times_days=[0.0, t], seed=1, step_hours=step_hours, batch=500
    )
    final = path.total[-1].astype(float)
    growth = np.exp((b - d) * t)
    variance = founders * (b + d) / (b - d) * growth * (growth - 1.0)
    lost = (d * (growth - 1.0) / (b * growth - d)) ** founders
    assert near(final, founders * growth)
    assert near((final - founders * growth) ** 2, variance)
    assert abs((final == 0).mean() - lost) < 4.0 * np.sqrt(lost * (1.0 - lost) / n)
    assert near(path.births[-1].astype(float), founders * b * (growth - 1.0) / (b - d))
    assert path.conserved


def test_crowding_follows_the_exact_logistic_law() -> None:
    """Birth form, b .25, d .181, K 300, 10 founders, 60 d: mean 62.240, variance 640.3, extinct .04906 (finite state projection)."""
    given = changed(birth_death(parameters(), 0.25, 0.181), host__carrying_capacity=300.0)
    final = simulate_leukaemia(given, no_drug, cells=10, subjects=400, times_days=[0.0, 60.0], seed=2, step_hours=12.0, batch=400).total[-1].astype(float)
    assert near(final, 62.240)
    assert near((final - 62.240) ** 2, 640.3)
    assert abs((final == 0).mean() - 0.04906) < 4.0 * np.sqrt(0.04906 * 0.951 / 400)


def test_balance_is_the_root_from_any_start() -> None:
    rng = np.random.default_rng(3)
    total, amounts, kd = rng.uniform(0.0, 900.0, 300), rng.lognormal(4.5, 1.5, (3, 300)), rng.lognormal(2.0, 2.0, (3, 300))
    total[0] = 0.0
    for start in (None, np.zeros(300), total.copy(), rng.uniform(0.0, 300.0, 300)):
        p = solve_balance(total, amounts, kd, start)
        for i in range(300):

            def excess(x: float, i: int = i) -> float:
                return float(x + (amounts[:, i] * x / (x + kd[:, i])).sum() - total[i])

            assert p[i] == pytest.approx(brentq(excess, 0.0, total[i], xtol=1e-13) if total[i] > 0 else 0.0, rel=1e-8, abs=1e-9)


def test_traits_have_the_mean_spread_and_correlation_asked_for() -> None:
    given = parameters()
    cells = machinery(given).new_cells(np.zeros(100_000, int), np.zeros(100_000, int), np.zeros(100_000, int))
    for name in AMOUNTS:
        assert near(cells[name], 100.0 * getattr(given.leukaemia.traits, name))
        assert cells[name].std() / cells[name].mean() == pytest.approx(np.sqrt(1.04**2 - 1.0), rel=0.02)
    for name, mean, cv in (("set_point", 1.9, 0.1), ("beta", 1.0, 0.3)):
        assert near(cells[name], mean)
        assert cells[name].std() / mean == pytest.approx(cv, rel=0.02)
    assert np.corrcoef(np.log(cells["bcl2"]), np.log(cells["bim"]))[0, 1] == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(cells["bcl2"], cells["set_point"])[0, 1]) < 0.02


def test_fast_states_rest_without_drugs() -> None:
    inside = machinery(parameters())
    cells = inside.new_cells(np.zeros(500, int), np.zeros(500, int), np.zeros(500, int))
    before = {name: cells[name].copy() for name in FAST}
    for hour in (1.0, 5.0, 30.0, 300.0):
        inside.advance(cells, hour)
    for name in FAST:
        np.testing.assert_allclose(cells[name], before[name], rtol=1e-9)
    assert inside.activity == 1.0


def _mean_cell(given: Parameters, free: dict[str, float], days: float) -> tuple[float, np.ndarray]:
    """Survival of identical non-dividing cells and final (O, m, s, b) from the differential equations."""
    c, t = given.cell, given.leukaemia.traits
    ven, ev = given.drugs["venetoclax"].targets.bh3, given.drugs["everolimus"].targets.mtorc1
    assert ven is not None
    assert ev is not None
    kd = np.array([c.bh3.kd_bcl2_nm, c.bh3.kd_bclxl_nm, c.bh3.kd_mcl1_nm])
    kd = kd * (1.0 + free["venetoclax"] / np.array([ven.ki_bcl2_nm, ven.ki_bclxl_nm, ven.ki_mcl1_nm]))

    def rates(hours: float, y: np.ndarray) -> list[float]:
        o, m, s, b, _ = y
        loss = max(t.set_point - m, 0.0) ** c.mtorc1.loss_steepness
        phi = loss / (c.mtorc1.loss_half_point**c.mtorc1.loss_steepness + loss)
        amounts = 100.0 * np.array([t.bcl2, t.bclxl, t.mcl1 * (1.0 - c.mcl1.loss_fraction * phi)])
        p = brentq(lambda x: x + (amounts * x / (x + kd)).sum() - 100.0 * t.bim - b, 0.0, 2000.0, xtol=1e-12)
        pore = c.apoptosis.max_per_day * p**c.apoptosis.hill / (p**c.apoptosis.hill + c.apoptosis.half_activator_nm**c.apoptosis.hill)
        induction = s**c.bmf.stress_hill / (s**c.bmf.stress_hill + c.bmf.stress_half_point**c.bmf.stress_hill)
        return [
            ev.koff_per_h * (free["everolimus"] / ev.ic50_nm * (1.0 - o) - o),
            c.mtorc1.relaxation_per_hour * (t.set_point * (1.0 - ev.max_inhibition * o) - m),
            c.stress.rate_per_hour * (c.stress.basal + c.stress.gain * phi - s),
            c.bmf.rate_per_hour * (t.bmf_competence * (c.bmf.basal_nm + c.bmf.induced_nm * induction) - b),
            (given.leukaemia.growth.death_per_day + pore) / 24.0,
        ]

    s0 = c.stress.basal
    b0 = c.bmf.basal_nm + c.bmf.induced_nm * s0**c.bmf.stress_hill / (s0**c.bmf.stress_hill + c.bmf.stress_half_point**c.bmf.stress_hill)
    out = solve_ivp(rates, (0.0, 24.0 * days), [0.0, t.set_point, s0, b0, 0.0], method="LSODA", rtol=1e-8, atol=1e-10)
    return float(np.exp(-out.y[4, -1])), out.y[:4, -1]


def _no_division(given: Parameters) -> Parameters:
    return changed(
        given,
        host__egress_at_half_cd45_per_day=0.0,
        growth__quiescent_fraction=0.0,
        growth__quiescent_to_cycling_per_day=0.0,
        growth__net_per_day=-given.leukaemia.growth.death_per_day,
    )


def test_identical_cells_follow_the_differential_equations() -> None:
    given = identical(_no_division(parameters()))
    free = {"venetoclax": 4.0, "everolimus": 3.0}
    expected, states = _mean_cell(given, free, 2.0)
    n = 4_000
    path = simulate_leukaemia(given, constant(**free), cells=n, subjects=1, times_days=[0.0, 2.0], seed=5, step_hours=0.5)
    assert abs(path.total[-1, 0] / n - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / n)
    inside = machinery(given, constant(**free))
    cells = inside.new_cells(*(np.zeros(1, int),) * 3)
    for step in range(48 * 10):
        inside.advance(cells, (step + 1) / 10)
    assert inside.occupancy["everolimus"] == pytest.approx(states[0], rel=1e-9)
    for name, value in zip("msb", states[1:], strict=True):
        assert cells[name][0] == pytest.approx(value, rel=2e-4)


def test_square_exposure_acts_while_it_lasts() -> None:
    given = identical(parameters())
    inside = machinery(given, lambda day: {"everolimus": 5.0 if day < 1.0 else 0.0})
    target = given.drugs["everolimus"].targets.mtorc1
    assert target is not None
    cells = inside.new_cells(*(np.zeros(1, int),) * 3)
    for step in range(48 * 4):
        inside.advance(cells, (step + 1) / 4)
    on = 5.0 / 0.2
    peak = on / (1.0 + on) * (1.0 - np.exp(-target.koff_per_h * (1.0 + on) * 24.0))
    assert inside.occupancy["everolimus"] == pytest.approx(peak * np.exp(-target.koff_per_h * 24.0), rel=1e-9)
    assert cells["m"][0] > 1.9 * (1.0 - 0.9 * peak)


def test_survival_of_different_cells_is_the_quadrature_over_them() -> None:
    """Size and competence vary; venetoclax alone keeps every hazard constant, so S = E exp(-h t)."""
    given = changed(_no_division(parameters()), amounts__cv=0.0, amounts__cv_size=0.5, traits__set_point_cv=0.0, traits__bmf_competence_cv=0.6)
    given = changed(given, bmf__basal_nm=60.0, traits__bclxl=1.1)
    days, free, n = 3.0, 4.0, 20_000
    z, w = np.polynomial.hermite_e.hermegauss(60)
    size, beta = (np.exp(np.sqrt(np.log1p(cv * cv)) * z - 0.5 * np.log1p(cv * cv)) for cv in (0.5, 0.6))
    size, beta = (x.ravel() for x in np.meshgrid(size, beta, indexing="ij"))
    weight = np.outer(w, w).ravel() / w.sum() ** 2
    t, c = given.leukaemia.traits, given.cell
    amounts = 100.0 * np.outer([t.bcl2, t.bclxl, t.mcl1], size)
    kd = np.array([[5.0], [5.0], [3.0]]) * (1.0 + free / np.array([[0.04], [48.0], [1e4]]))
    bmf = beta * (60.0 + 130.0 * hill(0.05, 0.5, 3.0))
    p = solve_balance(100.0 * t.bim * size + bmf, amounts, np.broadcast_to(kd, amounts.shape))
    hazard = 0.02 + c.apoptosis.max_per_day * hill(p, 18.0, 4.0)
    expected = float(weight @ np.exp(-hazard * days))
    assert float(np.exp(-(weight @ hazard) * days)) < expected - 0.03, "the case must tell a mean hazard from a spread"
    path = simulate_leukaemia(given, constant(venetoclax=free), cells=n, subjects=1, times_days=[0.0, days], seed=7, step_hours=6.0)
    assert abs(path.total[-1, 0] / n - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / n)


def test_balanced_growth_at_the_net_rate_with_the_quiescent_share() -> None:
    given = without_apoptosis(parameters())
    path = simulate_leukaemia(given, no_drug, cells=100, subjects=300, times_days=[0.0, 3.0], seed=8, step_hours=6.0, batch=100)
    growth = given.leukaemia.growth
    factor = np.exp(growth.net_per_day * 3.0)
    assert near(path.total[-1].astype(float), 100.0 * factor)
    assert near(path.count[-1, :, 1].astype(float), 100.0 * growth.quiescent_fraction * factor)
    b, to_quiescent = balanced_growth(growth)
    q = growth.quiescent_fraction
    assert b * (1.0 - q) - growth.death_per_day == pytest.approx(growth.net_per_day)
    assert to_quiescent * (1.0 - q) - (growth.quiescent_to_cycling_per_day + growth.death_per_day) * q == pytest.approx(growth.net_per_day * q)


def test_movement_reaches_its_equilibrium_and_conserves_cells() -> None:
    given = changed(birth_death(parameters(), 0.0, 0.0), growth__quiescent_fraction=0.2)
    given = changed(given, host__egress_at_half_cd45_per_day=0.4, host__burden_at_half_cd45=1000.0, host__egress_exponent=0.5)
    path = simulate_leukaemia(given, no_drug, cells=250, subjects=80, times_days=[0.0, 1.0, 10.0], seed=9, step_hours=12.0)
    leave, back = 0.4 * 0.5, 1.0 / given.host.blood_residence_days
    for index, time in ((1, 1.0), (2, 10.0)):
        share = leave / (leave + back) * (1.0 - np.exp(-(leave + back) * time))
        assert near(path.count[index, :, 2].astype(float), 250.0 * share)
        assert near(path.count[index, :, 1].astype(float), 50.0 * (1.0 - share))
    assert (path.total == 250).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_daughters_redraw_what_they_may(probability: float) -> None:
    given = changed(parameters(), amounts__redraw_probability=probability)
    inside = machinery(given, constant(everolimus=2.0))
    cells = inside.new_cells(*(np.zeros(20_000, int),) * 3)
    inside.advance(cells, 5.0)
    before = {name: values.copy() for name, values in cells.items()}
    inside.redraw(cells)
    fresh = cells["bcl2"] != before["bcl2"]
    assert abs(fresh.mean() - probability) <= 4.0 * np.sqrt(probability * (1.0 - probability) / fresh.size)
    for name in ("beta", "s", "b", "clone"):
        np.testing.assert_array_equal(cells[name], before[name])
    for name in (*AMOUNTS, "set_point"):
        assert ((cells[name] != before[name]) == fresh).all()
    np.testing.assert_allclose(cells["m"] / cells["set_point"], before["m"] / before["set_point"], rtol=1e-12)


def test_everolimus_alone_slows_division_and_hardly_kills() -> None:
    """Culture with 20 nmol/L nominal for 72 h: the division hazard falls by 30-60 %, excess death stays below 8 %."""
    growth = {"growth__net_per_day": float(np.log(2.0) / 1.2), "growth__death_per_day": 0.03, "growth__quiescent_fraction": 0.1}
    given = changed(parameters(), host__carrying_capacity=1e15, host__egress_at_half_cd45_per_day=0.0, amounts__cv_size=0.0, **growth)
    hazards, deaths = [], []
    for concentrations in (no_drug, constant(everolimus=16.0)):
        model = LeukaemiaReference(given, concentrations, np.random.default_rng(10))
        path = model.run(model.found(1, 2000), [0.0, 2.0, 3.0], 1, 0.5)
        born, alive = float(np.diff(path.births[:, 0])[-1]), float(path.count[1:, 0, 0].mean())
        hazards.append(born / alive)
        deaths.append(path.deaths[-1, 0] / (path.total[-1, 0] + path.deaths[-1, 0]))
        assert path.conserved
    assert 0.4 < hazards[1] / hazards[0] < 0.7
    assert -0.01 < deaths[1] - deaths[0] < 0.08


def test_a_subclone_differs_by_its_factors_only() -> None:
    names = {"bcl2_factor": 2.0, "set_point_factor": 0.5, "bmf_competence_factor": 0.0, "bcl2_ki_factor": 100.0}
    leukaemia = dataclasses.replace(parameters().leukaemia, subclones={"x": subclone(0.25, **names, mtorc1_response=0.0, death_factor=0.0)})
    given = identical(dataclasses.replace(parameters(), leukaemia=leukaemia))
    model = LeukaemiaReference(given, constant(venetoclax=4.0, everolimus=4.0), np.random.default_rng(11))
    cells = model.found(1, 8)
    model.total = np.array([8.0])
    model.inside.advance(cells, 24.0)
    assert np.bincount(cells["clone"]).tolist() == [6, 2]
    founder, other = (np.flatnonzero(cells["clone"] == k)[0] for k in (0, 1))
    assert cells["bcl2"][other] == pytest.approx(2.0 * cells["bcl2"][founder])
    assert cells["m"][other] == pytest.approx(cells["set_point"][other])
    assert cells["m"][founder] < 0.5
    assert cells["b"][other] == 0.0
    assert cells["p"][other] < cells["p"][founder]
    hazards = model.hazards(cells)
    assert hazards[0, other] == pytest.approx(0.02)
    assert hazards[0, founder] > 0.02


def test_a_mutated_bcl2_is_a_drug_that_binds_it_less() -> None:
    given = parameters()
    mutated = dataclasses.replace(given, leukaemia=dataclasses.replace(given.leukaemia, subclones={"x": subclone(1.0, bcl2_ki_factor=30.0)}))
    drug = given.drugs["venetoclax"]
    assert drug.targets.bh3 is not None
    weak = dataclasses.replace(drug, targets=dataclasses.replace(drug.targets, bh3=dataclasses.replace(drug.targets.bh3, ki_bcl2_nm=1.2)))
    free_activator = []
    for case, clone in ((mutated, 1), (dataclasses.replace(given, drugs={"venetoclax": weak}), 0), (given, 0)):
        inside = machinery(case, constant(venetoclax=4.0))
        free_activator.append(inside.new_cells(np.zeros(50, int), np.full(50, clone), np.zeros(50, int))["p"])
    np.testing.assert_allclose(free_activator[0], free_activator[1], rtol=1e-9)
    assert (free_activator[0] < free_activator[2]).all()


def test_the_other_targets_act() -> None:
    given = parameters()
    none = dataclasses.replace(given.drugs["venetoclax"].targets, bh3=None)
    kinds: dict[str, Any] = {
        "stress": StressAgonist(max_drive=0.6, ec50_nm=10.0, hill=1.0),
        "bim": BimInducer(max_fold=3.0, ec50_nm=10.0, hill=1.0),
        "cytotoxic": Cytotoxic(max_per_day=2.0, ec50_nm=10.0, hill=2.0, quiescent_factor=0.25),
    }
    drugs: dict[str, Drug] = {k: dataclasses.replace(given.drugs["venetoclax"], targets=dataclasses.replace(none, **{k: v})) for k, v in kinds.items()}
    inside = machinery(dataclasses.replace(given, drugs=drugs), constant(stress=10.0, bim=10.0, cytotoxic=10.0))
    assert inside.drive == pytest.approx(0.3)
    assert inside.bim_fold == pytest.approx(2.0)
    assert inside.cytotoxic() == pytest.approx((1.0, 0.25))


def test_a_finer_step_changes_nothing_that_matters() -> None:
    """The mean hazard of the same cells after 3 d of both drugs does not depend on the step."""
    means = []
    for hours in (0.05, 0.5):
        inside = machinery(parameters(), constant(venetoclax=2.0, everolimus=6.0), seed=12)
        cells = inside.new_cells(*(np.zeros(200, int),) * 3)
        for step in range(round(24.0 / hours)):
            inside.advance(cells, (step + 1) * hours)
        means.append(inside.apoptosis(cells).mean())
    assert means[1] == pytest.approx(means[0], rel=2e-3)


def test_healthy_progenitors_feel_everolimus_less_than_leukaemic_cells() -> None:
    given = parameters()
    slowed = []
    for kind in (given.leukaemia.traits, given.lineage.progenitors):
        leukaemia = dataclasses.replace(given.leukaemia, traits=kind)
        inside = machinery(dataclasses.replace(given, leukaemia=leukaemia), constant(everolimus=6.0))
        cells = inside.new_cells(*(np.zeros(500, int),) * 3)
        inside.advance(cells, 24.0)
        slowed.append(float(cells["phi"].mean()))
    assert slowed[0] > 0.75
    assert slowed[1] < 0.25


def test_quantiles_are_those_of_each_subject() -> None:
    path = simulate_leukaemia(parameters(), no_drug, cells=40, subjects=3, times_days=[0.0, 0.5], seed=16, step_hours=1.0, batch=2)
    assert path.quantiles["p"].shape == (2, 3, len(QUANTILES))
    assert (np.diff(path.quantiles["p"], axis=2) >= 0.0).all()
    assert path.count.shape == (2, 3, 3)
    model = LeukaemiaReference(parameters(), no_drug, np.random.default_rng(17))
    cells = model.found(3, 40)
    shown = model.run(cells, [0.0], 3).quantiles["p"][0]
    np.testing.assert_allclose(shown, [np.quantile(cells["p"][cells["subject"] == i], QUANTILES) for i in range(3)])
