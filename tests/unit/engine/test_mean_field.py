"""The mean-field twin where the answer is known exactly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from abm.engine.devices import configure_jax
from abm.records import enable_pytrees

configure_jax(None)
enable_pytrees()

import jax.numpy as jnp  # noqa: E402

from abm.engine.mean_field import COMPETENCE, Hazards, Weights, advance_weights, redraw, spread_rows, switch, trait_points  # noqa: E402
from abm.models.mean_field_healthy import build_healthy_twin, simulate_healthy  # noqa: E402
from abm.models.mean_field_xenograft import TwinRow, build_twin, constant_course, simulate_twin  # noqa: E402
from abm.parameters.drug import BimInducer, Cytotoxic  # noqa: E402
from tests.reference_parameters import Parameters, changed, parameters, subclone  # noqa: E402

DRUGS = ["everolimus", "venetoclax"]
H = 1.0 / 24.0


def given(**values: float) -> Parameters:
    return changed(parameters(), **values)


def row(p: Parameters, *, burden: float = 1e6, capacity: float = float("inf")) -> TwinRow:
    return TwinRow(p.cell, p.leukaemia, p.drugs, burden, capacity)


def run(rows: list[TwinRow], free_nm: list[tuple[float, float]], days: float, *, points: int = 8, levels: int = 2, h: float = H):
    clones = 1 + max(len(r.leukaemia.subclones) for r in rows)
    twin = build_twin(rows, DRUGS, trait_points(points, 1, levels), levels)
    return simulate_twin(twin, constant_course(np.array(free_nm), round(days / h)), h, clones * levels)


def column(*values: float) -> jnp.ndarray:
    return jnp.asarray(values)[:, None]


def test_an_undisturbed_leukaemia_grows_at_its_net_rate() -> None:
    p = given(apoptosis__max_per_day=0.0)
    out = run([row(p), row(p, burden=7.0)], [(0.0, 0.0)] * 2, 10.0)
    time = np.arange(len(out.burden)) * H
    expected = np.exp(p.leukaemia.growth.net_per_day * time)
    # The splitting is second order: 1e-5 of the count in ten days at a step of an hour.
    np.testing.assert_allclose(out.burden[:, 0], 1e6 * expected, rtol=5e-5)
    np.testing.assert_allclose(out.burden[:, 1], 7.0 * expected, rtol=5e-5)


def test_crowding_makes_it_logistic() -> None:
    """Without quiescence or death: the logistic curve."""
    p = given(apoptosis__max_per_day=0.0, growth__quiescent_fraction=0.0, growth__death_per_day=0.0)
    out = run([row(p, burden=1e5, capacity=1e6)], [(0.0, 0.0)], 20.0)
    time = np.arange(len(out.burden)) * H
    logistic = 1e6 / (1.0 + 9.0 * np.exp(-p.leukaemia.growth.net_per_day * time))
    np.testing.assert_allclose(out.burden[:, 0], logistic, rtol=2e-4)


def test_pure_death_is_exponential() -> None:
    w = Weights(column(3.0, 0.0) + jnp.zeros((2, 4)), column(0.0, 5.0) + jnp.zeros((2, 4)))
    none = jnp.zeros((2, 1))
    hazards = Hazards(none, column(0.7, 0.7), column(0.2, 0.2), none, none, none + 1e-300)
    after = advance_weights(w, hazards, 1, jnp.asarray(2.0))
    np.testing.assert_allclose(after.cycling[0], 3.0 * np.exp(-1.4), rtol=1e-14)
    np.testing.assert_allclose(after.quiescent[1], 5.0 * np.exp(-0.4), rtol=1e-14)


def test_death_hazard_at_the_ceiling() -> None:
    """With a threshold of death near zero every cell dies at h_max."""
    p = given(apoptosis__half_activator_nm=1e-9, apoptosis__max_per_day=0.9, growth__net_per_day=-0.02, growth__quiescent_fraction=0.0)
    out = run([row(p)], [(0.0, 0.0)], 3.0)
    assert out.burden[-1, 0] == pytest.approx(1e6 * np.exp(-3.0 * 0.92), rel=1e-6)
    # Killed by apoptosis: its share 0.9 / 0.92 of all deaths; the sum over steps is the trapezoid's.
    assert out.killed[-1, 0] == pytest.approx((1e6 - out.burden[-1, 0]) * 0.9 / 0.92, rel=2e-4)


def test_exchange_conserves_and_tends_to_its_balance() -> None:
    w = Weights(jnp.asarray([[10.0, 0.0]]), jnp.asarray([[0.0, 6.0]]))
    leave, enter = column(0.3), column(0.1)
    once = switch(w, leave, enter, jnp.asarray(2.0))
    twice = switch(switch(w, leave, enter, jnp.asarray(1.0)), leave, enter, jnp.asarray(1.0))
    np.testing.assert_allclose(once.cycling, twice.cycling, rtol=1e-14)
    np.testing.assert_allclose(once.cycling + once.quiescent, [[10.0, 6.0]], rtol=1e-15)
    far = switch(w, leave, enter, jnp.asarray(1e3))
    np.testing.assert_allclose(far.cycling, [[2.5, 1.5]], rtol=1e-12)


def test_redrawing_stays_within_its_group_and_conserves() -> None:
    w = jnp.asarray([[8.0, 0.0, 1.0, 3.0]])
    after = redraw(w, column(0.5), 2, jnp.asarray(0.1))
    np.testing.assert_allclose(np.asarray(after).reshape(2, 2).sum(1), [8.0, 4.0], rtol=1e-15)
    # Exactly: deviations from the group's mean decay at the hazard.
    np.testing.assert_allclose(after[0, 0] - 4.0, 4.0 * np.exp(-0.05), rtol=3e-5)
    far = w
    for _ in range(400):
        far = redraw(far, column(0.5), 2, jnp.asarray(0.1))
    np.testing.assert_allclose(far, [[4.0, 4.0, 2.0, 2.0]], rtol=1e-6)


def test_the_step_is_second_order() -> None:
    """Quartering the step takes the error down about sixteen times."""
    p = given()
    ends = []
    for steps_per_day in (24, 96, 384):
        out = run([row(p, burden=1e8, capacity=2e9)], [(6.0, 2.0)], 8.0, h=1.0 / steps_per_day)
        ends.append(float(np.log10(out.burden[-1, 0])))
    assert abs(ends[0] - ends[1]) < 0.002
    assert abs(ends[1] - ends[2]) < abs(ends[0] - ends[1]) / 8.0


def test_subclones_start_at_their_share_and_breed_true() -> None:
    """A clone that does not divide shrinks to the share that its own law gives."""
    p = given(apoptosis__max_per_day=0.0)
    idle = {"idle": subclone(0.25, division_factor=0.0)}
    leukaemia = dataclasses.replace(p.leukaemia, subclones=idle)
    out = run([TwinRow(p.cell, leukaemia, p.drugs, 4e4, float("inf"))], [(0.0, 0.0)], 5.0)
    growth = p.leukaemia.growth
    expected = 3e4 * np.exp(5.0 * growth.net_per_day) + 1e4 * np.exp(-5.0 * growth.death_per_day)
    assert out.burden[-1, 0] == pytest.approx(expected, rel=1e-4)


def test_chemosensitivity_acts_on_cytotoxic_hazards_and_on_nothing_else() -> None:
    """Half of it is half of the drug's hazard, to the bit; drugs that act on the machinery of apoptosis do not feel it."""

    def killing(per_day: float) -> Parameters:
        p = given()
        venetoclax = p.drugs["venetoclax"]
        cytotoxic = Cytotoxic(max_per_day=per_day, ec50_nm=5.0, hill=1.0, quiescent_factor=0.25)
        own = dataclasses.replace(venetoclax, targets=dataclasses.replace(venetoclax.targets, cytotoxic=cytotoxic))
        return dataclasses.replace(p, drugs={**p.drugs, "venetoclax": own})

    def less_sensitive(p: Parameters) -> TwinRow:
        return dataclasses.replace(row(p), chemosensitivity=0.5)

    out = run([row(killing(4.0)), less_sensitive(killing(4.0)), row(killing(2.0))], [(6.0, 2.0)] * 3, 4.0).burden
    np.testing.assert_array_equal(out[:, 1], out[:, 2])
    assert out[-1, 1] > 2.0 * out[-1, 0]
    out = run([row(given()), less_sensitive(given())], [(6.0, 2.0)] * 2, 4.0).burden
    np.testing.assert_array_equal(out[:, 0], out[:, 1])


