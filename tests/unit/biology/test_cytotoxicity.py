"""Factors of a kind of cells: each acts on what it says and on nothing else, and one that is 1 may as well be absent."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.biology.cytotoxicity import cytotoxic_hazards
from abm.biology.heredity import mean_traits
from abm.biology.intracellular import CellRates, advance_cells, resting_state
from abm.cells import FACTORS, Drive, FastState, Traits
from abm.models.xenograft_setup import cell_params
from abm.records import enable_pytrees
from tests.reference_parameters import parameters

enable_pytrees()
GIVEN = parameters()
CELL = cell_params(GIVEN.cell)
SHAPE = (1, 64)
ABSENT = mean_traits(GIVEN.leukaemia.traits, 100.0)._replace(bcl2=jnp.linspace(100.0, 500.0, SHAPE[1]))
TRAITS: Traits = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x, jnp.float32), SHAPE), ABSENT)


def value(x: float) -> jax.Array:
    return jnp.full((1, 1), x, jnp.float32)


DRIVE = Drive(value(0.6), value(5.0), value(0.1), value(0.0), value(0.3), value(2.3), value(0.35), value(0.02), value(0.7), value(0.1))


@jax.jit
def step(traits: Traits, drive: Drive) -> tuple[FastState, CellRates, tuple[jax.Array, jax.Array]]:
    fast, rates = advance_cells(resting_state(traits, CELL), traits, drive, CELL, jnp.float32(1.0 / 24.0))
    return fast, rates, cytotoxic_hazards(drive, traits)


def with_factor(name: str, x: float) -> Traits:
    return TRAITS._replace(**{name: jnp.full(SHAPE, x, jnp.float32)})


def same(one: object, other: object) -> list[bool]:
    return [np.array_equal(np.broadcast_to(x, SHAPE), np.broadcast_to(y, SHAPE)) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)]


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_of_one_is_an_absent_one_to_the_bit(name: str) -> None:
    assert all(same(step(with_factor(name, 1.0), DRIVE), step(TRAITS, DRIVE)))


def test_hazards_of_cytotoxic_drugs() -> None:
    hazards = np.array([0.35, 0.02]), np.array([0.7, 0.1])
    for factors, expected in (
        ({}, hazards[0] + hazards[1]),
        ({"thiopurine_response": 0.1}, hazards[0] + 0.1 * hazards[1]),
        ({"cytotoxic_factor": 0.03}, 0.03 * (hazards[0] + hazards[1])),
        ({"cytotoxic_factor": 0.03, "thiopurine_response": 0.0}, 0.03 * hazards[0]),
    ):
        traits = TRAITS._replace(**{name: jnp.full(SHAPE, x, jnp.float32) for name, x in factors.items()})
        for found, mean in zip(cytotoxic_hazards(DRIVE, traits), expected, strict=True):
            assert np.asarray(found) == pytest.approx(mean, rel=1e-6)
    alone = cytotoxic_hazards(DRIVE._replace(thiopurine_cycling=None, thiopurine_quiescent=None), with_factor("thiopurine_response", 0.0))
    assert [float(x[0, 0]) for x in alone] == pytest.approx([0.35, 0.02])


def test_what_resists_cytotoxic_drugs_changes_nothing_inside_the_cell() -> None:
    for name in ("cytotoxic_factor", "thiopurine_response"):
        fast, rates, hazards = step(with_factor(name, 0.2), DRIVE)
        assert all(same((fast, rates), step(TRAITS, DRIVE)[:2]))
        assert not any(same(hazards, step(TRAITS, DRIVE)[2]))


def test_the_response_of_bim_scales_the_induction_and_only_that() -> None:
    induced, without = step(TRAITS, DRIVE), step(TRAITS, DRIVE._replace(bim_fold=value(1.0)))
    assert all(same(step(with_factor("bim_response", 0.0), DRIVE), without))
    half, folded = step(with_factor("bim_response", 0.5), DRIVE), step(TRAITS, DRIVE._replace(bim_fold=value(1.65)))
    np.testing.assert_allclose(half[1].death, folded[1].death, rtol=1e-4)
    assert np.all(without[1].death < half[1].death)
    assert np.all(half[1].death < induced[1].death)
    changed = [name for name, equal in zip(FastState._fields, same(half[0], induced[0]), strict=True) if not equal]
    assert changed == ["activator"]
    assert same(half[1].slowing, induced[1].slowing) == same(half[2], induced[2])[:1] == [True]
