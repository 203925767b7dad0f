"""Mechanisms inside a cell: balance of BH3 proteins, order of the step, resting state, growth in balance."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from abm.biology.apoptosis import BALANCE_STEPS, apoptosis_hazard, free_activator
from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import CellRates, advance_cells, resting_state
from abm.biology.proliferation import balanced_growth
from abm.biology.trafficking import egress_hazard, transition_matrix
from abm.cells import Drive, FastState, Traits
from abm.models.xenograft_setup import cell_params
from abm.parameters.cell import Bh3Binding, Mcl1
from abm.records import enable_pytrees
from tests.reference_parameters import parameters

enable_pytrees()
GIVEN = parameters()
CELL = cell_params(GIVEN.cell)
N = 4096


def cells_like(seed: int) -> Traits:
    """Traits of N leukaemic cells, float32 (1, N)."""
    z = np.random.default_rng(seed).standard_normal((7, 1, N)).astype(np.float32)
    mean = jax.tree.map(jnp.float32, mean_traits(GIVEN.leukaemia.traits, np.float32(100.0)))
    drawn = express(mean, list(z), CELL.amounts, np.float32(0.3), np.float32(0.1))
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x, jnp.float32), (1, N)), drawn)


def driven(block: float = 0.0, bcl2: float = 0.0, bclxl: float = 0.0, mcl1: float = 0.0) -> Drive:
    """Action of drugs on one row."""
    one, zero = jnp.ones((1, 1), jnp.float32), jnp.zeros((1, 1), jnp.float32)
    return Drive(one * block, one * bcl2, one * bclxl, one * mcl1, zero, one, zero, zero)


BOTH, VENETOCLAX, NONE = driven(0.87, 50.0), driven(bcl2=50.0), driven()
_advance = jax.jit(advance_cells)
_rest = jax.jit(resting_state)


@functools.partial(jax.jit, static_argnums=5)
def _run(fast: FastState, traits: Traits, drive: Drive, steps: jax.Array, h: jax.Array, exact: bool) -> tuple[FastState, jax.Array]:
    """State and hazard integrated over `steps` steps; `exact` solves the balance of each anew, at its means."""

    def one(_: jax.Array, carry: tuple[FastState, jax.Array]) -> tuple[FastState, jax.Array]:
        before, total = carry
        after, rates = advance_cells(before, traits, drive, CELL, h)
        death = rates.death
        if exact:
            activator, death = settled(before, after, traits, drive)
            after = after._replace(activator=activator)
        return after, total + death * h

    return jax.lax.fori_loop(0, steps, one, (fast, jnp.zeros((1, N), jnp.float32)))


def settled(before: FastState, after: FastState, traits: Traits, drive: Drive) -> tuple[jax.Array, jax.Array]:
    """(free activator, hazard) that belong to the means of a step."""
    mean: FastState = jax.tree.map(lambda a, b: 0.5 * (a + b), before, after)
    activator = free_activator(jnp.zeros_like(mean.bmf), traits, mean.bmf, mean.phi, drive, CELL.bh3, CELL.mcl1, steps=8)
    return activator, apoptosis_hazard(activator, mean.stress, traits.death_factor, CELL.apoptosis)


def run(fast: FastState, traits: Traits, drive: Drive, steps: int, h: float, exact: bool = False) -> tuple[FastState, np.ndarray]:
    after, total = _run(fast, traits, drive, jnp.int32(steps), jnp.float32(h), exact)
    return after, np.asarray(total, np.float64)


def _random_balance(seed: int, n: int) -> tuple[Traits, Drive, np.ndarray]:
    """Amounts, occupancies from none to 3e4 and totals from 1 to 1600 nmol/L."""
    g = np.random.default_rng(seed)
    ones = np.ones((1, n), np.float32)

    def amount(mean: float) -> np.ndarray:
        return (mean * np.exp(0.8 * g.standard_normal((1, n)))).astype(np.float32)

    def occupancy(share: float, decades: float) -> jnp.ndarray:
        return jnp.asarray((10.0 ** g.uniform(-2.0, decades, (1, n)) * (g.random((1, n)) < share)).astype(np.float32))

    traits = Traits(amount(300.0), amount(160.0), amount(100.0), 0 * ones, ones, ones, ones, ones, ones, ones)
    zero = jnp.zeros((1, n), jnp.float32)
    drive = Drive(zero, occupancy(0.7, 4.5), occupancy(0.3, 3.0), occupancy(0.2, 3.0), zero, zero + 1.0, zero, zero)
    return jax.tree.map(jnp.asarray, traits), drive, (10.0 ** g.uniform(0.0, 3.2, (1, n))).astype(np.float32)


def _roots(traits: Traits, drive: Drive, total: np.ndarray) -> np.ndarray:
    """Roots of the balance in float64 by bisection."""
    amounts = np.stack([np.asarray(getattr(traits, name), np.float64)[0] for name in ("bcl2", "bclxl", "mcl1")])
    occupied = np.stack([np.asarray(getattr(drive, f"{name}_occupancy"), np.float64)[0] for name in ("bcl2", "bclxl", "mcl1")])
    kd = np.array([[5.0], [5.0], [3.0]]) * (1.0 + occupied)
    low, high = np.zeros(total.shape[1]), total[0].astype(np.float64)
    for _ in range(80):
        p = 0.5 * (low + high)
        above = p + (amounts * p / (p + kd)).sum(axis=0) > total[0]
        low, high = np.where(above, low, p), np.where(above, p, high)
    return 0.5 * (low + high)


BINDING, HELD = Bh3Binding(kd_bcl2_nm=5.0, kd_bclxl_nm=5.0, kd_mcl1_nm=3.0), Mcl1(loss_fraction=0.0)


def _solve(start: np.ndarray, traits: Traits, drive: Drive, total: np.ndarray, steps: int) -> np.ndarray:
    binding, held = (jax.tree.map(jnp.float32, x) for x in (BINDING, HELD))
    found = free_activator(jnp.asarray(start, jnp.float32), traits, jnp.asarray(total), jnp.zeros_like(traits.bim), drive, binding, held, steps=steps)
    return np.asarray(found, np.float64)[0]


@pytest.fixture(scope="module")
def balances() -> tuple[Traits, Drive, np.ndarray, np.ndarray]:
    traits, drive, total = _random_balance(3, 2000)
    return traits, drive, total, _roots(traits, drive, total)


def test_balance_converges_to_the_root_from_anywhere(balances: tuple[Traits, Drive, np.ndarray, np.ndarray]) -> None:
    traits, drive, total, roots = balances
    for start in (np.zeros((1, 2000)), total, np.full((1, 2000), 1e-6), 1e4 * total):
        assert np.abs(_solve(start, traits, drive, total, 12) / roots - 1.0).max() < 2e-5


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_two_steps_follow_a_warm_start(balances: tuple[Traits, Drive, np.ndarray, np.ndarray], factor: float) -> None:
    traits, drive, total, roots = balances
    error = np.abs(_solve(factor * roots[None, :], traits, drive, total, BALANCE_STEPS) / roots - 1.0)
    assert np.quantile(error, 0.99) < 2e-3
    assert error.max() < 0.03


def test_balance_of_cells_that_lack_proteins() -> None:
    traits, drive, total = _random_balance(4, 16)
    none = traits._replace(**{name: jnp.zeros_like(traits.bim) for name in ("bcl2", "bclxl", "mcl1")})
    np.testing.assert_allclose(_solve(total, none, drive, total, 2), total[0], rtol=1e-6)
    one = none._replace(bcl2=traits.bcl2)
    k = 5.0 * (1.0 + np.asarray(drive.bcl2_occupancy, np.float64))
    m = total - k - np.asarray(one.bcl2, np.float64)
    exact = (2.0 * total * k / (np.sqrt(m * m + 4.0 * total * k) - m))[0]
    np.testing.assert_allclose(_solve(total, one, drive, total, 3), exact, rtol=3e-4)
    assert np.all(_solve(total, traits, drive, 0.0 * total, 3) == 0.0)


@pytest.mark.parametrize(("name", "before", "after"), [("on", NONE, BOTH), ("venetoclax on", NONE, driven(bcl2=300.0)), ("off", BOTH, NONE)])
def test_hazard_after_a_jump_of_concentration(name: str, before: Drive, after: Drive) -> None:
    """Cumulative hazard of a day with two warm-started steps against the balance solved anew; dt = 1 and 2 h."""
    traits = cells_like(1)
    start, _ = run(_rest(traits, CELL), traits, before, 96, 1.0 / 24.0, exact=True)
    for h, limit in ((1.0 / 24.0, 2e-3), (2.0 / 24.0, 5e-3)):
        steps = round(1.0 / h)
        exact, approximate = run(start, traits, after, steps, h, exact=True)[1], run(start, traits, after, steps, h)[1]
        assert abs(approximate.mean() / exact.mean() - 1.0) < limit, name


@pytest.mark.parametrize("drive", [BOTH, VENETOCLAX])
def test_hazard_after_a_redraw_of_traits(drive: Drive) -> None:
    """A redrawn cell keeps its free activator for one step; its hazard over the day is right in the mean."""
    old, new = cells_like(1), cells_like(2)._replace(competence=cells_like(1).competence)
    start, _ = run(_rest(old, CELL), old, drive, 96, 1.0 / 24.0, exact=True)
    redrawn = start._replace(mtorc1=start.mtorc1 * new.set_point / old.set_point)
    exact = run(redrawn, new, drive, 24, 1.0 / 24.0, exact=True)[1]
    approximate = run(redrawn, new, drive, 24, 1.0 / 24.0)[1]
    assert abs(approximate.mean() / exact.mean() - 1.0) < 1e-3 + 4.0 * np.std(approximate - exact) / np.sqrt(N) / exact.mean()
    assert np.abs(approximate - exact).max() < 0.5 * np.asarray(CELL.apoptosis.max_per_day) / 24.0 * 1.3


def test_resting_state_is_a_fixed_point() -> None:
    traits = cells_like(5)
    rest = _rest(traits, CELL)
    after, _ = run(rest, traits, NONE, 24 * 30, 1.0 / 24.0)
    for name, x, y in zip(FastState._fields, rest, after, strict=True):
        np.testing.assert_allclose(np.asarray(y), np.asarray(x), rtol=2e-5, atol=1e-7, err_msg=name)


def test_step_is_second_order() -> None:
    """Error of the hazard over a day falls four-fold with half the step once the step is shorter than mTORC1's half-time."""
    traits = cells_like(6)
    rest = _rest(traits, CELL)
    truth = run(rest, traits, BOTH, 24 * 128, 1.0 / 24.0 / 128.0, exact=True)[1]
    default, *errors = [float(np.abs(run(rest, traits, BOTH, n, 1.0 / n, exact=True)[1] - truth).mean() / truth.mean()) for n in (24, 96, 192, 384)]
    assert default < 0.01
    assert errors[0] < 1e-3
    assert 3.0 < errors[0] / errors[1] < 5.5
    assert 3.0 < errors[1] / errors[2] < 5.5