def test_a_leukaemia_feels_its_share_of_the_induction_of_bim() -> None:
    """Half of a threefold induction is a twofold one; without induction the share is nothing."""

    def inducing(max_fold: float) -> Parameters:
        p = given()
        venetoclax = p.drugs["venetoclax"]
        own = dataclasses.replace(venetoclax, targets=dataclasses.replace(venetoclax.targets, bim=BimInducer(max_fold=max_fold, ec50_nm=5.0, hill=1.0)))
        return dataclasses.replace(p, drugs={**p.drugs, "venetoclax": own})

    def half(p: Parameters) -> TwinRow:
        return dataclasses.replace(row(p), leukaemia=dataclasses.replace(p.leukaemia, bim_response=0.5))

    out = run([row(inducing(3.0)), half(inducing(3.0)), row(inducing(2.0))], [(6.0, 2.0)] * 3, 4.0).burden
    np.testing.assert_allclose(out[:, 1], out[:, 2], rtol=1e-6)
    assert out[-1, 1] > 1.5 * out[-1, 0]
    out = run([row(given()), half(given())], [(6.0, 2.0)] * 2, 4.0).burden
    np.testing.assert_array_equal(out[:, 0], out[:, 1])


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    a, b = row(given()), row(given(mtorc1__loss_half_point=1.0), burden=3e7, capacity=1e9)
    alone = run([b], [(6.0, 2.0)], 2.0).burden[:, 0]
    beside = run([a, b, a], [(0.0, 0.0), (6.0, 2.0), (9.0, 0.0)], 2.0).burden[:, 1]
    np.testing.assert_allclose(beside, alone, rtol=1e-12)


