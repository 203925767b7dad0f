"""The count of a packet after a step against its exact law.

All draws are fixed by counters, so nothing here is flaky; the limits are those of
`tests.false_alarm`, had the counters been chosen at random (as --reseed does).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from abm.engine.pieces import as_mapping
from abm.engine.transition import Law, binomial, constant_law, end_of_line, hidden_pairs, negative_binomial, offspring, poisson, probability, then
from abm.streams import threefry
from abm.verification.tests_of_chance import chernoff, cumulants_of
from tests import seeds
from tests.false_alarm import p_holds, proportion, within
from tests.optimised import OPTIONS
from tests.theory.exact_laws import Pieces, chi_square_p, moments_of_lines, offspring_pmf

DRAWS = 1 << 20
FOUNDERS = (1, 2, 3, 5, 8, 16, 17, 24, 32, 64)
# Division, death (1/d) and length (d), one piece after the other; b times length stays within 0.5.
HAZARDS: dict[str, Pieces] = {
    "balanced": [(0.5, 0.5, 0.5)],
    "growth": [(0.7, 0.02, 0.5)],
    "kill": [(0.6, 2.5, 0.5)],
    "massacre": [(0.5, 6.0, 0.5)],
    "pure birth": [(1.0, 0.0, 0.5)],
    "pure death": [(0.0, 1.4, 0.5)],
    "short": [(0.3, 0.1, 1.0 / 24.0)],
    "dose within": [(0.6, 0.05, 0.25), (0.1, 3.0, 0.25), (0.9, 0.4, 0.25)],
}


@functools.partial(jax.jit, static_argnums=3)
def _words(seed: jax.Array, start: jax.Array, zero: jax.Array, n: int) -> tuple[jax.Array, jax.Array]:
    return threefry(seed, zero, start + jnp.arange(n, dtype=jnp.uint32), zero)


def law_of(pieces: Pieces) -> Law:
    """The engine's law of the pieces, scalars."""
    laws = [constant_law(*(jnp.float32(x) for x in piece)) for piece in pieces]
    return functools.reduce(then, laws)


@functools.partial(jax.jit, compiler_options=as_mapping(OPTIONS))
def _descendants(words: tuple[jax.Array, jax.Array], n: jax.Array, law: Law) -> jax.Array:
    """Living descendants of `n` founders, one draw per word."""
    wide = jnp.full(words[0].shape, n)
    shaped = Law(*(jnp.full(words[0].shape, x) for x in law))
    founders = wide - binomial(words[0], wide, *end_of_line(shaped))
    return founders + offspring(words[1], founders, shaped)


def descendants(n: float, pieces: Pieces, seed: int, draws: int = DRAWS) -> np.ndarray:
    """`draws` independent numbers of descendants, float64."""
    words = _words(jnp.uint32(seeds.seed(seed)), jnp.uint32(0), jnp.uint32(0), draws)
    return np.asarray(_descendants(words, jnp.float64(n), law_of(pieces)))


@pytest.mark.parametrize("name", HAZARDS)
def test_descendants_follow_the_exact_law(name: str) -> None:
    p_values = {}
    for i, n in enumerate(FOUNDERS):
        k = descendants(n, HAZARDS[name], seed=1000 + 100 * list(HAZARDS).index(name) + i)
        p_values[n] = chi_square_p(np.bincount(k.astype(np.int64)), offspring_pmf(HAZARDS[name], n))
    p_holds(list(p_values.values()), "Pearson's tests")
    # Small errors that no single test sees: Fisher's combination of the ten.
    p_holds(stats.combine_pvalues(list(p_values.values())).pvalue, "all together")


