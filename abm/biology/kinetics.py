"""Two forms that the mechanisms share: linear relaxation and the Hill function."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def relax(value: jax.Array, target: jax.Array, rate_per_day: jax.Array | float, h: jax.Array) -> jax.Array:
    """Exact solution after `h` days of dx/dt = rate (target - x) with a constant target."""
    return target + (value - target) * jnp.exp(-rate_per_day * h)


def hill(x: jax.Array, half_point: jax.Array | float, exponent: jax.Array | float) -> jax.Array:
    """x^n / (half_point^n + x^n) for x >= 0; exactly 0 at x = 0."""
    ratio = jnp.maximum(x, 1e-30) / half_point
    power = jnp.exp(exponent * jnp.log(ratio))
    return jnp.where(x > 0.0, power / (1.0 + power), 0.0)