def test_more_drug_never_helps_a_cell() -> None:
    traits = cells_like(7)
    rest = _rest(traits, CELL)
    hazards = [run(rest, traits, driven(0.87 * x, 100.0 * x), 48, 1.0 / 24.0)[1] for x in (0.0, 0.3, 1.0)]
    assert np.all(hazards[0] <= hazards[1] * (1 + 1e-5))
    assert np.all(hazards[1] <= hazards[2] * (1 + 1e-5))


def test_cells_without_competence_or_response_are_spared() -> None:
    traits = cells_like(8)
    zero = jnp.zeros((1, N), jnp.float32)
    both = run(_rest(traits, CELL), traits, BOTH, 48, 1.0 / 24.0)[1].mean()
    for changed in (traits._replace(competence=zero), traits._replace(mtorc1_response=zero), traits._replace(death_factor=zero)):
        assert run(_rest(changed, CELL), changed, BOTH, 48, 1.0 / 24.0)[1].mean() < 0.5 * both


def test_rates_have_the_shape_of_the_packets() -> None:
    rates: CellRates = _advance(_rest(cells_like(9), CELL), cells_like(9), BOTH, CELL, jnp.float32(1.0 / 24.0))[1]
    assert rates.death.shape == rates.slowing.shape == (1, N)
    assert rates.death.dtype == rates.slowing.dtype == jnp.float32


