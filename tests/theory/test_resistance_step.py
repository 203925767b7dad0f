"""The windows that the engine draws mutants from, against the exact two-type process, without chance.

Births and deaths on either side of the mutation of a window: second order, exact for the
sensitive cells.  What the engine's window leaves is below 5e-4 in any probability here,
also for u = 1 and strong kill.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

from abm.engine.emission import conversion_time, unmutated
from abm.models.theory.program import Settings, save_days
from abm.models.theory.resistance import MAX_EVENTS_PER_WINDOW, two_type_params, window_grid
from tests.two_types import TwoTypePhases, chain, exact

DRUG: TwoTypePhases = [(60.0, 0.25, 0.181, 0.25, 0.181), (100.0, 0.25, 0.35, 0.25, 0.181)]
LONGER: TwoTypePhases = [DRUG[0], (120.0, *DRUG[1][1:])]
MELANOMA: TwoTypePhases = [(100.0, 0.14, 0.13, 0.14, 0.13), (200.0, 0.14, 0.17, 0.14, 0.13)]
KILL: TwoTypePhases = [(5.0, 1.0, 0.2, 1.0, 0.2), (8.0, 1.0, 6.0, 1.0, 0.2)]
# (phases, u, mutation, s0, r0)
CASES = {
    "public": (DRUG, 4.2e-4, "one", 20, 0),
    "melanoma": (MELANOMA, 1e-3, "one", 200, 0),
    "each": (DRUG, 4.2e-4, "each", 20, 0),
    "luria-delbruck": ([(5.0, 1.0, 0.0, 1.0, 0.0)], 2.7e-4, "one", 100, 0),
    "every division": ([(10.0, 0.5, 0.4, 0.5, 0.4)], 1.0, "one", 5, 0),
    "every daughter": ([(10.0, 0.5, 0.4, 0.5, 0.4)], 1.0, "each", 5, 0),
    "often": ([(10.0, 0.5, 0.2, 0.4, 0.4)], 0.3, "each", 5, 2),
    "kill": (KILL, 1e-2, "one", 10, 1),
    "kill of mutants": ([KILL[0], (8.0, 0.5, 0.2, 1.0, 6.0)], 0.1, "one", 10, 0),
    "critical": ([(50.0, 1.0, 1.0, 1.0, 1.0)], 1e-2, "one", 20, 3),
    "pure birth": ([(5.0, 1.0, 0.0, 1.0, 0.0)], 1e-2, "each", 2, 0),
}
# P(no resistant), P(no sensitive), P(cure), and two more moments of the law.
POINTS = (np.array([1.0, 0.0, 0.0, 1.0, 0.9]), np.array([0.0, 1.0, 0.0, 0.9, 0.9]))


def of_process(name: str) -> np.ndarray:
    phases, u, mutation, s0, r0 = CASES[name]
    g1, g2 = exact(phases, u, mutation, *POINTS)
    return (g1**s0 * g2**r0).real


def of_chain(name: str, events: float) -> np.ndarray:
    phases, u, mutation, s0, r0 = CASES[name]

    def emitted(exposure: float, s1: np.ndarray, s2: np.ndarray) -> np.ndarray:
        if mutation == "one":
            return s1 * np.exp(-u * exposure * (1.0 - s2))
        both, single = u * u * exposure, 2.0 * u * (1.0 - u) * exposure
        with jax.enable_x64(True):
            share = float(conversion_time(np.float64(both)))
        return np.exp(-both) * s1 * np.exp(-single * (1.0 - s2)) - np.expm1(-both) * s2**2 * np.exp(-single * share * (1.0 - s2))

    def windows(length: float, sensitive: float, resistant: float) -> int:
        return max(1, int(np.ceil(length * max(sensitive, resistant) / events - 1e-9)))

    g1, g2 = chain(phases, windows, u, mutation, float(unmutated(u, mutation)), emitted, *POINTS)
    return g1**s0 * g2**r0


def test_exact_values_of_the_public_cases() -> None:
    assert of_process("public")[:3] == pytest.approx([0.43971, 0.03742, 0.02999], abs=6e-6)
    assert of_process("melanoma")[:3] == pytest.approx([0.45720, 0.01762, 0.01051], abs=6e-6)
    g1, _ = exact(LONGER, 4.2e-4, "one", np.zeros(1), np.zeros(1))
    assert g1[0].real ** 20 == pytest.approx(0.24719, abs=6e-6)
    assert of_process("luria-delbruck")[0] == pytest.approx(0.02018, abs=6e-6)


@pytest.mark.parametrize("name", CASES)
def test_what_a_window_leaves(name: str) -> None:
    assert of_chain(name, MAX_EVENTS_PER_WINDOW) == pytest.approx(of_process(name), abs=5e-4)


@pytest.mark.parametrize("name", ["public", "luria-delbruck", "every daughter", "kill", "kill of mutants"])
def test_the_error_is_of_second_order_and_none_for_sensitive_cells(name: str) -> None:
    truth = of_process(name)
    errors = [of_chain(name, events) - truth for events in (0.4, 0.2, 0.1)]
    largest = np.argmax(np.abs(errors[0]))
    assert errors[0][largest] / errors[1][largest] == pytest.approx(4.0, rel=0.1)
    assert errors[1][largest] / errors[2][largest] == pytest.approx(4.0, rel=0.1)
    if CASES[name][4] == 0:
        assert [e[1] for e in errors] == pytest.approx([0.0] * 3, abs=1e-9)


@pytest.mark.parametrize("events", [1e-12, 1e-6, 9.99e-4, 1.01e-3, 0.1, 3.0])
def test_mean_time_of_a_conversion(events: float) -> None:
    with jax.enable_x64(True):
        share = float(conversion_time(np.float64(events)))
    t = (np.arange(200_000) + 0.5) / 200_000
    assert share == pytest.approx(np.sum(t * np.exp(-events * t)) / np.sum(np.exp(-events * t)), rel=1e-9)


@pytest.mark.parametrize("dt_hours", [1.0, 4.0, 24.0, 500.0])
def test_windows_of_the_grid(dt_hours: float) -> None:
    """Their exposures cover every phase exactly, none holds more than a few events, and steps of `dt_hours` are respected."""
    days = save_days(100.0, 24.0 * 30, [60.0, 100.0])
    grid, saved = window_grid(Settings(1, 8, dt_hours, 24.0, 720.0), days, DRUG, mutating=True)
    params = two_type_params(grid, DRUG, 0.3, "each")
    assert np.array_equal(grid.times[list(saved)], days)
    assert params.exposure.sum() == pytest.approx(25.0, rel=1e-12)
    middles = np.flatnonzero(grid.moves)
    assert np.array_equal(np.flatnonzero(params.exposure), middles - 1)
    rate = np.where(grid.times[middles] < 60.0, 0.431, 0.6)
    assert np.max(params.exposure[middles - 1] / 0.25 * rate) <= MAX_EVENTS_PER_WINDOW + 1e-9
    assert np.max(params.exposure) / 0.25 <= dt_hours / 24.0 + 1e-9
    assert params.division.astype(float).sum(axis=0) == pytest.approx([25.0 * 0.49, 25.0], rel=1e-6)
