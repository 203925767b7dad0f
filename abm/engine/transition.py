"""The exact law of births and deaths over one step.

A packet of n cells with hazards b(t) of division and d(t) of death leaves, after a step,

    M ~ Binomial(n, 1 - alpha)         founders with living descendants
    K = M + NegBinomial(M, 1 - beta)   living cells

with alpha = V / (1 + W), beta = W / (1 + W) and

    W = int_0^h b(t) exp(int_t^h (b - d)) dt,   V = int_0^h d(t) exp(int_t^h (b - d)) dt

(Kendall 1948, Ann. Math. Stat. 19:1, doi:10.1214/aoms/1177730285).  Mean, variance and
extinction probability are exact for every step and every n; hazards that change within
the step enter through W and V.  K - M and n - M miss the lines that are born and die
within the step: `hidden` is their expected number per cell, to be drawn as Poisson and
added to births and to deaths.

Counts are whole numbers in float64 (exact up to 2**53); probabilities are float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Terms of the exact part of the sampler.  With b h <= 0.5 the chance that a single
# founder leaves more is below 1e-6.
N_EXACT = 16
# Above this expected number of births per cell and step the draw is sub-stepped.
MAX_BIRTHS_PER_STEP = 0.5

_F = np.float32
# Below exp(-80) an outcome near zero cannot occur; a clamped or denormal P(0) would be
# blown up by the recursion.
_LOG_TINY = _F(-80.0)


class Law(NamedTuple):
    """Integrals over an interval, each float32 of the packets' shape (or broadcastable to it)."""

    w: jax.Array  # W
    v: jax.Array  # V
    x: jax.Array  # exp(int (b - d)), expected cells per founder
    deaths: jax.Array  # int d exp(int_0^t (b - d)) dt, expected deaths per founder


def _expm1_over(x: jax.Array) -> jax.Array:
    """(exp(x) - 1) / x without cancellation, float32."""
    small = jnp.abs(x) < _F(0.25)
    series = _F(1) + x * (_F(1 / 2) + x * (_F(1 / 6) + x * (_F(1 / 24) + x * (_F(1 / 120) + x * _F(1 / 720)))))
    return jnp.where(small, series, (jnp.exp(x) - _F(1)) / jnp.where(small, _F(1), x))


def _log1p(x: jax.Array) -> jax.Array:
    """log(1 + x) for x >= 0, float32; the atanh series avoids the slow library call."""
    u = x / (_F(2) + x)
    u2 = u * u
    series = _F(2) * u * (_F(1) + u2 * (_F(1 / 3) + u2 * (_F(1 / 5) + u2 * (_F(1 / 7) + u2 * _F(1 / 9)))))
    return jnp.where(x < _F(0.5), series, jnp.log(_F(1) + x))


def no_time(like: jax.Array) -> Law:
    """Law of an interval of no length."""
    zero = jnp.zeros_like(like)
    return Law(w=zero, v=zero, x=zero + _F(1), deaths=zero)


def constant_law(division: jax.Array, death: jax.Array, h: jax.Array) -> Law:
    """Law of an interval of length `h` with constant hazards.

    Args:
        division, death: Hazards, 1/d, float32.
        h: Length, d, float32.
    """
    g = (division - death) * h
    e = _expm1_over(g)
    v = death * h * e
    return Law(w=division * h * e, v=v, x=_F(1) + g * e, deaths=v)


def then(first: Law, second: Law) -> Law:
    """Law of two intervals in sequence."""
    return Law(
        w=first.w * second.x + second.w,
        v=first.v * second.x + second.v,
        x=first.x * second.x,
        deaths=first.deaths + first.x * second.deaths,
    )


