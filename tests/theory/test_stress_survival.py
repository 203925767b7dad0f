"""Stress-induced death against S = E[exp(-int hazard)], by quadrature over time and over cells.

Cells are independent, so with one packet per cell counts are binomial; means of subjects
that share packets are tested by Student's law.  Level of each check as in `tests.false_alarm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.integrate import quad

from tests.false_alarm import LEVEL, proportion, student
from tests.theory_runs import NEVER, run

MIXED: dict[str, Any] = {"kon": 1.0, "koff": 0.5, "h0": 0.01, "h1": 0.3, "hill_m": 1.0, "bmf_positive_fraction": 0.8, "cv": 0.6}
PULSED = [(4.0, 1.0), (6.0, 0.0), (10.0, 1.0)]


def cumulative_stress(keys: dict[str, Any], inhibition: list[tuple[float, float]], day: float) -> float:
    """int_0^day s^m dt, phase by phase."""
    total, start, s = 0.0, 0.0, 0.0
    for end, value in inhibition:
        stop = min(end, day)
        if stop <= start:
            break
        k = keys["kon"] * value + keys["koff"]
        level = keys["kon"] * value / k

        def stress(t: float, begin: float = start, s0: float = s, k: float = k, level: float = level) -> float:
            return float(level + (s0 - level) * np.exp(-k * (t - begin)))

        total += quad(lambda t: stress(t) ** keys["hill_m"], start, stop, epsabs=1e-12, epsrel=1e-12)[0]
        start, s = stop, stress(stop)
    return total


def survival(keys: dict[str, Any], inhibition: list[tuple[float, float]], day: float) -> tuple[float, float]:
    """Probabilities that a BMF-positive and that a BMF-negative cell lives on `day`."""
    x, weight = np.polynomial.hermite_e.hermegauss(80)
    sigma = np.sqrt(np.log1p(keys["cv"] ** 2))
    factor = np.exp(sigma * x - 0.5 * sigma**2)
    alive = np.exp(-keys["h1"] * factor * cumulative_stress(keys, inhibition, day))
    base = float(np.exp(-keys["h0"] * day))
    return base * float(weight @ alive / weight.sum()), base


def totals(series: xr.Dataset, day: float) -> tuple[int, int]:
    at = series["count"].sel(time=day).sum(["arm", "subject"])
    return int(at.sel(population="bmf_positive")), int(at.sel(population="bmf_negative"))


def test_exact_values_of_the_public_case() -> None:
    for day, expected, share in ((2.0, 0.79998, 0.75494), (5.0, 0.55704, 0.65847), (10.0, 0.37329, 0.51521)):
        positive, negative = survival(MIXED, PULSED, day)
        total = 0.8 * positive + 0.2 * negative
        assert total == pytest.approx(expected, abs=1e-5)
        assert 0.8 * positive / total == pytest.approx(share, abs=1e-5)


def test_every_cell_carries_its_own_sensitivity_at_a_long_step() -> None:
    # n = 40000 cells, each a packet
    n = 40_000
    keys = {**MIXED, "inhibition": PULSED, "n0": n, "replicates": 1}
    series = run("stress_survival", keys, dt_hours=24.0, packets=n, packing_hours=NEVER, interval_hours=24.0)
    proportion(totals(series, 0.0)[0], n, 0.8)
    for day in (2.0, 5.0, 10.0):
        positive, negative = survival(MIXED, PULSED, day)
        seen = totals(series, day)
        proportion(seen[0], n, 0.8 * positive)
        proportion(seen[1], n, 0.2 * negative)
        proportion(sum(seen), n, 0.8 * positive + 0.2 * negative)


def test_the_mean_holds_with_fewer_packets_than_cells() -> None:
    # n = 64 replicates of 5000 cells in 64 packets, split and merged every day; the default step
    n0 = 5000
    keys = {**MIXED, "inhibition": PULSED, "n0": n0, "replicates": 64}
    series = run("stress_survival", keys, seed=3, packets=64, interval_hours=24.0)
    for day in (2.0, 10.0):
        for population, probability in zip(("bmf_positive", "bmf_negative"), survival(MIXED, PULSED, day), strict=True):
            fraction = 0.8 if population == "bmf_positive" else 0.2
            x = series["count"].sel(time=day, population=population).values.ravel() / n0
            student(x, fraction * probability, what=f"{population} on day {day:g}")
            # At this resolution the bound above is sharp: a mean cell would be seen.
            assert stats.t.isf(0.5 * LEVEL, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size) < 0.025 * probability


def test_alike_cells_and_a_fractional_power() -> None:
    # n = 50000 identical cells in 16 packets; a fifth lacks BMF and survives
    n = 50_000
    alike = {**MIXED, "cv": 0.0, "h0": 0.0, "h1": 0.5, "hill_m": 0.5}
    inhibition = [(1.3, 0.4), (3.0, 1.0), (4.5, 0.0), (9.0, 1.0)]
    series = run("stress_survival", {**alike, "inhibition": inhibition, "n0": n, "replicates": 1}, seed=4, packets=16, dt_hours=24.0, packing_hours=NEVER)
    for day in (1.3, 4.5, 9.0):
        proportion(totals(series, day)[0], n, 0.8 * survival(alike, inhibition, day)[0])
    assert totals(series, 9.0)[1] == totals(series, 0.0)[1]
