"""Independent hazards: S_ab S_none = S_a S_b at every time, and exp(-gamma t) with an interaction.

Cells are independent and only die, so counts are binomial with p = exp(-hazard t); level of
each check as in `tests.false_alarm`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.false_alarm import Z, proportion, within
from tests.theory_runs import NEVER, run

ARMS = ("none", "a", "b", "ab")
N0, REPLICATES = 40_000, 16
N = N0 * REPLICATES


def combined(gamma: float, ka: float = 0.10) -> xr.Dataset:
    keys = {"k0": 0.05, "ka": ka, "kb": 0.15, "gamma": gamma, "n0": N0, "t_end": 10.0, "replicates": REPLICATES}
    return run("combination", keys, packets=32, packing_hours=NEVER, interval_hours=120.0)


def check(series: xr.Dataset, gamma: float) -> None:
    """n = 640000 cells per arm; survival of each arm and the interaction."""
    hazards = dict(zip(ARMS, (0.05, 0.15, 0.20, 0.30 + gamma), strict=True))
    for day in (5.0, 10.0):
        alive = {arm: int(series["count"].sel(arm=arm, time=day).sum()) for arm in ARMS}
        p = {arm: np.exp(-hazards[arm] * day) for arm in ARMS}
        for arm in ARMS:
            proportion(alive[arm], N, float(p[arm]), what=f"alive on day {day:g}, arm {arm}")
        interaction = np.log(alive["ab"] * alive["none"] / (alive["a"] * alive["b"]))
        # Arms share draws: whatever their correlation, the sum of the standard errors bounds that of the sum.
        error = sum(np.sqrt((1.0 - p[arm]) / (N * p[arm])) for arm in ARMS)
        within(interaction, -gamma * day, error, what=f"log interaction on day {day:g}")
        assert Z * error < 0.1


def test_independent_hazards_and_an_interaction() -> None:
    null, interacting = combined(0.0), combined(0.05)
    check(null, 0.0)
    check(interacting, 0.05)
    assert int(null["births"].sum()) == 0
    # Only the arm ab knows of the interaction.
    assert np.array_equal(null["count"].sel(arm=["none", "a", "b"]).values, interacting["count"].sel(arm=["none", "a", "b"]).values)


def test_arms_share_their_draws() -> None:
    series = combined(0.0, ka=0.0)
    assert np.array_equal(series["count"].sel(arm="none").values, series["count"].sel(arm="a").values)
    assert np.array_equal(series["count"].sel(arm="b").values, series["count"].sel(arm="ab").values)
