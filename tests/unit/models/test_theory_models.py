"""Parts of the theory experiments: laws of steps, quadrature of stress, grids, first packets, refused keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from abm.errors import InputError, Stopped
from abm.models.theory.birth_death import longest_window, schedule_params, step_laws
from abm.models.theory.program import MOST_STEPS_PER_DRAW, Settings, alike_packets, capacity_for, replicate_keys, save_days, theory_grid
from abm.models.theory.stress_survival import founders, longest_step, stress_params
from abm.parameters.theory import THEORY_RECORDS, BirthDeath, Combination, Pharmacokinetics, StressSurvival
from abm.streams import subject_key
from abm.studies.context import Context
from abm.studies.dispatch import run_experiment
from abm.studies.theory import PROGRAMS
from tests.theory_runs import default

STRESS: dict[str, Any] = {
    "kon": 2.0,
    "koff": 0.5,
    "h0": 0.01,
    "h1": 0.3,
    "hill_m": 1.0,
    "bmf_positive_fraction": 0.8,
    "cv": 0.6,
    "inhibition": [(4.0, 1.0), (6.0, 0.0), (10.0, 0.3)],
    "n0": 100,
    "replicates": 1,
}


def settings(**changed: Any) -> Settings:
    return Settings(**{"seed": 1, "packets": 64, "dt_hours": 24.0, "packing_hours": 24.0, "interval_hours": 24.0, **changed})


def stress(**changed: Any) -> StressSurvival:
    return StressSurvival(**{**STRESS, **changed})


def test_law_of_a_step_in_which_rates_change_solves_its_equations() -> None:
    phases = [(0.4, 0.9, 0.2), (0.7, 0.3, 0.3), (2.0, 0.0, 1.7)]
    law, division = step_laws(np.array([0.0, 0.9, 1.5, 2.0]), phases)

    def slope(t: float, y: np.ndarray) -> list[float]:
        _, b, d = next(p for p in phases if t <= p[0])
        w, v, x, _, _ = y
        return [b + (b - d) * w, d + (b - d) * v, (b - d) * x, d * x, b]

    y = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    for start, stop in ((0.0, 0.4), (0.4, 0.7), (0.7, 0.9)):
        y = solve_ivp(slope, (start + 1e-15, stop), y, rtol=1e-12, atol=1e-14).y[:, -1]
    assert [law.w[0], law.v[0], law.x[0], law.deaths[0], division[0]] == pytest.approx(y, rel=1e-9)
    assert law.x[0] == pytest.approx(1.0 + law.w[0] - law.v[0], rel=1e-14)


def test_laws_of_arms_stand_side_by_side() -> None:
    params, axes = schedule_params(np.array([0.0, 1.0, 2.0]), [[(2.0, 0.0, 0.1)], [(2.0, 0.0, 0.4)]], subjects=3)
    assert params.law.x.shape == (2, 2)
    assert params.law.x[0] == pytest.approx(np.exp([-0.1, -0.4]), rel=1e-6)
    assert params.arm_of_row.tolist() == [0, 0, 0, 1, 1, 1]
    assert (axes.arm_of_row, axes.division, axes.law.w) == (0, -1, -1)


@pytest.mark.parametrize("dt_hours", [1.0, 24.0, 100.0])
@pytest.mark.parametrize("hill_m", [0.4, 1.0, 2.5, 4.0])
def test_quadrature_of_the_stress_is_exact_at_any_step(dt_hours: float, hill_m: float) -> None:
    record = stress(hill_m=hill_m)
    grid, _ = theory_grid(settings(dt_hours=dt_hours), save_days(10.0, 240.0, [4.0, 6.0, 10.0]), longest_step=longest_step(record))
    params = stress_params(record, grid.times)
    s, total = 0.0, 0.0
    for k in range(grid.steps):
        away = float(params.target[k]) - s
        total += float(np.sum(params.node_weight[k] * (s + away * params.node_relaxed[k]) ** hill_m))
        s += away * float(params.relaxed[k])
    exact, level, start = 0.0, 0.0, 0.0
    for end, inhibition in record.inhibition:
        rate = record.kon * inhibition + record.koff
        target = record.kon * inhibition / rate
        exact += quad(lambda t, a=level, b=target, r=rate: (b + (a - b) * np.exp(-r * t)) ** hill_m, 0.0, end - start, epsabs=1e-12, epsrel=1e-11)[0]
        level, start = target + (level - target) * np.exp(-rate * (end - start)), end
    assert total == pytest.approx(exact, rel=3e-6)
    assert s == pytest.approx(level, rel=3e-6)


def test_grid_meets_every_day_and_keeps_draws_close() -> None:
    days = save_days(3.0, 24.0, [0.37, 1.21, 3.0])
    assert days.tolist() == [0.0, 0.37, 1.0, 1.21, 2.0, 3.0]
    grid, saved = theory_grid(settings(), days, longest_window=0.1)
    assert np.array_equal(grid.times[list(saved)], days)
    assert np.all(np.diff(grid.times) > 0.0)
    drawn = np.flatnonzero(grid.drawn)
    assert np.diff(grid.times[[0, *drawn]]).max() <= 0.1 + 1e-9
    assert set(saved[1:]) <= set(drawn.tolist())
    assert grid.times[grid.pack].tolist() == [1.0, 2.0, 3.0]
    unpacked, _ = theory_grid(settings(), days, pack=False)
    assert not unpacked.pack.any()


def test_draws_are_as_rare_as_the_births_allow() -> None:
    grid, _ = theory_grid(settings(dt_hours=1.0, packing_hours=1e6), save_days(60.0, 1e6), longest_window=longest_window(0.14))
    assert np.diff(grid.times[[0, *np.flatnonzero(grid.drawn)]]).max() == pytest.approx(85 / 24)
    quiet, _ = theory_grid(settings(dt_hours=1.0, packing_hours=1e6), save_days(60.0, 1e6))
    assert np.diff([0, *np.flatnonzero(quiet.drawn)]).max() == MOST_STEPS_PER_DRAW
    every, _ = theory_grid(settings(), save_days(5.0, 24.0), every_step=True)
    assert every.drawn[1:].all()


def test_saved_days_prefer_what_was_asked_for_to_a_rounded_neighbour() -> None:
    odd = 3 * 0.1
    assert save_days(0.5, 2.4, [odd]).tolist().count(odd) == 1
    assert len(save_days(0.5, 2.4, [odd])) == 6
    assert len(save_days(0.5, 2.4, [odd, 0.3])) == 6


def test_cells_are_shared_evenly() -> None:
    packets, n = alike_packets(200, 3, 8)
    assert n == 8
    assert packets.counts[0].shape == (3, 8)
    assert np.asarray(packets.counts[0]).tolist() == [[25.0] * 8] * 3
    packets, n = alike_packets(10**12 + 1, 1, 7)
    counts = np.asarray(packets.counts[0])[0]
    assert counts.sum() == 10**12 + 1
    assert counts[:7].max() - counts[:7].min() == 1
    assert alike_packets(3, 1, 64)[1] == 3
    assert [capacity_for(n) for n in (1, 8, 9, 64)] == [8, 8, 10, 64]


def test_keys_of_replicates_are_those_of_subjects() -> None:
    keys = replicate_keys(2**40 + 7, "theory/x", 4)
    assert np.array_equal(keys, np.stack([subject_key(2**40 + 7, "theory/x", i) for i in range(4)]))


@pytest.mark.parametrize(("n0", "packets"), [(100, 256), (1000, 16), (3, 2), (1, 2)])
def test_founders_are_all_dealt(n0: int, packets: int) -> None:
    resolution = max(2, min(n0, packets))
    for key in replicate_keys(1, "founders", 20):
        counts, clones, factors = founders(stress(n0=n0), key, resolution)
        assert counts.sum() == n0
        assert np.all(counts == np.rint(counts))
        assert np.all(counts >= 0)
        assert np.all(factors > 0.0)
        assert set(clones.tolist()) <= {0, 1}


def test_strata_of_the_sensitivity_have_mean_one_weighted_by_cells() -> None:
    # n = 200 subjects of 5000 cells in 32 packets; false alarm 1e-7 (|t| < 5.6 with 199 degrees of freedom)
    all_positive = stress(n0=5000, bmf_positive_fraction=1.0)
    means = [np.sum(counts * factors) / 5000 for counts, _, factors in (founders(all_positive, key, 32) for key in replicate_keys(1, "f", 200))]
    error = np.std(means, ddof=1) / np.sqrt(200)
    assert abs(np.mean(means) - 1.0) < 5.6 * error < 0.01
    _, _, alike = founders(stress(cv=0.0), replicate_keys(1, "f", 1)[0], 100)
    assert np.all(alike == 1.0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: BirthDeath(n0=1, phases=[], replicates=1), r"theory.phases = \[\]: at least one phase"),
        (lambda: BirthDeath(n0=1, phases=[(2.0, 1.0, 1.0), (2.0, 1.0, 1.0)], replicates=1), r"theory.phases\[1\]: ends on day 2, not after day 2"),
        (lambda: BirthDeath(n0=1, phases=[(2.0, -1.0, 1.0)], replicates=1), "must not be negative"),
        (lambda: stress(inhibition=[(0.0, 1.0)]), r"theory.inhibition\[0\]: ends on day 0"),
        (lambda: Combination(k0=0.1, ka=0.1, kb=0.1, gamma=-0.4, n0=1, t_end=1.0, replicates=1), "theory.gamma = -0.4: the hazard of both drugs"),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(make: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make()


def test_pharmacokinetic_keys_are_refused_together() -> None:
    with pytest.raises(InputError) as refused:
        Pharmacokinetics(cl=1.0, v1=1.0, q=1.0, v2=None, ka=None, f=1.0, lag=0.0, doses=[(0.0, -1.0, 0.0)], times_h=[])
    assert len(str(refused.value).splitlines()) == 3


def test_a_run_that_is_to_stop_says_that_it_begins_again() -> None:
    with pytest.raises(Stopped, match="begin again from day 0"):
        run_experiment(default("birth_death"), Context(should_stop=lambda: True))


def test_every_experiment_has_a_program_and_a_record() -> None:
    assert set(PROGRAMS) == set(THEORY_RECORDS)
