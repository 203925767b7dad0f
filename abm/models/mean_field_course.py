"""The deterministic twin of a whole trial: engraftment until randomisation, then every arm.

Runs the twin of `abm.models.mean_field_xenograft` in pieces of a fixed number of steps, so
that trials of any length share one compiled program.  In a lead-in a row stands still from
the step at which it reaches its burden, as a subject does in the packet model.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.engine.devices import pad_rows
from abm.models.mean_field_xenograft import TwinParams, TwinState, begin_twin, step_twin
from abm.pharmacology.action import Values

# Steps of one call of the compiled program, and the number to whose multiples rows are filled up.
STEPS_PER_CALL = 64
_ROWS = 4


class Look(NamedTuple):
    """What each step shows; float64, (steps, rows) unless said."""

    burden: Any  # cells at the end of the step
    divisions: Any  # expected divisions in the step
    division: Any  # 1/d, largest division hazard of any trait point
    death: Any  # 1/d, largest apoptosis hazard of any trait point
    cytotoxic: Any  # 1/d, cytotoxic hazard of cycling cells
    unbinding: Any  # 1/d, rate at which the mTORC1 occupancy follows the concentration, fastest drug
    cells: Any  # (steps, rows, clones), at the end of the step
    unevenness: Any  # (steps, rows, clones), 1 + CV^2 of the cells over the trait points of a clone
    still: Any  # bool, whether the row stands still


class Path(NamedTuple):
    """A run of the twin, NumPy arrays."""

    looks: Look
    state: TwinState  # at the end
    reached: np.ndarray  # int64 (rows,), steps until a row stood still, -1 where it never did


def take_rows(tree: Any, index: np.ndarray) -> Any:
    """Rows `index` of a tree whose every array starts with rows."""
    return jax.tree.map(lambda x: np.asarray(x)[index], tree)


def begin_path(params: TwinParams) -> TwinState:
    """State of the rows at the start, as NumPy arrays."""
    return jax.tree.map(np.asarray, begin_twin(params))


def run_path(
    params: TwinParams, state: TwinState, course: Values, h_days: float, *, groups: int, clones: int, level: np.ndarray | None = None, check_every: int = 1
) -> Path:
    """Run rows along their course of concentrations.

    Args:
        params: Numbers of the rows.
        state: State at the start.
        course: Mean free concentrations over each step, nmol/L, float64 (steps, rows, drugs).
        h_days: Step, d.
        groups: Groups of trait points of all clones together, within which cells redraw.
        clones: Clones of a row.
        level: Cells at which a row stands still, (rows,); None = never.
        check_every: Steps between two looks at the level.
    """
    rows, steps = len(params.b_max), len(course)
    width, calls = -(-rows // _ROWS) * _ROWS, -(-steps // STEPS_PER_CALL)
    wide = jax.tree.map(lambda x: _filled(x, width), params)
    now = jax.tree.map(lambda x: _filled(x, width), state)
    limit = _filled(np.full(rows, np.inf) if level is None else np.asarray(level, np.float64), width)
    whole = np.pad(_filled(course, width, axis=1), ((0, calls * STEPS_PER_CALL - steps), (0, 0), (0, 0)))
    index = np.arange(calls * STEPS_PER_CALL)
    looked = (index % check_every == 0) & (index < steps)
    parts, still = [], np.zeros(width, bool)
    for k in range(0, calls * STEPS_PER_CALL, STEPS_PER_CALL):
        piece = slice(k, k + STEPS_PER_CALL)
        mean_nm = whole[piece]
        now, look = _advance(wide, now, still, mean_nm, looked[piece], limit, np.float64(h_days), groups, clones)
        parts.append(jax.tree.map(np.asarray, look))
        still = parts[-1].still[-1]
        if still.all():
            break
    looks: Look = jax.tree.map(lambda *x: np.concatenate(x)[:steps, :rows], *parts)
    reached = np.where(looks.still.any(axis=0), np.argmax(looks.still, axis=0), -1)
    return Path(looks, jax.tree.map(lambda x: np.asarray(x)[:rows], now), reached)


def _filled(x: Any, rows: int, axis: int = 0) -> np.ndarray:
    filled: np.ndarray = np.asarray(pad_rows(np.asarray(x), axis, rows))
    return filled


@functools.partial(jax.jit, static_argnums=(7, 8))
def _advance(
    params: TwinParams, state: TwinState, still: jax.Array, course: jax.Array, looked: jax.Array, limit: jax.Array, h: jax.Array, groups: int, clones: int
) -> tuple[TwinState, Look]:
    rows = limit.shape[0]

    def by_clone(x: jax.Array) -> jax.Array:
        return jnp.sum(x.reshape(rows, clones, -1), axis=2)

    def step(carry: tuple[TwinState, jax.Array], given: tuple[jax.Array, jax.Array]) -> tuple[tuple[TwinState, jax.Array], Look]:
        before, still = carry
        mean_nm, look_now = given
        total = jnp.sum(before.cells.cycling + before.cells.quiescent, axis=1)
        still = still | (look_now & (total >= limit))
        after, rates, hazards = step_twin(params, before, mean_nm, h, groups)
        kept: TwinState = jax.tree.map(lambda a, b: jnp.where(still.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), before, after)
        cells = kept.cells.cycling + kept.cells.quiescent
        sums, points = by_clone(cells), cells.shape[1] // clones
        dividing = 0.5 * (before.cells.cycling + after.cells.cycling)
        ratio = mean_nm * params.targets.inverse_ic50_mtorc1
        look = Look(
            burden=jnp.sum(sums, axis=1),
            divisions=jnp.where(still, 0.0, h * jnp.sum(hazards.division * dividing, axis=1)),
            division=jnp.max(hazards.division, axis=1),
            death=jnp.max(rates.death, axis=1),
            cytotoxic=jnp.max(hazards.death_cycling - params.death - rates.death, axis=1),
            unbinding=jnp.max(params.targets.koff_per_day * (1.0 + ratio), axis=1, initial=0.0),
            cells=sums,
            unevenness=points * by_clone(cells * cells) / jnp.maximum(sums * sums, 1e-300),
            still=still,
        )
        return (kept, still), look

    (state, _), looks = lax.scan(step, (state, still), (course, looked))
    return state, looks