def test_heritable_competence_is_a_group_of_its_own() -> None:
    points = trait_points(16, 2, 4)
    assert points.shape == (7, 2 * 4 * 16)
    levels = points[COMPETENCE].reshape(2, 4, 16)
    assert np.ptp(levels, axis=2).max() == 0.0
    assert len(np.unique(levels)) == 4
    np.testing.assert_array_equal(points[:, :64], points[:, 64:])
    redrawn = trait_points(16, 1, 0)
    assert redrawn.shape == (7, 16)
    assert np.ptp(redrawn[COMPETENCE]) > 1.0


def test_rows_fill_the_devices() -> None:
    x = spread_rows({"a": np.arange(3.0)[:, None]}, 0, 3)["a"]
    assert x.shape[0] >= 3
    np.testing.assert_array_equal(np.asarray(x)[:3, 0], np.arange(3.0))


def test_healthy_blood_at_rest_does_not_drift() -> None:
    p = given()
    twin = build_healthy_twin([[p.lineage]] * 2, [p.cell] * 2, [p.drugs] * 2, DRUGS, trait_points(8, 1, 0, seed=7))
    (counts,) = simulate_healthy(twin, constant_course(np.array([[0.0, 0.0], [0.0, 20.0]]), 24 * 30), H)
    np.testing.assert_allclose(counts[:, 0], 1.0, rtol=1e-9)
    assert counts[-1, 1] < 0.9  # a strong dose does lower it


def test_without_feedback_an_arrested_lineage_decays_through_its_stages() -> None:
    """No division, no inflow: progenitors, three stages and blood of equal rate k give a gamma law with five stages."""
    p = changed(parameters(), lineage__feedback_exponent=0.0, lineage__upstream_fraction=0.0, proliferation__slowing_max=1.0, mtorc1__loss_half_point=1e-6)
    lineage = dataclasses.replace(p.lineage, blood_life_days=p.lineage.transit_time_days / 4.0)
    everolimus = dataclasses.replace(p.drugs["everolimus"].targets.mtorc1, max_inhibition=1.0, koff_per_h=100.0)
    targets = dataclasses.replace(p.drugs["everolimus"].targets, mtorc1=everolimus)
    drugs = {**p.drugs, "everolimus": dataclasses.replace(p.drugs["everolimus"], targets=targets)}
    cell = dataclasses.replace(p.cell, apoptosis=dataclasses.replace(p.cell.apoptosis, max_per_day=0.0))
    cell = dataclasses.replace(cell, mtorc1=dataclasses.replace(cell.mtorc1, relaxation_per_hour=1e3))
    twin = build_healthy_twin([[lineage]], [cell], [drugs], DRUGS, trait_points(4, 1, 0, seed=7))
    (counts,) = simulate_healthy(twin, constant_course(np.array([[1e6, 0.0]]), 24 * 8), H)
    kt = np.arange(24 * 8 + 1) * H * 4.0 / lineage.transit_time_days
    gamma = np.exp(-kt) * (1.0 + kt + kt**2 / 2.0 + kt**3 / 6.0 + kt**4 / 24.0)
    # The first step is half in the old state, because its block is the mean of both ends.
    np.testing.assert_allclose(counts[:, 0], gamma, atol=0.012)
