"""Resistance at detection against Iwasa, Nowak and Michor (2006), and exact laws of short searches.

n = 1000 accepted subjects; level of each check as in `tests.false_alarm`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from abm.errors import InputError
from abm.output.result import RunResult
from abm.parameters.theory import Detection
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from abm.verification.tests_of_chance import check_mean
from tests import seeds
from tests.false_alarm import holds, proportion, within
from tests.theory_runs import default

pytestmark = pytest.mark.usefixtures("optimised")

N = 1000
# What the engine's windows and the way it meets the number may leave, in a probability.
BIAS = 0.002


def searched(seed: int = 1, dt_hours: float = 24.0, **keys: Any) -> RunResult:
    base = default("detection")
    theory, engine = {**(base.theory or {}), "replicates": N, **keys}, dataclasses.replace(base.engine, devices=1, dt_hours=dt_hours)
    return run_experiment(dataclasses.replace(base, seed=seeds.seed(seed), theory=theory, engine=engine), Context())


def resistance(m: float, u: float, b: float, d: float, b_mutant: float, d_mutant: float) -> float:
    """P(any resistant cell) when M sensitive cells are reached, M large."""
    k, a = d_mutant / b_mutant, (b_mutant - d_mutant) / (b - d)
    f = quad(lambda y: (1.0 - k) / (1.0 - k * y**a), 0.0, 1.0)[0] if a != 1.0 or k != d / b else (b / d - 1.0) * np.log(b / (b - d)) * 1.0
    return float(-np.expm1(-m * u * f / (1.0 - d / b)))


def resistant(result: RunResult) -> np.ndarray:
    values: np.ndarray = result.series["count"].sel(population="resistant", arm="theory").isel(time=-1).values
    return values


def check(happened: np.ndarray, p: float) -> None:
    proportion(int(happened.sum()), happened.size, p, allowed=BIAS)


def geometric(t: float, p: float) -> float:
    """Cumulant function of the number of trials up to the first success."""
    left = 1.0 - (1.0 - p) * np.exp(t)
    return float(np.log(p) + t - np.log(left)) if left > 0.0 else np.inf


def test_neutral_mutants() -> None:
    """The public case: resistance, number of attempts, day of detection, books."""
    result = searched()
    exact = resistance(1e4, 4.2e-5, 0.25, 0.181, 0.25, 0.181)
    assert exact == pytest.approx(0.52612, abs=1e-5)
    check(resistant(result) > 0, exact)
    sensitive = result.series["count"].sel(population="sensitive", arm="theory").isel(time=-1).values
    assert sensitive.min() >= 10_000
    assert sensitive.max() <= 10_030
    ends = result.endpoints
    # An attempt succeeds with probability 1 - d / b.
    p = 1.0 - 0.181 / (0.25 * (1.0 - 4.2e-5))
    attempts = ends["attempts"].values.ravel()
    # A geometric number: log E exp(t N) = log(p e^t / (1 - (1 - p) e^t)).
    holds(check_mean("attempts", attempts, 1.0 / p, (1.0 - p) / p**2, lambda t: geometric(t, p)))
    # N(t) exp(-g t) -> a surviving line's exponential of mean b / g: the day is (log(M g / b) - log(Exp(1))) / g.
    g = 0.25 * (1.0 - 4.2e-5) - 0.181
    days = ends["detection_day"].values.ravel()
    expected = (np.log(1e4 * g / 0.25) + np.euler_gamma) / g
    # 0.1 d: windows, and a line that is conditioned to survive is not yet exponential.
    within(days.mean(), expected, np.pi / np.sqrt(6.0) / g / np.sqrt(N), allowed=0.1, what="day of detection")
    assert result.series["time"].values.tolist() == [0.0, days.max()]
    clones = result.clones
    assert set(clones.loc[clones["mechanism"] == "resistant", "subject"]) == set(np.flatnonzero(ends["attempts"].values.ravel() > 0)[
        result.series["gained"].sel(population="resistant", arm="theory").isel(time=-1).values > 0].astype(str))  # fmt: skip


def test_mutants_at_a_disadvantage() -> None:
    exact = resistance(1e3, 3e-4, 1.0, 0.5, 0.9, 0.5)
    check(resistant(searched(seed=2, n_detect=1000, u=3e-4, b=1.0, d=0.5, b_mutant=0.9, d_mutant=0.5)) > 0, exact)
    assert resistance(1e3, 3e-4, 1.0, 0.5, 0.8, 0.4) == pytest.approx(resistance(1e4, 3e-5, 1.0, 0.5, 0.8, 0.4), rel=1e-12)


@pytest.mark.parametrize(("n", "u"), [(5, 0.1), (12, 0.02)])
def test_few_cells(n: int, u: float) -> None:
    """Mutants that neither divide nor die are counted one by one: an exact law, from a walk on n conditioned to succeed."""
    b, d = 1.0, 0.6
    r = resistant(searched(seed=3, n_detect=n, u=u, b=b, d=d, b_mutant=0.0, d_mutant=0.0))
    # P(success without mutant) / P(success): events with mutation end the walk.
    up, down, mutant = b * (1.0 - u), d, b * u

    def absorbed(killing: float) -> float:
        a = np.diag(np.full(n - 1, up + down + killing)) - np.diag(np.full(n - 2, up), 1) - np.diag(np.full(n - 2, down), -1)
        end = np.zeros(n - 1)
        end[-1] = up
        return float(np.linalg.solve(a, end)[0])

    p = absorbed(mutant) / absorbed(0.0)
    # 0.01: few cells meet the number inside a window.
    proportion(int((r == 0).sum()), N, p, allowed=0.01)


def test_one_cell_is_found_at_once() -> None:
    result = searched(n_detect=1)
    assert result.endpoints["detection_day"].values.max() == 0.0
    assert resistant(result).max() == 0


def test_a_search_without_hope_is_refused() -> None:
    keys: dict[str, Any] = {"n_detect": 10_000, "u": 1e-5, "b": 0.2, "d": 0.2, "b_mutant": 0.2, "d_mutant": 0.2, "replicates": 1}
    with pytest.raises(InputError, match="hardly ever become as many"):
        Detection(**keys)
    assert Detection(**{**keys, "d": 0.0}).acceptance == 1.0
    assert Detection(**{**keys, "n_detect": 100, "u": 0.0}).acceptance == pytest.approx(0.01)
    with pytest.raises(InputError, match="hardly ever"):
        Detection(**{**keys, "u": 1.0})
