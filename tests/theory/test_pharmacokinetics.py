"""Concentrations against sums of exponentials and superposition, at any step.

The closed form is written here from the eigenvalues of the two-compartment model and
shares no code with the program; agreement is to 1e-9 of the largest concentration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.theory_runs import run

EVEROLIMUS: dict[str, Any] = {"cl": 17.4, "v1": 25.2, "q": 51.1, "v2": 400.0, "ka": 0.647, "f": 1.0, "lag": 0.0}
PACLITAXEL: dict[str, Any] = {"cl": 285.0, "v1": 290.0, "q": 204.0, "v2": 1000.0, "ka": None, "f": 1.0, "lag": 0.0}
LAGGED: dict[str, Any] = {"cl": 3.0, "v1": 20.0, "q": 0.0, "v2": None, "ka": None, "f": 0.7, "lag": 0.4}


def unit_terms(pk: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(A, rate) with C(t) = sum A exp(-rate t) after a bolus of 1."""
    if pk["q"] == 0.0:
        return np.array([1.0 / pk["v1"]]), np.array([pk["cl"] / pk["v1"]])
    out, there, back = pk["cl"] / pk["v1"], pk["q"] / pk["v1"], pk["q"] / pk["v2"]
    total = out + there + back
    fast, slow = (total + np.array([1.0, -1.0]) * np.sqrt(total**2 - 4.0 * out * back)) / 2.0
    return np.array([fast - back, back - slow]) / (fast - slow) / pk["v1"], np.array([fast, slow])


def concentration(pk: dict[str, Any], doses: list[tuple[float, float, float]], hours: float) -> float:
    """Superposition of all doses; a bolus at `hours` itself counts."""
    a, rate = unit_terms(pk)
    total = 0.0
    for start, amount, duration in doses:
        t = hours - start - pk["lag"]
        if t < -1e-12:
            continue
        t = max(t, 0.0)
        if duration > 0.0:
            one = a / (rate * duration) * (np.exp(-rate * max(t - duration, 0.0)) - np.exp(-rate * t))
        elif pk["ka"] is not None:
            one = a * pk["ka"] / (pk["ka"] - rate) * (np.exp(-rate * t) - np.exp(-pk["ka"] * t))
        else:
            one = a * np.exp(-rate * t)
        total += pk["f"] * amount * float(one.sum())
    return total


def check(pk: dict[str, Any], doses: list[tuple[float, float, float]], times_h: list[float], **engine: Any) -> dict[float, float]:
    series = run("pharmacokinetics", {**pk, "doses": doses, "times_h": times_h}, **engine)
    curve = series["concentration"].sel(arm="theory", subject="0", drug="drug")
    seen = {time: float(curve.sel(time=time / 24.0, method="nearest", tolerance=1e-9)) for time in times_h}
    largest = max(seen.values())
    for time, value in seen.items():
        assert value == pytest.approx(concentration(pk, doses, time), abs=1e-9 * largest), f"{time} h"
    return seen


def test_daily_oral_doses_reach_the_published_steady_state() -> None:
    doses = [(24.0 * day, 10_000.0, 0.0) for day in range(30)]
    seen = check(EVEROLIMUS, doses, [0.736, 24.0, 100.3, 696.0, 720.0])
    assert seen[0.736] == pytest.approx(61.76, abs=0.005)
    assert seen[24.0] == pytest.approx(6.809, abs=0.0005)
    assert seen[720.0] == pytest.approx(12.880, abs=0.0005)


def test_an_infusion_at_a_long_step() -> None:
    seen = check(PACLITAXEL, [(0.0, 410.0, 3.0)], [1.7, 3.0, 6.0, 24.0, 48.0], dt_hours=24.0)
    assert seen[3.0] == pytest.approx(0.31512, abs=5e-6)
    assert seen[6.0] == pytest.approx(0.048057, abs=5e-7)
    assert seen[24.0] == pytest.approx(0.0061514, abs=5e-8)
    assert seen[48.0] == pytest.approx(4.105e-4, abs=5e-8)


def test_boluses_count_at_their_own_time_and_after_a_lag() -> None:
    doses = [(0.0, 5.0, 0.0), (2.6, 5.0, 0.0), (9.0, 4.0, 1.5), (40.0, 9.0, 0.0)]
    times = [0.0, 0.4, 2.999, 3.0, 10.1, 10.9, 30.0]
    seen = check(LAGGED, doses, times, dt_hours=7.0)
    assert seen[0.0] == 0.0
    assert seen[0.4] == pytest.approx(0.7 * 5.0 / 20.0, rel=1e-12)
    assert seen[3.0] > seen[2.999] + 0.9 * 0.7 * 5.0 / 20.0
    at_once = check({**LAGGED, "lag": 0.0}, [*doses, (1.3, 2.0, 0.0)], times, dt_hours=7.0)
    assert at_once[0.0] == pytest.approx(0.7 * 5.0 / 20.0, rel=1e-12)
