"""The exact laws against published tables, against each other and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from abm.verification import exact_branching as branching
from abm.verification import exact_two_types as two
from abm.verification.cases.heritable import TT_P1, TT_P2, TT_P3
from abm.verification.cases.myelosuppression import DOCETAXEL, PACLITAXEL
from abm.verification.cases.stress_survival import ALIKE, MIXED
from abm.verification.exact_friberg import growth_of_oscillation, levels, nadir, relative_variance, stable_below
from abm.verification.exact_logistic import Crowding, law_at_end
from abm.verification.exact_mutants import lea_coulson, luria_delbruck, resistance_at_detection
from abm.verification.exact_pharmacokinetics import Drug, concentration, peak
from abm.verification.exact_stress import mean_cell, survival

EVEROLIMUS = Drug(17.4, 25.2, 51.1, 400.0, 0.647)


@pytest.mark.parametrize(
    ("phases", "n0", "mean", "variance", "quantiles"),
    [
        ([(60.0, 0.14, 0.13)], 200, 364.42, 8089.2, (205, 359, 556)),
        ([(150.0, 0.14, 0.17)], 500, 5.5545, 56.76, None),
        ([(7.0, 0.5, 0.2), (14.0, 0.5, 1.1), (21.0, 0.5, 0.2), (28.0, 0.5, 1.1)], 20, 0.29991, 0.96865, None),
    ],
)
def test_branching_law_has_its_moments(phases: branching.Phases, n0: int, mean: float, variance: float, quantiles: tuple[int, ...] | None) -> None:
    law = branching.branching_law(phases, n0)
    assert (law.mean, law.variance) == pytest.approx((mean, variance), rel=2.5e-5)
    k = np.arange(len(law.probabilities))
    assert law.probabilities @ k == pytest.approx(law.mean, rel=1e-9)
    assert law.probabilities @ k**2 - law.mean**2 == pytest.approx(law.variance, rel=1e-9)
    assert law.probabilities[0] == pytest.approx(law.extinct, abs=1e-13)
    assert law.lost < 1e-14
    step = 1e-5
    assert (law.log_moment(step) - law.log_moment(-step)) / (2.0 * step) == pytest.approx(law.mean, rel=1e-4)
    if quantiles:
        assert tuple(np.searchsorted(np.cumsum(law.probabilities), (0.025, 0.5, 0.975))) == quantiles


def test_extinction_and_its_time() -> None:
    assert branching.branching_law([(150.0, 0.14, 0.17)], 500).extinct == pytest.approx(0.37149, abs=1e-5)
    assert branching.branching_law([(7.0, 0.5, 0.2), (14.0, 0.5, 1.1), (21.0, 0.5, 0.2), (28.0, 0.5, 1.1)], 20).extinct == pytest.approx(0.86779, abs=1e-5)
    day = branching.extinction_day([(150.0, 0.14, 0.17)], 500, 0.37149)
    assert day == pytest.approx(150.0, abs=0.01)
    # Mean time to extinction of one line is the integral of 1 - P(extinct).
    t = np.linspace(0.0, 2000.0, 400_001)
    e = np.expm1(-0.03 * t) / -0.03
    alive = np.exp(-0.03 * t) / (1.0 + 0.14 * e)
    assert np.trapezoid(alive, t) == pytest.approx(branching.time_to_extinction(0.14, 0.17), rel=1e-6)


def test_the_pole_is_where_the_generating_function_ends() -> None:
    phases = [(7.0, 0.5, 0.2), (14.0, 0.5, 1.1)]
    last = branching.pole(phases)
    below = float(branching.generating_function(phases, 1.0 + (last - 1.0) * (1.0 - 1e-9)))
    assert below > 1e6
    assert branching.pole([(3.0, 0.0, 1.0)]) == np.inf


@pytest.mark.parametrize(
    ("law", "no_resistant", "no_sensitive", "cure", "means"),
    [(TT_P1, 0.43971, 0.03742, 0.02999, (22.765, 136.86)), (TT_P2, 0.45720, 0.01762, 0.01051, (26.320, 25.536))],
)
def test_two_types_give_the_table(law: two.TwoTypes, no_resistant: float, no_sensitive: float, cure: float, means: tuple[float, float]) -> None:
    assert two.no_resistant(law) == pytest.approx(no_resistant, abs=6e-6)
    assert two.no_sensitive(law) == pytest.approx(no_sensitive, abs=6e-6)
    assert two.cured(law) == pytest.approx(cure, abs=6e-6)
    mean, covariance = two.moments(law)
    assert tuple(mean) == pytest.approx(means, rel=5e-5)
    assert np.all(np.linalg.eigvalsh(covariance) > 0.0)
    distribution = two.resistant_law(law, 512)
    assert distribution[0] == pytest.approx(no_resistant, abs=6e-6)


def test_two_types_reach_a_size_or_are_cured() -> None:
    assert two.cured(TT_P3) == pytest.approx(0.24719, abs=6e-6)
    assert two.at_least(TT_P3, 200) == pytest.approx(0.34614, abs=6e-6)
    # Without mutation the sensitive cells are a plain birth-death process, and `each` at u is near `one` at 2 u.
    alone = TT_P1._replace(u=0.0)
    assert two.no_sensitive(alone) == pytest.approx(branching.branching_law([(60.0, 0.25, 0.181), (100.0, 0.25, 0.35)], 20).extinct, rel=1e-8)
    each, one = two.no_resistant(TT_P1._replace(mutation="each")), two.no_resistant(TT_P1._replace(u=2.0 * TT_P1.u))
    assert each == pytest.approx(one, abs=1e-3)
    assert each < two.no_resistant(TT_P1) - 0.1


def test_mutants_in_a_culture() -> None:
    p = lea_coulson(1.0986, 64)
    assert p[:3] == pytest.approx((0.33334, 0.18310, 0.11132), abs=6e-6)
    assert 1.0 - p[:10].sum() == pytest.approx(0.1283, abs=6e-5)
    assert np.searchsorted(np.cumsum(p), 0.5) == 1
    q = luria_delbruck(100, 1.0, 0.0, 1.0, 2.7e-4, 5.0, 512)
    assert q[0] == pytest.approx(0.02018, abs=6e-6)
    assert tuple(np.searchsorted(np.cumsum(q), (0.5, 0.9))) == (10, 43)
    mean, _ = two.moments(two.TwoTypes(100, 0, 2.7e-4, "one", [(5.0, 1.0, 0.0, 1.0, 0.0)]))
    assert mean[1] == pytest.approx(20.02, abs=0.01)


def test_resistance_when_a_tumour_is_found() -> None:
    assert resistance_at_detection(1e4, 4.2e-5, 0.25, 0.181, 0.25, 0.181) == pytest.approx(0.52612, abs=6e-6)
    assert resistance_at_detection(1e3, 3e-4, 1.0, 0.5, 0.9, 0.5) == pytest.approx(0.33344, abs=6e-6)
    assert resistance_at_detection(1e3, 3e-3, 1.0, 0.5, 0.9, 0.5) == pytest.approx(resistance_at_detection(1e4, 3e-4, 1.0, 0.5, 0.9, 0.5), rel=1e-12)
    assert resistance_at_detection(1e3, 1e-4, 1.0, 0.0, 1.0, 0.0) == pytest.approx(-np.expm1(-0.1), rel=1e-12)


@pytest.mark.parametrize(
    ("law_case", "mean", "variance", "extinct"),
    [
        (Crowding("death", 3, 1.0, 0.5, 60.0, 8.0), 32.769, 422.4, 0.13988),
        (Crowding("birth", 10, 0.25, 0.181, 300.0, 60.0), 62.240, 640.3, 0.04906),
    ],
)
def test_master_equation_gives_the_table(law_case: Crowding, mean: float, variance: float, extinct: float) -> None:
    p = law_at_end(law_case)
    n = np.arange(len(p))
    assert p @ n == pytest.approx(mean, abs=6e-4)
    assert p @ n**2 - (p @ n) ** 2 == pytest.approx(variance, rel=2e-4)
    assert p[0] == pytest.approx(extinct, abs=6e-6)


def test_stress_gives_the_table() -> None:
    for day, alive, share, wrong in ((2.0, 0.79998, 0.75494, 0.78770), (5.0, 0.55704, 0.65847, 0.49204), (10.0, 0.37329, 0.51521, 0.24463)):
        positive, negative = survival(MIXED, day)
        assert positive + negative == pytest.approx(alive, abs=6e-6)
        assert positive / (positive + negative) == pytest.approx(share, abs=6e-6)
        assert mean_cell(MIXED, day) == pytest.approx(wrong, abs=6e-6)


def test_alike_cells_are_a_single_exponential() -> None:
    positive, negative = survival(ALIKE, 2.0)
    # int_0^2 s dt for s' = 1 - 1.5 s
    dose = (2.0 - (1.0 - np.exp(-3.0)) / 1.5) / 1.5
    assert positive == pytest.approx(0.8 * np.exp(-0.5 * dose), rel=1e-12)
    assert negative == pytest.approx(0.2, rel=1e-14)


def test_concentrations_give_the_table() -> None:
    assert peak(EVEROLIMUS, [(0.0, 1e4, 0.0)], 0.1, 3.0) == pytest.approx((0.736, 61.76), abs=6e-3)
    daily = [(24.0 * i, 1e4, 0.0) for i in range(60)]
    assert peak(EVEROLIMUS, daily, 59 * 24.0 + 0.1, 59 * 24.0 + 3.0)[1] == pytest.approx(74.35, abs=6e-3)
    assert float(concentration(EVEROLIMUS, daily, 60 * 24.0)) == pytest.approx(12.880, abs=6e-4)
    split = [(0.0, 410.0, 1.2), (0.0, 205.0, 1.5), (1.5, 205.0, 1.5)]
    drug = PACLITAXEL.drug
    halves = concentration(drug, split[1:], np.linspace(0.0, 48.0, 97))
    assert halves == pytest.approx(concentration(drug, [(0.0, 410.0, 3.0)], np.linspace(0.0, 48.0, 97)), rel=1e-12)


def test_blood_gives_the_table() -> None:
    for blood, bracket, expected in ((PACLITAXEL, (200.0, 250.0), (9.33, 2.6515)), (DOCETAXEL, (190.0, 225.0), (8.60, 0.18261))):
        hour, lowest = nadir(blood, *bracket)
        assert hour / 24.0 == pytest.approx(expected[0], abs=6e-3)
        assert lowest == pytest.approx(expected[1], rel=4e-5)
    assert stable_below() == pytest.approx(0.56854, abs=6e-6)
    assert growth_of_oscillation(stable_below())[0] == pytest.approx(0.0, abs=1e-9)
    assert growth_of_oscillation(0.55)[0] == pytest.approx(-0.0043, abs=6e-5)


def test_noise_of_blood_falls_with_the_number_of_cells() -> None:
    hours = np.array([0.0, 100.0, 224.0])
    few, many = relative_variance(PACLITAXEL, hours, 1e3), relative_variance(PACLITAXEL, hours, 1e5)
    assert few[1:] == pytest.approx(100.0 * many[1:], rel=1e-6)
    assert few[0] == 0.0
    # Without a drug and shortly after the start the blood only gains and loses: variance 2 ktr t / N.
    quiet = PACLITAXEL._replace(slope=0.0)
    assert relative_variance(quiet, np.array([0.0, 0.01]), 1e3)[1] == pytest.approx(2.0 * 4.0 / 124.0 * 0.01 / 1e3, rel=1e-3)
    assert levels(quiet, hours)[:, -1] == pytest.approx(7.21, rel=1e-10)
