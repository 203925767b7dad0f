"""From concentrations to the drives of the cell equations."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from abm.parameters.drug import Bh3Mimetic, BimInducer, Cytotoxic, Drug, Mtorc1Inhibitor, Pharmacokinetics, StressAgonist, Targets
from abm.pharmacology.action import Drive, advance_mtorc1_block, drive, free_factor, mtorc1_block, target_table

BH3 = Bh3Mimetic(ki_bcl2_nm=0.04, ki_bclxl_nm=48.0, ki_mcl1_nm=1e4)
MTORC1 = Mtorc1Inhibitor(ic50_nm=0.2, koff_per_h=0.0193, max_inhibition=0.85)
STRESS = StressAgonist(max_drive=0.7, ec50_nm=30.0, hill=2.5)
BIM = BimInducer(max_fold=3.0, ec50_nm=10.0, hill=1.0)
CYTOTOXIC = Cytotoxic(max_per_day=2.0, ec50_nm=5.0, hill=1.7, quiescent_factor=0.1)


def drug(**targets: Any) -> Drug:
    every_target = dict.fromkeys(("bh3", "mtorc1", "stress", "bim", "cytotoxic")) | targets
    return Drug(label="", matrix="plasma", molar_mass_g_per_mol=500.0, pharmacokinetics={}, targets=Targets(**every_target))


DRUGS = {
    "venetoclax": drug(bh3=BH3),
    "everolimus": drug(mtorc1=MTORC1),
    "everything": drug(bh3=BH3, mtorc1=MTORC1, stress=STRESS, bim=BIM, cytotoxic=CYTOTOXIC),
    "nothing": drug(),
    "no_effect": drug(
        mtorc1=Mtorc1Inhibitor(ic50_nm=0.2, koff_per_h=0.02, max_inhibition=0.0),
        stress=StressAgonist(max_drive=0.0, ec50_nm=30.0, hill=2.5),
        bim=BimInducer(max_fold=1.0, ec50_nm=10.0, hill=0.5),
        cytotoxic=Cytotoxic(max_per_day=0.0, ec50_nm=5.0, hill=1.7, quiescent_factor=0.5),
    ),
}
UNTOUCHED = Drive(*(jnp.full(1, value, dtype=jnp.float32) for value in (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)))


def drive_of(**free_nm: float) -> Drive:
    return drive(jnp.array([list(free_nm.values())], dtype=jnp.float64), target_table(DRUGS, list(free_nm)))


def assert_bitwise(found: Drive, expected: Drive) -> None:
    for name, a, b in zip(Drive._fields, found, expected, strict=True):
        if a is None or b is None:
            assert a is b, name
            continue
        assert a.dtype == jnp.float32
        assert np.array_equal(np.asarray(a).view(np.uint32), np.asarray(b).view(np.uint32)), name


def test_every_target_has_its_form() -> None:
    found = drive_of(everything=8.0, venetoclax=2.0)
    assert found.bcl2_occupancy[0] == pytest.approx(10.0 / 0.04, rel=1e-6)
    assert found.bclxl_occupancy[0] == pytest.approx(10.0 / 48.0, rel=1e-6)
    assert found.mcl1_occupancy[0] == pytest.approx(10.0 / 1e4, rel=1e-6)
    assert found.stress_drive[0] == pytest.approx(0.7 * 8.0**2.5 / (30.0**2.5 + 8.0**2.5), rel=1e-6)
    assert found.bim_fold[0] == pytest.approx(1.0 + 2.0 * 8.0 / 18.0, rel=1e-6)
    hazard = 2.0 * 8.0**1.7 / (5.0**1.7 + 8.0**1.7)
    assert found.cytotoxic_cycling_per_day[0] == pytest.approx(hazard, rel=1e-6)
    assert found.cytotoxic_quiescent_per_day[0] == pytest.approx(0.1 * hazard, rel=1e-6)


def test_drugs_combine_by_sums_and_folds_by_products() -> None:
    pair = {"a": drug(bim=BIM, cytotoxic=CYTOTOXIC), "b": drug(bim=BIM, cytotoxic=CYTOTOXIC)}
    found = drive(jnp.array([[10.0, 5.0]]), target_table(pair, ["a", "b"]))
    assert found.bim_fold[0] == pytest.approx(2.0 * (1.0 + 2.0 / 3.0), rel=1e-6)
    assert found.cytotoxic_cycling_per_day[0] == pytest.approx(2.0 * (1.0 / (1.0 + 0.5**1.7) + 0.5), rel=1e-6)


@pytest.mark.parametrize("name", list(DRUGS))
def test_no_concentration_is_no_drug(name: str) -> None:
    assert_bitwise(drive_of(**{name: 0.0}), UNTOUCHED)
    table = target_table(DRUGS, [name])
    occupied, block = advance_mtorc1_block(jnp.zeros((1, 1)), jnp.zeros((1, 1)), table, 1.0 / 24.0)
    assert np.asarray(occupied).tobytes() == bytes(8)
    assert np.asarray(block).tobytes() == bytes(4)


@pytest.mark.parametrize("name", ["nothing", "no_effect"])
def test_no_effect_is_no_drug(name: str) -> None:
    assert_bitwise(drive_of(**{name: 7.0}), UNTOUCHED)
    _, block = advance_mtorc1_block(jnp.full((1, 1), 0.3), jnp.full((1, 1), 7.0), target_table(DRUGS, [name]), 1.0)
    assert block[0] == 0.0


def test_further_drugs_without_effect_change_no_bit() -> None:
    rng = np.random.default_rng(2)
    free = rng.lognormal(1.0, 2.0, (19, 2))
    alone = target_table(DRUGS, ["everything", "venetoclax"])
    beside = target_table(DRUGS, ["no_effect", "everything", "nothing", "venetoclax", "everolimus"])
    wide = jnp.asarray(np.insert(free, [0, 1, 2], [5.0, 6.0, 0.0], axis=1))
    assert_bitwise(drive(wide, beside), drive(jnp.asarray(free), alone))
    occupied = rng.uniform(0.0, 1.0, (19, 2))
    narrow_end, narrow_block = advance_mtorc1_block(jnp.asarray(occupied), jnp.asarray(free), alone, 0.04)
    wide_end, wide_block = advance_mtorc1_block(jnp.asarray(np.insert(occupied, [0, 1, 2], 0.0, axis=1)), wide, beside, 0.04)
    assert np.array_equal(wide_end[:, jnp.array([1, 3])], narrow_end)
    assert np.array_equal(wide_block, narrow_block)


@pytest.mark.parametrize("row", [0, 5, 36])
def test_subject_alone_is_the_subject_in_a_batch(row: int) -> None:
    free = jnp.asarray(np.random.default_rng(4).lognormal(1.0, 3.0, (37, 3)))
    table = target_table(DRUGS, ["everything", "venetoclax", "everolimus"])
    together = drive(free, table)
    assert_bitwise(drive(free[row : row + 1], table), jax.tree.map(lambda part: part[row : row + 1], together))
    ends = advance_mtorc1_block(free * 0.0, free, table, 0.04)
    one = advance_mtorc1_block(free[row : row + 1] * 0.0, free[row : row + 1], table, 0.04)
    assert all(np.array_equal(a, b[row : row + 1]) for a, b in zip(one, ends, strict=True))


@settings(max_examples=200, deadline=None)
@given(concentration=st.floats(0.0, 1e30), hill=st.floats(0.05, 12.0), ec50=st.floats(1e-6, 1e6))
def test_hill_forms_are_finite_bounded_and_exact_at_zero(concentration: float, hill: float, ec50: float) -> None:
    drugs = {"x": drug(stress=StressAgonist(max_drive=1.0, ec50_nm=ec50, hill=hill), bim=BimInducer(max_fold=5.0, ec50_nm=ec50, hill=hill))}
    found = drive(jnp.array([[concentration]], dtype=jnp.float64), target_table(drugs, ["x"]))
    assert 0.0 <= float(found.stress_drive[0]) <= 1.0
    assert 1.0 <= float(found.bim_fold[0]) <= 5.0


@pytest.mark.parametrize("start", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("free_nm", [0.0, 0.05, 0.2, 20.0])
def test_occupancy_of_mtorc1_is_the_solution_of_its_equation(free_nm: float, start: float) -> None:
    table = target_table(DRUGS, ["everolimus"])
    days = 1.3

    def slope(_: float, occupied: Any) -> Any:
        return 0.0193 * 24.0 * (free_nm / 0.2 * (1.0 - occupied) - occupied)

    expected = solve_ivp(slope, (0.0, days), [start], method="LSODA", rtol=1e-11, atol=1e-13).y[0, -1]
    whole, block = advance_mtorc1_block(jnp.full((1, 1), start), jnp.full((1, 1), free_nm), table, days)
    assert float(whole[0, 0]) == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert float(block[0]) == pytest.approx(0.85 * expected, rel=1e-6, abs=1e-7)
    parts = jnp.full((1, 1), start)
    for _ in range(26):
        parts, _ = advance_mtorc1_block(parts, jnp.full((1, 1), free_nm), table, days / 26)
    assert float(parts[0, 0]) == pytest.approx(float(whole[0, 0]), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("relaxation", [1e-3, 0.4632, 5.0, 55.4, 1e5])
@pytest.mark.parametrize(("free_nm", "start"), [(0.0, 1.0), (0.2, 0.3), (2.0, 0.0), (50.0, 0.1)])
def test_felt_block_brings_an_activity_to_where_it_goes(free_nm: float, start: float, relaxation: float) -> None:
    """Activity that follows the unblocked share, while the drug binds, against the same two equations solved together."""
    days, table = 0.7, target_table(DRUGS, ["everolimus"])

    def slope(_: float, y: Any) -> Any:
        return [0.0193 * 24.0 * (free_nm / 0.2 * (1.0 - y[0]) - y[0]), relaxation * (1.0 - 0.85 * y[0] - y[1])]

    expected = solve_ivp(slope, (0.0, days), [start, 0.6], method="LSODA", rtol=1e-10, atol=1e-12).y[1, -1]
    _, block = advance_mtorc1_block(jnp.full((1, 1), start), jnp.full((1, 1), free_nm), table, days, jnp.float64(relaxation))
    target = 1.0 - float(block[0])
    assert target + (0.6 - target) * np.exp(-relaxation * days) == pytest.approx(expected, abs=2e-7)


def test_onset_is_fast_and_loss_is_slow() -> None:
    table = target_table(DRUGS, ["everolimus"])
    twenty_nm, none = jnp.full((1, 1), 20.0), jnp.zeros((1, 1))
    half_h = np.log(2.0) / (0.0193 * 101.0)
    onset, _ = advance_mtorc1_block(none, twenty_nm, table, half_h / 24.0)
    assert float(onset[0, 0]) == pytest.approx(0.5 * 100.0 / 101.0, rel=1e-9)
    left, _ = advance_mtorc1_block(jnp.ones((1, 1)), none, table, np.log(2.0) / 0.0193 / 24.0)
    assert float(left[0, 0]) == pytest.approx(0.5, rel=1e-12)


def test_two_inhibitors_of_mtorc1_combine_independently() -> None:
    table = target_table(DRUGS, ["everolimus", "everything"])
    assert float(mtorc1_block(jnp.array([[0.5, 0.8]]), table, jnp.zeros((1, 2)))[0]) == pytest.approx(1.0 - (1.0 - 0.85 * 0.5) * (1.0 - 0.85 * 0.8), rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(start=st.floats(0.0, 1.0), free_nm=st.floats(0.0, 1e12), days=st.floats(0.0, 20.0))
def test_occupancy_stays_a_fraction(start: float, free_nm: float, days: float) -> None:
    end, block = advance_mtorc1_block(jnp.full((1, 1), start), jnp.full((1, 1), free_nm), target_table(DRUGS, ["everolimus"]), days)
    assert 0.0 <= float(end[0, 0]) <= 1.0
    assert 0.0 <= float(block[0]) <= 0.85 + 1e-6


def test_no_drugs_at_all() -> None:
    found = drive(jnp.zeros((1, 0)), target_table({}, []))
    assert_bitwise(found, UNTOUCHED)


def test_free_factor_is_unbound_fraction_times_tissue_factor() -> None:
    numbers = dict.fromkeys(
        ("clearance_l_per_h", "central_volume_l", "intercompartmental_l_per_h", "peripheral_volume_l", "bioavailability", "lag_h", "clearance_cv", "volume_cv"),
        1.0,
    )
    pk = Pharmacokinetics(scaling="per_subject", absorption_per_h=None, fraction_unbound=0.005, tissue_factor=0.5, **numbers)
    assert free_factor(pk) == 0.0025


def test_thiopurines_have_a_hazard_of_their_own() -> None:
    kinds = {"a": drug(cytotoxic=CYTOTOXIC), "b": drug(cytotoxic=dataclasses.replace(CYTOTOXIC, family="thiopurine", max_per_day=0.6))}
    free = jnp.array([[8.0, 3.0]])
    found = drive(free, target_table(kinds, ["a", "b"]))
    alone = drive(free[:, :1], target_table(kinds, ["a"]))
    assert found.cytotoxic_cycling_per_day[0] == alone.cytotoxic_cycling_per_day[0]
    assert alone.thiopurine_cycling_per_day is None
    assert found.thiopurine_cycling_per_day is not None
    assert found.thiopurine_quiescent_per_day is not None
    hazard = 0.6 * 3.0**1.7 / (5.0**1.7 + 3.0**1.7)
    assert found.thiopurine_cycling_per_day[0] == pytest.approx(hazard, rel=1e-6)
    assert found.thiopurine_quiescent_per_day[0] == pytest.approx(0.1 * hazard, rel=1e-6)


@pytest.mark.parametrize(
    ("factor", "value", "excess", "of_hazard"),
    [
        ("progenitor_factor", 0.25, "progenitor_excess_per_day", -0.75),
        ("stem_cell_factor", 20.0, "stem_cell_excess_per_day", 19.0 * CYTOTOXIC.quiescent_factor),
    ],
)
def test_healthy_cells_feel_their_own_share_of_a_hazard(factor: str, value: float, excess: str, of_hazard: float) -> None:
    kinds = {"a": drug(cytotoxic=CYTOTOXIC), "b": drug(cytotoxic=dataclasses.replace(CYTOTOXIC, **{factor: value}))}
    found = getattr(drive(jnp.array([[8.0, 3.0], [8.0, 0.0]]), target_table(kinds, ["a", "b"])), excess)
    assert getattr(drive(jnp.array([[8.0]]), target_table(kinds, ["a"])), excess) is None
    hazard = CYTOTOXIC.max_per_day * 3.0**1.7 / (5.0**1.7 + 3.0**1.7)
    assert found[0] == pytest.approx(of_hazard * hazard, rel=1e-6)
    assert found[1] == 0.0


def test_starvation_lowers_mtorc1_beside_an_inhibitor() -> None:
    starving = {"peg": drug(stress=dataclasses.replace(STRESS, mtorc1_loss=0.3)), "everolimus": drug(mtorc1=MTORC1)}
    table = target_table(starving, ["peg", "everolimus"])
    occupied, free = jnp.array([[0.0, 0.6]]), jnp.array([[30.0, 0.3]])
    # Half drive takes 15 % of the activity, the inhibitor its share of the rest.
    assert float(mtorc1_block(occupied, table, free)[0]) == pytest.approx(1.0 - 0.85 * (1.0 - 0.85 * 0.6), rel=1e-6)
    absent = mtorc1_block(occupied, table, free.at[0, 0].set(0.0))
    assert np.array_equal(absent, mtorc1_block(occupied[:, 1:], target_table(starving, ["everolimus"]), free[:, 1:]))