@pytest.mark.parametrize("name", ["balanced", "kill", "massacre", "dose within"])
def test_extinction_of_a_packet_is_alpha_to_the_n(name: str) -> None:
    """Any size for which the extinction is neither certain nor out of reach."""
    m = moments_of_lines(HAZARDS[name])
    alpha = m["v"] / (1.0 + m["w"])
    largest = int(np.log(1e-4) / np.log(alpha))
    for i, n in enumerate(sorted({max(1, largest // 8), max(1, largest // 2), largest})):
        p = alpha**n
        proportion(int((descendants(n, HAZARDS[name], seed=3000 + i) == 0).sum()), DRAWS, p, what=f"{n} cells extinct")


@pytest.mark.parametrize("n", [65.0, 100.0, 1e3, 1e4, 1e6, 1e8, 1e10, 1e12])
@pytest.mark.parametrize("name", ["balanced", "growth", "kill", "short", "dose within"])
def test_moments_of_large_packets(name: str, n: float) -> None:
    """Mean, variance, skewness; whole numbers; nothing too far out.

    Beyond chance: single precision of alpha and beta moves the mean of large packets by a few
    parts in 1e7 (`shift`), the expansion the variance by 2e-4 and the skewness by 1e-3.
    """
    m = moments_of_lines(HAZARDS[name])
    alpha, beta = m["v"] / (1.0 + m["w"]), m["w"] / (1.0 + m["w"])
    # Cumulants of one founder's descendants: zero with probability alpha, else geometric.
    k = np.arange(4000)
    pmf = np.concatenate([[alpha], (1.0 - alpha) * (1.0 - beta) * beta**k])
    mean = np.dot(pmf, np.arange(4001))
    centred = np.arange(4001) - mean
    second, third, fourth = (np.dot(pmf, centred**i) for i in (2, 3, 4))
    drawn = descendants(n, HAZARDS[name], seed=int(np.log(n) * 100), draws=1 << 20)
    assert np.array_equal(drawn, np.rint(drawn))
    assert drawn.min() >= 0.0
    z = (drawn - n * mean) / np.sqrt(n * second)
    shift = 3e-7 * np.sqrt(n) * mean / np.sqrt(second)
    within(z.mean(), 0.0, 1.0 / np.sqrt(z.size), allowed=shift, what="mean")
    excess = (fourth / second**2 - 3.0) / n
    within(z.var(), 1.0, np.sqrt((2.0 + excess) / z.size), allowed=2e-4, what="variance")
    within(stats.skew(z), third / second**1.5 / np.sqrt(n), np.sqrt((6.0 + 30.0 * abs(excess)) / z.size), allowed=1e-3, what="skewness")
    # The largest and the smallest of all draws, by Chernoff's bound of each times their number.
    cumulants = cumulants_of(pmf, np.arange(4001.0))
    p_holds([min(1.0, z.size * chernoff(cumulants, mean, second, float(x) / n, int(n))) for x in (drawn.min(), drawn.max())], "extremes")


EXTREME = np.array([0, 1, 2, 255, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 256, 2**32 - 2, 2**32 - 1], np.uint32)


@pytest.mark.parametrize("n", [1.0, 17.0, 1e3, 1e6, 1e9, 1e12])
def test_the_last_words_of_the_generator_give_the_tails_and_no_more(n: float) -> None:
    """A uniform that rounds to 1 in float32 would empty a packet once in 3e7 draws; rounding left in a tail once in 1e9."""
    law = law_of(HAZARDS["growth"])
    m = moments_of_lines(HAZARDS["growth"])
    wide = jnp.full(EXTREME.shape, n)
    shaped = Law(*(jnp.full(EXTREME.shape, x) for x in law))
    dead = np.asarray(binomial(jnp.asarray(EXTREME), wide, *end_of_line(shaped)))
    born = np.asarray(offspring(jnp.asarray(EXTREME), wide, shaped))
    alpha = m["v"] / (1.0 + m["w"])
    for drawn, frozen in ((dead, stats.binom(n, alpha)), (born, stats.nbinom(n, 1.0 / (1.0 + m["w"])))):
        # Words run from the largest outcome to the smallest; the grain of a word is 2**-32.
        low, high = frozen.ppf(2.0**-34), frozen.isf(2.0**-34)
        slack = 1.0 + 1e-3 * frozen.std() + 1e-6 * frozen.mean()
        # Beyond 16 births of a single cell, once in 1e9 draws, the expansion is rough.
        slack += high if n == 1.0 else 0.0
        assert np.all(np.diff(drawn) <= 0.0)
        assert drawn.min() >= low - slack
        assert drawn.max() <= high + slack


# A sampler that inverts the distribution function shows its law without noise: words that
# are spread evenly give every outcome its probability to the spacing.
EVEN = (np.arange(1 << 20, dtype=np.uint64) * 4096 + 2048).astype(np.uint32)
_binomial, _poisson, _negative_binomial = jax.jit(binomial), jax.jit(poisson), jax.jit(negative_binomial)


def _cdf_error(drawn: np.ndarray, frozen: stats.rv_discrete) -> float:
    """Largest error of the distribution function."""
    values, counts = np.unique(drawn, return_counts=True)
    return float(np.abs(np.cumsum(counts) / drawn.size - frozen.cdf(values)).max())


@pytest.mark.parametrize("p", [1e-6, 1e-3, 0.1, 0.4, 0.5, 0.6, 0.99])
@pytest.mark.parametrize("n", [1.0, 2.0, 15.0, 16.0, 17.0, 33.0, 200.0, 1e4])
def test_binomial_law(n: float, p: float) -> None:
    full = np.ones(EVEN.shape, np.float32)
    drawn = _binomial(EVEN, full.astype(np.float64) * n, full * np.float32(p), full * np.float32(np.log1p(-p)))
    assert _cdf_error(np.asarray(drawn), stats.binom(n, p)) < 1e-4


@pytest.mark.parametrize("mean", [1e-3, 0.3, 2.0, 7.0, 15.0, 30.0, 100.0, 1e4])
def test_poisson_law(mean: float) -> None:
    drawn = np.asarray(_poisson(EVEN, np.full(EVEN.shape, mean)))
    assert _cdf_error(drawn, stats.poisson(mean)) < 1e-4


@pytest.mark.parametrize("beta", [1e-3, 0.1, 1.0 / 3.0])
@pytest.mark.parametrize("n", [1.0, 2.0, 3.0, 8.0, 16.0, 64.0, 1e4])
def test_negative_binomial_law(n: float, beta: float) -> None:
    full = np.ones(EVEN.shape, np.float32)
    numbers = (beta, beta / (1.0 - beta), np.log1p(-beta))
    drawn = _negative_binomial(EVEN, full.astype(np.float64) * n, *(full * np.float32(x) for x in numbers))
    assert _cdf_error(np.asarray(drawn), stats.nbinom(n, 1.0 - beta)) < 1e-4


ENDS = np.concatenate([np.arange(1 << 16, dtype=np.uint32), np.uint32(2**32 - 1) - np.arange(1 << 16, dtype=np.uint32)])


@pytest.mark.parametrize("mean", [1e-8, 1e-7, 1e-6])
def test_tiny_probabilities_keep_their_value(mean: float) -> None:
    """P(X > 0) counted over all words that can give it: no float32 uniform is compared with 1e-8."""
    full = np.ones(ENDS.shape, np.float32)
    cases = {
        "poisson": _poisson(ENDS, np.full(ENDS.shape, mean)),
        "binomial": _binomial(ENDS, np.full(ENDS.shape, 1.0), full * np.float32(mean), full * np.float32(np.log1p(-mean))),
        "many": _binomial(ENDS, np.full(ENDS.shape, 1e12), full * np.float32(mean * 1e-12), full * np.float32(np.log1p(-mean * 1e-12))),
        "offspring": _negative_binomial(ENDS, np.full(ENDS.shape, 1.0), *(full * np.float32(x) for x in (mean, mean, -mean))),
    }
    for name, drawn in cases.items():
        assert abs(np.count_nonzero(np.asarray(drawn)) - mean * 2.0**32) <= 1.0 + 1e-5 * mean * 2.0**32, name


@pytest.mark.parametrize("survival", [1e-9, 1e-11])
def test_few_survivors_of_many(survival: float) -> None:
    """A death that rounds to certainty in float32 still leaves its survivors."""
    n = 1e12
    exposure = np.float32(-np.log(survival))
    full = np.ones(EVEN.shape, np.float32)
    p, log_q = probability(jnp.asarray(full * exposure))
    left = n - np.asarray(_binomial(EVEN, np.full(EVEN.shape, n), p, log_q))
    # exp(-exposure) itself is known to the rounding of the exposure.
    assert abs(left.mean() / (n * survival) - 1.0) < 3e-5
    assert abs(left.var() / (n * survival) - 1.0) < 2e-2


def test_no_cells_and_no_hazard() -> None:
    bits, zero = jnp.asarray(EXTREME), jnp.zeros(EXTREME.shape)
    none = constant_law(*(jnp.zeros(EXTREME.shape, jnp.float32) for _ in range(3)))
    kill = constant_law(*(jnp.full(EXTREME.shape, np.float32(x)) for x in (0.5, 2.0, 0.5)))
    for n, law, expected in ((zero, kill, 0.0), (zero + 7.0, none, 7.0), (zero + 1e12, none, 1e12)):
        assert np.all(np.asarray(_descendants((bits, bits), n[0], Law(*(x[0] for x in law)))) == expected)
    assert np.all(np.asarray(poisson(bits, zero)) == 0.0)


@pytest.mark.parametrize("pieces", [*HAZARDS.values(), [(0.3, 0.3 * (1 + 1e-7), 0.5)], [(1e-9, 1e-8, 0.04)], [(2.0, 0.0, 3.0)], [(0.0, 30.0, 1.0)]])
def test_integrals_of_a_law(pieces: Pieces) -> None:
    """W, V, expected cells, deaths and hidden pairs against their differential equations."""
    law, m = law_of(pieces), moments_of_lines(pieces)
    for name in ("w", "v", "x", "deaths"):
        assert float(getattr(law, name)) == pytest.approx(m[name], rel=3e-6, abs=1e-12), name
    alpha = m["v"] / (1.0 + m["w"])
    found, log_q = (float(x) for x in end_of_line(law))
    assert found == pytest.approx(alpha, rel=3e-6)
    if alpha < 0.99:
        assert log_q == pytest.approx(np.log1p(-alpha), rel=5e-6)
    # Lines that are born and die within: all births less those that leave a living descendant beyond the founders.
    hidden = m["births"] - (m["x"] - (1.0 - alpha))
    assert float(hidden_pairs(law)) == pytest.approx(hidden, rel=1e-3, abs=3e-7)


def test_hazards_that_change_in_time() -> None:
    """Steps with the hazards of their middles converge to the law of the continuous hazards, to second order."""

    def pieces(n: int) -> Pieces:
        t = (np.arange(n) + 0.5) / n
        return [(0.6 + 0.3 * np.sin(6 * x), 0.2 + 2.0 * x * x, 1.0 / n) for x in t]

    exact = moments_of_lines(pieces(512))
    errors = {n: abs(float(law_of(pieces(n)).w) / exact["w"] - 1.0) for n in (4, 8, 16)}
    assert errors[4] < 0.01
    assert errors[8] == pytest.approx(errors[4] / 4.0, rel=0.2)
    assert errors[16] == pytest.approx(errors[8] / 4.0, rel=0.2)
