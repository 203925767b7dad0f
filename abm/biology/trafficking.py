"""Moves of leukaemic cells between cycling, quiescent and blood.

A cell changes among three conditions with constant hazards over a window:
cycling <-> quiescent, tissue -> blood (egress, rising with the burden) and blood ->
tissue, where it takes up the cycling or quiescent state in the balanced shares.  The
transition matrix over the window is the exact matrix exponential.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

CYCLING, QUIESCENT, BLOOD = 0, 1, 2
_SQUARINGS = 8


def egress_hazard(burden: jax.Array, at_half: jax.Array, burden_at_half: jax.Array, exponent: jax.Array) -> jax.Array:
    """Hazard of leaving tissue for the blood, 1/d; zero without cells."""
    ratio = jnp.maximum(burden, 1.0) / burden_at_half
    return jnp.where(burden > 0.0, at_half * jnp.exp(exponent * jnp.log(ratio)), 0.0)


def _multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    # Written out so that the order of additions, and with it every bit, is fixed.
    return a[:, 0, None] * b[None, 0] + a[:, 1, None] * b[None, 1] + a[:, 2, None] * b[None, 2]


def transition_matrix(
    leave_cycle: jax.Array, enter_cycle: jax.Array, egress: jax.Array, homing: jax.Array, quiescent_fraction: jax.Array, days: jax.Array
) -> jax.Array:
    """Probabilities of being in condition j after `days`, from condition i: shape (3, 3, ...).

    Args:
        leave_cycle, enter_cycle, egress, homing: Hazards, 1/d, of one common shape.
        quiescent_fraction: Share of homing cells that become quiescent.
        days: Length of the window.
    """
    zero = jnp.zeros_like(egress)
    rates = jnp.stack(
        [
            jnp.stack([-(leave_cycle + egress), leave_cycle, egress]),
            jnp.stack([enter_cycle, -(enter_cycle + egress), egress]),
            jnp.stack([homing * (1.0 - quiescent_fraction), homing * quiescent_fraction, -homing]),
        ]
    )
    identity = jnp.eye(3, dtype=zero.dtype).reshape((3, 3) + (1,) * zero.ndim) + zero
    step = rates * (days / 2.0**_SQUARINGS)
    # Taylor to fourth order at 1/256 of the window, then repeated squaring.
    taylor = lax.fori_loop(0, 4, lambda i, p: identity + _multiply(step, p) / (4.0 - i.astype(zero.dtype)), identity)
    matrix: jax.Array = lax.fori_loop(0, _SQUARINGS, lambda _, p: _multiply(p, p), taylor)
    return matrix
