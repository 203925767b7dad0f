"""Logistic growth against the master equation of the process in continuous time.

The step that a run chooses is tested without chance: the exact chain of such steps is
multiplied out and compared with the master equation.  Runs are then compared with the
master equation beyond a stated bias: that of the chain of steps, which is known.  Chance by
bounds that hold for any sample (Chernoff, the binomial law), at the level of `tests.false_alarm`.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest
import scipy.sparse as sparse
import scipy.sparse.linalg as linear

from abm.models.theory.logistic import Crowded, LogisticParams, longest_step
from abm.parameters.theory import Logistic
from abm.verification.tests_of_chance import check_law, check_mean, check_variance, cumulants_of
from tests.false_alarm import holds, proportion
from tests.theory_runs import NEVER, run

LARGEST_BIAS, LARGEST_SHIFT = 0.01, 0.02


def case(form: str, n0: int = 3, b: float = 1.0, d: float = 0.5, capacity: float = 60.0, t_end: float = 8.0) -> Logistic:
    return Logistic(n0=n0, b=b, d=d, capacity=capacity, form=form, t_end=t_end, replicates=2000)


def rates(record: Logistic, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Birth and death rate of a cell among n."""
    if record.form == "birth":
        return record.b * np.maximum(0.0, 1.0 - n / record.capacity), np.full(n.shape, record.d)
    return np.full(n.shape, record.b), record.d + (record.b - record.d) * n / record.capacity


def master_equation(record: Logistic, size: int) -> tuple[float, float, float]:
    """(mean, variance, P(0)) at the end, states 0 .. size - 1."""
    return summary(law_at_end(record, size))


def law_at_end(record: Logistic, size: int) -> np.ndarray:
    """P(0), ..., P(size - 1) at the end."""
    n = np.arange(float(size))
    birth, death = (n * rate for rate in rates(record, n))
    birth[-1] = 0.0
    flow = sparse.diags([death[1:], -(birth + death), birth[:-1]], [1, 0, -1], format="csc")
    start = np.zeros(size)
    start[record.n0] = 1.0
    law: np.ndarray = np.maximum(linear.expm_multiply(flow * record.t_end, start), 0.0)
    return law / law.sum()


def summary(p: np.ndarray) -> tuple[float, float, float]:
    n = np.arange(len(p))
    mean = float(p @ n)
    return mean, float(p @ n**2) - mean**2, float(p[0])


def chain(record: Logistic, size: int, step: float) -> tuple[float, float, float]:
    """The same of the chain of steps in which every cell has the rates that the model holds over the step."""
    steps = int(np.ceil(record.t_end / step - 1e-9))
    h = record.t_end / steps
    model, params = Crowded(form=record.form), LogisticParams(record.b, record.d, record.capacity)
    n = np.arange(float(size))
    with jax.enable_x64(True):
        birth, death = (np.asarray(x) for x in model.hazards(params, n))
        middle = n * np.exp(0.5 * h * (birth - death))
        birth, death = (np.asarray(x) for x in model.hazards(params, middle))
    g = birth - death
    e = np.where(g == 0.0, h, np.expm1(g * h) / np.where(g == 0.0, 1.0, g))
    w, v = birth * e, death * e
    s = np.exp(2j * np.pi * np.arange(4 * size) / (4 * size))[None, :]
    alpha, beta = (v / (1.0 + w))[:, None], (w / (1.0 + w))[:, None]
    generating = (alpha + (1.0 - alpha) * (1.0 - beta) * s / (1.0 - beta * s)) ** n[:, None]
    move = np.maximum(np.fft.fft(generating, axis=1).real / (4 * size), 0.0)[:, :size]
    p = np.zeros(size)
    p[record.n0] = 1.0
    for _ in range(steps):
        p = p @ move
    assert abs(p.sum() - 1.0) < 1e-6
    return summary(p)


def test_exact_values_of_the_public_cases() -> None:
    assert master_equation(case("death"), 300) == pytest.approx((32.769, 422.4, 0.13988), rel=2e-4)
    birth = case("birth", n0=10, b=0.25, d=0.181, capacity=300.0, t_end=60.0)
    assert master_equation(birth, 320) == pytest.approx((62.240, 640.3, 0.04906), rel=2e-4)
    assert master_equation(case("birth"), 80)[::2] == pytest.approx((19.308, 0.1402), rel=3e-4)


@pytest.mark.parametrize(
    ("record", "size"),
    [
        (case("death"), 250),
        (case("birth"), 120),
        (case("birth", n0=10, b=0.25, d=0.181, capacity=300.0, t_end=60.0), 400),
        (case("death", n0=80, capacity=20.0, t_end=3.0), 250),
        (case("birth", n0=2, b=3.0, d=1.0, capacity=8.0, t_end=5.0), 60),
        (case("death", n0=2, b=3.0, d=1.0, capacity=8.0, t_end=5.0), 80),
    ],
    ids=lambda x: f"{x.form}-{x.capacity:g}" if isinstance(x, Logistic) else "",
)
def test_the_chosen_step_leaves_little_bias(record: Logistic, size: int) -> None:
    mean, variance, extinct = master_equation(record, size)
    seen = chain(record, size, longest_step(record))
    assert seen[0] == pytest.approx(mean, rel=0.5 * LARGEST_BIAS)
    assert seen[1] == pytest.approx(variance, rel=0.025)
    assert seen[2] == pytest.approx(extinct, abs=0.25 * LARGEST_SHIFT)


@pytest.mark.parametrize(("form", "dt_hours", "t_end", "size"), [("death", 1.0, 8.0, 300), ("birth", 24.0, 4.0, 120)])
def test_runs_agree_with_the_master_equation(form: str, dt_hours: float, t_end: float, size: int) -> None:
    # n = 2000 replicates
    record = case(form, t_end=t_end)
    keys = {"n0": 3, "b": 1.0, "d": 0.5, "capacity": 60.0, "form": form, "t_end": t_end, "replicates": 2000}
    x = run("logistic", keys, seed=6, dt_hours=dt_hours, packing_hours=NEVER)["count"].isel(time=-1).values.ravel()
    law = law_at_end(record, size)
    mean, variance, extinct = summary(law)
    holds(
        check_mean("mean", x, mean, variance, cumulants_of(law, np.arange(float(size))), allowed=0.25 * LARGEST_BIAS * mean),
        check_variance("variance", x, law, allowed=0.01 * variance),
        check_law("distance of the law", x, law, allowed=0.25 * LARGEST_SHIFT),
    )
    proportion(int((x == 0).sum()), x.size, extinct, allowed=0.25 * LARGEST_SHIFT, what="extinct")
