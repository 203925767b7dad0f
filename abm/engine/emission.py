"""How many mutants arise: the law of mutation at division over one window.

`one`: a division makes one mutant daughter with probability u; `each`: each daughter is a
mutant independently with probability u.  With b the division hazard the cells without
mutation divide into two of their own at the hazard

    one: b (1 - u)        each: b (1 - u)^2

and die as before, whatever else happens: theirs is a birth-death process of its own,
drawn exactly by `abm.engine.transition`.  Given their path, mutation is the rest,

    one:  S -> S + R at u b
    each: S -> S + R at 2 u (1 - u) b,  S -> R + R at u^2 b

so origins of mutants are a Poisson stream in proportion to the cells that really lived,
which is what carries jackpots and the correlation of cure and resistance.

Over a window this rest is drawn at once, in the middle of the window, between two halves
of births and deaths (Strang 1968, doi:10.1137/0705041).  The mutants then live by their
own law.  The law of the cells without mutation stays exact; the law of the mutants has an
error of second order in (hazards x window): 1e-4 in a probability at 0.1, measured against
the exact generating function in tests/theory/test_resistance_step.py.  Rates are never
compared with a uniform number: counts are drawn from the lattice law, whose P(0) is
resolved to 2^-33, so 1e-10 a division and 1e12 cells are as good as any.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.transition import binomial, poisson, probability

MUTATIONS = ("one", "each")
# Below this exposure the series of the mean time of conversion is accurate to 1e-12.
_SMALL_EXPOSURE = 1e-3


class Emitted(NamedTuple):
    """Outcome of one window, float64 whole numbers."""

    mutants: jax.Array  # (mechanisms, rows, packets), new mutant cells by mother's packet
    converted: jax.Array | None  # (rows, packets), mothers both of whose daughters are mutants; None for `one`


def unmutated(chance: Any, mutation: str) -> Any:
    """Factor on the division hazard that is left for divisions without mutation; any shape.

    Args:
        chance: Probability u of a mutation, per division (`one`) or per daughter (`each`).
        mutation: one | each.
    """
    return 1.0 - chance if mutation == "one" else (1.0 - chance) ** 2


def conversion_time(exposure: Any) -> Any:
    """Mean time of an event of a constant hazard, as a share of a window in which it happened; float64.

    Args:
        exposure: Integrated hazard of the event over the window.
    """
    small = exposure < _SMALL_EXPOSURE
    safe = jnp.where(small, 1.0, exposure)
    return jnp.where(small, 0.5 - exposure / 12.0, 1.0 / safe - 1.0 / jnp.expm1(safe))


def emit(bits: jax.Array, n: jax.Array, exposure: jax.Array, chance: jax.Array, mutation: str, converted_bits: jax.Array | None = None) -> Emitted:
    """Draw the mutants of one window.

    Args:
        bits: uint32 (mechanisms, rows, packets), packets even in number.
        n: Cells that can divide, in the middle of the window; float64 whole numbers (rows, packets).
        exposure: Division hazard integrated over the whole window, of every division; float64 (rows, packets).
        chance: Probability of each mechanism in each packet, float64 (mechanisms, rows, packets).
        mutation: one | each; `each` is for a single mechanism.
        converted_bits: uint32 (rows, packets), for `each`.
    """
    if mutation == "one":
        return Emitted(_separately(poisson, bits, n * exposure * chance), None)
    assert bits.shape[0] == 1
    assert converted_bits is not None
    u = chance[0]
    both = u * u * exposure
    p, log_q = probability(both.astype(jnp.float32))
    converted = _separately(binomial, converted_bits[None], n[None], p[None], log_q[None])[0]
    mothers = n - converted + converted * conversion_time(both)
    single = _separately(poisson, bits, (2.0 * u * (1.0 - u) * exposure * mothers)[None])
    return Emitted(single + 2.0 * converted, converted)


def _separately(draw: Any, *arguments: jax.Array) -> jax.Array:
    """`draw` of arrays (mechanisms, rows, packets), computed once in a loop over mechanisms and halves of the packets.

    Without a loop XLA would copy the draw into each of its consumers.
    """
    shape = arguments[0].shape

    def halved(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x.reshape(*shape[:2], 2, shape[2] // 2), 2, 1).reshape(2 * shape[0], shape[1], shape[2] // 2)

    drawn = lax.map(lambda x: draw(*x), tuple(halved(jnp.broadcast_to(a, shape)) for a in arguments))
    whole: jax.Array = jnp.moveaxis(drawn.reshape(shape[0], 2, shape[1], shape[2] // 2), 1, 2).reshape(shape)
    return whole


def waiting_time(word: jax.Array, mutants: jax.Array) -> jax.Array:
    """Exponential times with hazard `mutants`, float32, infinite without any.

    The packet with the shortest is one of several, drawn with probability in proportion to its mutants.
    """
    uniform = ((word >> np.uint32(1)).astype(jnp.int32).astype(jnp.float32) + np.float32(0.5)) * np.float32(2.0**-31)
    rate = jnp.maximum(mutants, 1.0).astype(jnp.float32)
    return jnp.where(mutants > 0.0, -jnp.log(jnp.minimum(uniform, np.float32(1.0 - 2.0**-24))) / rate, np.float32(np.inf))
