"""Mutation at division against the exact two-type process: `resistance`, `luria_delbruck`.

n = 2500 subjects per case.  Exact values come from generating functions (tests/two_types.py);
what the windows of mutation leave, 2e-4 at most here (test_resistance_step.py), is small
beside the sampling error, and is what `allowed` allows.  Probabilities by the binomial law, means
by Chernoff's bound, at the level of `tests.false_alarm`.  Cases of one convention have as
many steps, so that one program serves them all: a phase is cut into two of equal rates until they fit.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import xarray as xr

from abm.models.theory.program import Settings, save_days
from abm.models.theory.resistance import window_grid
from abm.verification.exact_two_types import TwoTypes, generating_function, moments
from abm.verification.tests_of_chance import check_mean
from tests.false_alarm import events, holds, p_holds, proportion, spread, student, within
from tests.theory_runs import NEVER, run
from tests.two_types import TwoTypePhases, exact, p_of_ks, probabilities

N = 2500
STEPS = 418
WINDOW_SHIFT = 2e-4  # in a probability
PUBLIC: TwoTypePhases = [(60.0, 0.25, 0.181, 0.25, 0.181), (100.0, 0.25, 0.35, 0.25, 0.181), (120.0, 0.25, 0.35, 0.25, 0.181)]
MELANOMA: TwoTypePhases = [(100.0, 0.14, 0.13, 0.14, 0.13), (200.0, 0.14, 0.17, 0.14, 0.13)]


@functools.cache
def cut(phases: tuple[tuple[float, ...], ...]) -> tuple[TwoTypePhases, float]:
    """The same phases, the last one in two pieces, and a step in hours, that make a grid of STEPS steps."""
    *before, (end, *rates) = phases
    start = before[-1][0] if before else 0.0
    for share in np.linspace(0.3, 0.7, 9):
        pieces = [*before, (start + share * (end - start), *rates), (end, *rates)] if len(phases) < 3 else list(phases)
        for windows in range(STEPS, STEPS // 2, -1):
            dt_hours = 24.0 * end / windows
            days = save_days(end, NEVER, [piece[0] for piece in pieces])
            if window_grid(Settings(1, 8, dt_hours, 24.0, NEVER), days, pieces, mutating=True)[0].steps == STEPS:  # type: ignore[arg-type]
                return pieces, dt_hours  # type: ignore[return-value]
    raise AssertionError("no cut fits")


def played(phases: TwoTypePhases, u: float, s0: int, r0: int = 0, mutation: str = "one", seed: int = 1) -> xr.Dataset:
    pieces, dt_hours = cut(tuple(phases))  # type: ignore[arg-type]
    keys = {"s0": s0, "r0": r0, "u": u, "mutation": mutation, "phases": pieces, "replicates": N}
    return run("resistance", keys, seed=seed, dt_hours=dt_hours, packets=4)


def numbers(series: xr.Dataset, population: str, day: float | None = None) -> np.ndarray:
    at = series.isel(time=-1) if day is None else series.sel(time=day, method="nearest")
    values: np.ndarray = at["count"].sel(arm="theory", population=population).values
    return values


def check_probability(happened: np.ndarray, p: float) -> None:
    proportion(int(happened.sum()), happened.size, p, allowed=WINDOW_SHIFT)


def check_means(s: np.ndarray, r: np.ndarray, case: TwoTypes, expected: tuple[float, float]) -> None:
    """Mean numbers of both types; `expected` are those of the table."""
    mean, covariance = moments(case)
    assert mean == pytest.approx(expected, rel=1e-4)

    def log_moment(of_s: float, of_r: float) -> float:
        with np.errstate(all="ignore"):
            value = float(np.log(np.real(generating_function(case, np.exp(of_s), np.exp(of_r)))))
        return value if np.isfinite(value) else np.inf

    holds(
        check_mean("mean S", s, mean[0], covariance[0, 0], lambda t: log_moment(t, 0.0)),
        check_mean("mean R", r, mean[1], covariance[1, 1], lambda t: log_moment(0.0, t), allowed=1e-3 * mean[1]),
    )


def check_books(series: xr.Dataset, mutation: str = "one") -> None:
    """count = count(0) + births - deaths + gained - lost to the cell; only mothers of two mutants are lost."""
    change = series["births"] - series["deaths"] + series["gained"] - series["lost"]
    assert bool((series["count"] - series["count"].isel(time=0) == change).all())
    for name in ("births", "deaths", "gained", "lost"):
        assert int(series[name].min()) >= 0
        assert bool((series[name].diff("time") >= 0).all())
    assert int(series["gained"].sel(population="sensitive").sum()) == 0
    assert int(series["lost"].sel(population="resistant").sum()) == 0
    lost, gained = (int(series[k].isel(time=-1).sum()) for k in ("lost", "gained"))
    assert lost == 0 if mutation == "one" else gained >= 2 * lost > 0


def test_growth_and_treatment() -> None:
    """The public case with days 100 and 120: probabilities, means, the law of mutants and their number of origins."""
    series = played(PUBLIC, 4.2e-4, 20)
    check_books(series)
    s, r = numbers(series, "sensitive", 100.0), numbers(series, "resistant", 100.0)
    check_probability(r == 0, 0.43971)
    check_probability(s == 0, 0.03742)
    check_probability((r == 0) & (s == 0), 0.02999)
    check_means(s, r, TwoTypes(20, 0, 4.2e-4, "one", PUBLIC[:2]), (22.765, 136.86))
    p_holds(p_of_ks(r, probabilities(PUBLIC[:2], 4.2e-4, "one", 20, 0, 4096)), "law of R")
    s, r = numbers(series, "sensitive"), numbers(series, "resistant")
    check_probability((r == 0) & (s == 0), 0.24719)
    check_probability(r >= 200, 0.34614)
    # Divisions of sensitive cells, u b integrated over their expected number.
    growth, decline = 0.25 * (1 - 4.2e-4) - 0.181, 0.25 * (1 - 4.2e-4) - 0.35
    lived = 20 * np.expm1(growth * 60) / growth + 20 * np.exp(growth * 60) * np.expm1(decline * 60) / decline
    gained = series["gained"].sel(population="resistant", arm="theory").isel(time=-1).values
    student(gained, 4.2e-4 * 0.25 * lived, what="origins")


def test_slow_growth_of_many_cells() -> None:
    series = played(MELANOMA, 1e-3, 200, seed=2)
    s, r = numbers(series, "sensitive"), numbers(series, "resistant")
    check_probability(r == 0, 0.45720)
    check_probability(s == 0, 0.01762)
    check_probability((r == 0) & (s == 0), 0.01051)
    check_means(s, r, TwoTypes(200, 0, 1e-3, "one", MELANOMA), (26.320, 25.536))


def test_fluctuation_of_cultures() -> None:
    """The law of Luria and Delbrueck with sensitive cells that grow by chance, and the experiment of that name."""
    phases: TwoTypePhases = [(5.0, 1.0, 0.0, 1.0, 0.0)]
    law = probabilities(phases, 2.7e-4, "one", 100, 0, 8192)
    assert law[0] == pytest.approx(0.02018, abs=6e-6)
    assert np.searchsorted(np.cumsum(law), [0.5, 0.9]).tolist() == [10, 43]
    r = numbers(played(phases, 2.7e-4, 100, seed=3), "resistant")
    check_probability(r == 0, law[0])
    check_probability(r <= 10, float(law[:11].sum()))
    check_probability(r <= 43, float(law[:44].sum()))
    p_holds(p_of_ks(r, law), "law of R")


def test_rare_mutations_of_very_many_cells() -> None:
    """From 1e6 to 1e12 cells at 1e-9 mutants a division: the whole law of mutants, of which there are 1250 origins."""
    b, d, u, n0 = 1.0, 0.2, 1e-9, 10**6
    t = float(np.log(1e6) / (b - d))
    phases: TwoTypePhases = [(t, b, d, b, d)]
    series = played(phases, u, n0, seed=4)
    check_books(series)
    s, r = numbers(series, "sensitive"), numbers(series, "resistant")
    student(s, 1e12, what="mean S")
    # Sensitive cells are many from the start: a Poisson stream of clones in proportion to their mean.
    size = 1 << 17
    radius = 10.0 ** (-8.0 / size)
    z = radius * np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    nodes, weights = np.polynomial.legendre.leggauss(120)
    age, weight = 0.5 * t * (nodes + 1.0), 0.5 * t * weights
    log_g = np.zeros_like(z)
    for a, w in zip(age, weight, strict=True):
        e = np.exp((b - d) * a)
        clone = ((d - b * z) * 1.0 - d * (1.0 - z) * e) / ((d - b * z) - b * (1.0 - z) * e)
        log_g += w * u * b * n0 * np.exp((b - d) * (t - a)) * (clone - 1.0)
    law = np.maximum(np.fft.irfft(np.conj(np.exp(log_g)), size) / radius ** np.arange(size), 0.0)
    p_holds(p_of_ks(r, law), "law of R")
    origins = series["gained"].sel(population="resistant", arm="theory").isel(time=-1).values
    expected = u * b * (1e12 - 1e6) / (b - d)
    events(int(origins.sum()), N * expected, what="origins of all subjects")
    spread(origins, expected, what="variance of the origins, Poisson of mean 1250")


def test_as_many_mutants_as_divisions_allow() -> None:
    """2e-8 mutants a division over 5e8 divisions of cells that only divide: a Poisson number of 10 origins."""
    n0, t = 10**8, float(np.log(6.0))
    series = played([(t, 1.0, 0.0, 0.0, 0.0)], 2e-8, n0, seed=5)
    r = numbers(series, "resistant")
    events(int(r.sum()), N * 10.0, what="mutants of all subjects")
    # The fourth central moment of a Poisson number of mean m is m + 3 m^2.
    within(np.mean((r - 10.0) ** 2), 10.0, np.sqrt((10.0 + 2.0 * 10.0**2) / N), what="variance of the mutants")
    check_probability(r == 0, float(np.exp(-10.0)))


def test_every_division_makes_a_mutant() -> None:
    """u = 1 with resistant cells from the start: sensitive cells only die."""
    phases: TwoTypePhases = [(6.0, 0.5, 0.4, 0.5, 0.4)]
    series = played(phases, 1.0, 5, 2, seed=6)
    assert int(series["births"].sel(population="sensitive").max()) == 0
    check_books(series)
    s, r = numbers(series, "sensitive"), numbers(series, "resistant")
    alive = np.exp(-0.4 * 6.0)
    check_probability(s == 0, float((1.0 - alive) ** 5))
    p_holds(p_of_ks(r, probabilities(phases, 1.0, "one", 5, 2, 512)), "law of R")


def test_each_daughter_mutates() -> None:
    """Often, with other rates for mutants, mutants from the start and a strong kill."""
    phases: TwoTypePhases = [(6.0, 0.5, 0.2, 0.4, 0.3), (9.0, 0.5, 1.5, 0.4, 0.3)]
    series = played(phases, 0.3, 6, 1, "each", seed=7)
    check_books(series, "each")
    s, r = numbers(series, "sensitive"), numbers(series, "resistant")
    (g1, g2) = exact(phases, 0.3, "each", np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    for happened, p in zip((r == 0, s == 0, (r == 0) & (s == 0)), (g1**6 * g2).real, strict=True):
        check_probability(happened, float(p))
    p_holds(p_of_ks(r, probabilities(phases, 0.3, "each", 6, 1, 512)), "law of R")