def test_growth_in_balance() -> None:
    """Division and switching give the net rate and the quiescent share of the record."""
    growth = GIVEN.leukaemia.growth
    b, leave = balanced_growth(growth)
    enter = growth.quiescent_to_cycling_per_day
    rates = np.array([[b - growth.death_per_day - leave, enter], [leave, -growth.death_per_day - enter]])
    values, vectors = np.linalg.eig(rates)
    top = int(np.argmax(values))
    assert values[top] == pytest.approx(growth.net_per_day)
    assert vectors[1, top] / vectors[:, top].sum() == pytest.approx(growth.quiescent_fraction)


@pytest.mark.parametrize("days", [1.0 / 24.0, 0.5, 2.0])
def test_transition_matrix_is_the_exponential(days: float) -> None:
    leave, enter, egress, homing, share = 0.3, 0.1, 0.2, 2.0, 0.4
    rates = np.array([[-leave - egress, leave, egress], [enter, -enter - egress, egress], [homing * (1 - share), homing * share, -homing]])
    arguments = [jnp.full((2, 1), x) for x in (leave, enter, egress, homing, share)]
    found = np.asarray(transition_matrix(*arguments, jnp.float64(days)))[:, :, 0, 0]
    np.testing.assert_allclose(found, expm(rates * days), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


def test_egress_rises_with_the_burden() -> None:
    host = GIVEN.host
    numbers = [jnp.float64(x) for x in (host.egress_at_half_cd45_per_day, host.burden_at_half_cd45, host.egress_exponent)]
    burden = jnp.array([0.0, 1.0, host.burden_at_half_cd45, 2 * host.burden_at_half_cd45])
    hazard = np.asarray(egress_hazard(burden, *numbers))
    assert hazard[0] == 0.0
    assert hazard[2] == pytest.approx(host.egress_at_half_cd45_per_day)
    assert hazard[3] / hazard[2] == pytest.approx(2.0**host.egress_exponent)
    assert dataclasses.is_dataclass(host)