def _half_uniform(bits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(t, is_lower): t = min(v, 1 - v) in (0, 1/2) for the uniform v of a 32-bit word, exact near 0."""
    lower = bits >= np.uint32(0x80000000)
    folded = jnp.where(lower, ~bits, bits).astype(jnp.int32).astype(jnp.float32)
    return (folded + _F(0.5)) * _F(2.0**-32), lower


def uniform(bits: jax.Array) -> jax.Array:
    """Uniform in (0, 1), float32, relative precision kept near 0 (grain 2.3e-10)."""
    u = ((bits >> np.uint32(1)).astype(jnp.int32).astype(jnp.float32) + _F(0.5)) * _F(2.0**-31)
    return jnp.minimum(u, _F(1.0 - 2.0**-24))


def _horner(x: jax.Array, coefficients: tuple[float, ...]) -> jax.Array:
    total = jnp.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total = _F(c) + total * x
    return total


# Single-precision inverse error function: Giles 2012, GPU Computing Gems Jade, ch. 10.
_ERFINV_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)
_ERFINV_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)


def _upper_normal(t: jax.Array, lower: jax.Array) -> jax.Array:
    """w with P(W > w) = v for a standard normal W, from (t, is_lower) of `_half_uniform`."""
    a = -jnp.log(_F(4) * t * (_F(1) - t))
    centre, tail = _horner(a - _F(2.5), _ERFINV_CENTRE), _horner(jnp.sqrt(a) - _F(3), _ERFINV_TAIL)
    w = jnp.where(a < _F(5), centre, tail) * ((_F(1) - _F(2) * t) * _F(np.sqrt(2.0)))
    return jnp.where(lower, -w, w)


def normal(bits: jax.Array) -> jax.Array:
    """Standard normal from a 32-bit word, float32."""
    return _upper_normal(*_half_uniform(bits))


def _cornish_fisher(w: jax.Array, n: jax.Array, y: jax.Array, s: int) -> tuple[jax.Array, jax.Array]:
    """(sd, z): standard deviation and fourth-order corrected quantile of the lattice law."""
    sy = _F(s) * y
    a = y * (_F(1) + sy)
    h, sa = _F(1) + _F(2) * sy, _F(s) * a
    k2 = jnp.maximum(n * a, _F(1e-30))
    i1 = jax.lax.rsqrt(k2)
    i2 = i1 * i1
    g1, g2, g3 = h * i1, (_F(1) + _F(6) * sa) * i2, h * (_F(1) + _F(12) * sa) * (i2 * i1)
    w2, gg = w * w, g1 * g1
    z = w + g1 * (w2 - _F(1)) * _F(1 / 6)
    z = z + w * (g2 * (w2 - _F(3)) * _F(1 / 24) - gg * (_F(2) * w2 - _F(5)) * _F(1 / 36) - i2 * _F(1 / 24))
    z = z + g3 * ((w2 - _F(6)) * w2 + _F(3)) * _F(1 / 120)
    z = z + g1 * (gg * ((_F(12) * w2 - _F(53)) * w2 + _F(17)) * _F(1 / 324) - g2 * ((w2 - _F(5)) * w2 + _F(2)) * _F(1 / 24))
    return k2 * i1, z


def _lattice(bits: jax.Array, n: jax.Array, r: jax.Array, y: jax.Array, log_p0: jax.Array, s: int, *, rolled: bool = False) -> jax.Array:
    """Draw from the law with P(0) = exp(log_p0) and p[k+1] = p[k] (n + s k) r / (k + 1), mean n y.

    s = -1 is Binomial(n, p) with r = p/(1-p), y = p; s = +1 is NegBinomial with r = beta,
    y = beta/(1-beta); s = 0 is Poisson with r = y = 1 and mean n.  Outcomes below N_EXACT
    come from the summed probabilities; both tails keep their own small numbers because the
    upper half of the word compares v with P(X > k) and the lower half compares -(1 - v)
    with -P(X <= k).  Larger outcomes come from a Cornish-Fisher expansion with lattice
    correction (Cornish & Fisher 1938, doi:10.2307/1400905), rounded in float64.

    Args:
        bits: uint32 words.
        n: float64 whole numbers.
        r, y, log_p0: float32.
        rolled: Whether the exact part is a loop: a tenth of the code to compile, slower on large arrays.
    """
    if rolled:
        # Loops whose length XLA does not know: it would unroll them and copy them into every consumer.
        once = jnp.any(n > 0.0).astype(jnp.int32)
        drawn: jax.Array = jax.lax.fori_loop(0, once, lambda _, __: _lattice_draw(bits, n, r, y, log_p0, s, once * N_EXACT), jnp.zeros_like(n))
        return drawn
    return _lattice_draw(bits, n, r, y, log_p0, s, None)


def _lattice_draw(bits: jax.Array, n: jax.Array, r: jax.Array, y: jax.Array, log_p0: jax.Array, s: int, length: jax.Array | None) -> jax.Array:
    """`length` is that of the loop over the exact part, None to write it out."""
    n32 = n.astype(jnp.float32)
    t, lower = _half_uniform(bits)
    x = jnp.where(lower, -t, t)
    p = jnp.where(log_p0 > _LOG_TINY, jnp.exp(log_p0), _F(0))
    one_minus_p0 = -log_p0 * (_F(1) + log_p0 * (_F(1 / 2) + log_p0 * (_F(1 / 6) + log_p0 * (_F(1 / 24) + log_p0 * _F(1 / 120)))))
    tail = jnp.where(lower, -p, jnp.where(log_p0 > _F(-0.2), one_minus_p0, _F(1) - p))

    def term(k: Any, state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        small, p, tail = state
        small = jnp.where(x < tail, k + _F(1), small)
        ratio = (n32 + _F(s) * k) * (r * (_F(1) / (k + _F(1))))
        p = p * ratio
        # What the subtractions leave of an upper tail is rounding once the true tail,
        # below 2 p(k + 1) where ratios fall under 1/2, is smaller.
        after = p * ((n32 + _F(s) * (k + _F(1))) * (r * (_F(1) / (k + _F(2)))))
        return small, p, jnp.where(ratio < _F(0.5), jnp.minimum(tail - p, _F(2) * after), tail - p)

    state = jnp.zeros_like(x), p, tail
    if length is not None:
        state = jax.lax.fori_loop(0, length, lambda k, at: term(k.astype(jnp.float32), at), state)
    else:
        for k in range(N_EXACT):
            state = term(_F(k), state)
    small = state[0]
    sd, z = _cornish_fisher(_upper_normal(t, lower), n32, y, s)
    large = jnp.floor(n * y.astype(jnp.float64) + (sd * z).astype(jnp.float64) + 0.5)
    return jnp.where(small < _F(N_EXACT), small.astype(jnp.float64), jnp.maximum(large, float(N_EXACT)))


def binomial(bits: jax.Array, n: jax.Array, p: jax.Array, log_q: jax.Array, *, rolled: bool = False) -> jax.Array:
    """Binomial(n, p) with log_q = log(1 - p) given without cancellation.

    Args:
        bits: uint32 words.
        n: float64 whole numbers >= 0.
        p, log_q: float32.

    Returns:
        float64 whole numbers in [0, n].
    """
    q = jnp.exp(log_q)
    fold = p > _F(0.5)
    rare, common = jnp.where(fold, q, p), jnp.where(fold, p, q)
    # Where p rounds to 1 its logarithm must still know q.
    log_p0 = n.astype(jnp.float32) * jnp.where(fold, -_log1p(q / common), log_q)
    x = jnp.clip(_lattice(bits, n, rare / common, rare, log_p0, -1, rolled=rolled), 0.0, n)
    x = jnp.where((rare > _F(0)) & (n > 0.0), x, 0.0)
    return jnp.where(fold, n - x, x)


def thin(bits: jax.Array, n: jax.Array, exposure: jax.Array) -> jax.Array:
    """Cells of n that meet an event of integrated hazard `exposure` (float32, >= 0)."""
    return binomial(bits, n, *probability(exposure))


def _one_minus_exp(x: jax.Array) -> jax.Array:
    """1 - exp(-x), float32, without cancellation."""
    return x * _expm1_over(-x)


def poisson(bits: jax.Array, mean: jax.Array, *, rolled: bool = False) -> jax.Array:
    """Poisson with a float64 mean; its P(0) is resolved to 2**-33."""
    one = jnp.ones(mean.shape, jnp.float32)
    x = _lattice(bits, mean, one, one, -mean.astype(jnp.float32), 0, rolled=rolled)
    return jnp.where(mean > 0.0, x, 0.0)


def negative_binomial(bits: jax.Array, n: jax.Array, beta: jax.Array, odds: jax.Array, log_one_minus_beta: jax.Array, *, rolled: bool = False) -> jax.Array:
    """Sum of n geometric numbers on 0, 1, ... with ratio beta; odds = beta / (1 - beta)."""
    x = _lattice(bits, n, beta, odds, n.astype(jnp.float32) * log_one_minus_beta, 1, rolled=rolled)
    return jnp.where((beta > _F(0)) & (n > 0.0), x, 0.0)


def probability(exposure: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(p, log(1 - p)) of an event of integrated hazard `exposure`, float32."""
    return _one_minus_exp(exposure), -exposure


def end_of_line(law: Law) -> tuple[jax.Array, jax.Array]:
    """(alpha, log(1 - alpha)): a founder leaves no living descendant."""
    inverse = _F(1) / (_F(1) + law.w)
    alpha = law.v * inverse
    odds = alpha / jnp.maximum(law.x * inverse, _F(1e-38))
    # log(1 - alpha) = -log(1 + alpha / (1 - alpha)), accurate for small alpha.
    return alpha, -_log1p(odds)


def offspring(bits: jax.Array, founders: jax.Array, law: Law, *, rolled: bool = False) -> jax.Array:
    """Descendants of the founders that left any, beyond one each; float64 whole numbers."""
    return negative_binomial(bits, founders, law.w / (_F(1) + law.w), law.w, -_log1p(law.w), rolled=rolled)


def hidden_pairs(law: Law) -> jax.Array:
    """Expected births of a cell that are followed by deaths within the step, float32."""
    return jnp.maximum(law.deaths - law.v / (_F(1) + law.w), _F(0))
