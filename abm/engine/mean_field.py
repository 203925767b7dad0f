"""Expected numbers of cells instead of whole cells: the deterministic twin of the packet engine.

A population is a set of points with fixed traits.  Each point carries a weight, the
expected number of cells there, in the columns cycling and quiescent.  Points stand in
groups of equal size; a cell that redraws its traits moves to a random point of its own
group.  One step is a symmetric splitting, second order in the step:

    half a step of switching, half of redrawing, growth, half of redrawing, half of switching

With many cells the packet engine tends to this law.  Does not contain: chance, blood.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.biology.heredity import N_NORMALS
from abm.biology.kinetics import relax
from abm.engine.devices import pad_rows, padded, place, row_mesh
from abm.engine.sobol import sobol_points

COMPETENCE = N_NORMALS - 1


class Weights(NamedTuple):
    """Expected cells, float64 (rows, points)."""

    cycling: jax.Array
    quiescent: jax.Array


class Hazards(NamedTuple):
    """Hazards of one step, 1/d, each broadcastable to (rows, points)."""

    division: jax.Array
    death_cycling: jax.Array
    death_quiescent: jax.Array
    redraw: jax.Array  # at which a cycling line of descent redraws its traits
    leave_cycle: jax.Array
    enter_cycle: jax.Array


def switch(w: Weights, leave: jax.Array, enter: jax.Array, h: jax.Array) -> Weights:
    """Exact exchange between the columns for `h` days; the sum of both does not change."""
    total = w.cycling + w.quiescent
    cycling = relax(w.cycling, total * (enter / (leave + enter)), leave + enter, h)
    return Weights(cycling, total - cycling)


def redraw(weight: jax.Array, hazard: jax.Array, groups: int, h: jax.Array) -> jax.Array:
    """Weights after `h` days of redrawing within groups, second order in `h`; the sum of a group does not change."""

    def flow(w: jax.Array) -> jax.Array:
        leaving = w * jnp.broadcast_to(hazard, w.shape)
        grouped = leaving.reshape(w.shape[0], groups, -1)
        arriving = jnp.broadcast_to(jnp.mean(grouped, axis=2, keepdims=True), grouped.shape).reshape(w.shape)
        return h * (arriving - leaving)

    first = flow(weight)
    return weight + 0.5 * (first + flow(weight + first))


def advance_weights(w: Weights, hazards: Hazards, groups: int, h: jax.Array) -> Weights:
    """Expected cells after `h` days at constant hazards."""
    half = 0.5 * h
    w = switch(w, hazards.leave_cycle, hazards.enter_cycle, half)
    cycling = redraw(w.cycling, hazards.redraw, groups, half)
    cycling = cycling * jnp.exp((hazards.division - hazards.death_cycling) * h)
    cycling = redraw(cycling, hazards.redraw, groups, half)
    return switch(Weights(cycling, w.quiescent * jnp.exp(-hazards.death_quiescent * h)), hazards.leave_cycle, hazards.enter_cycle, half)


def trait_points(points: int, clones: int, levels: int, seed: int = 3) -> np.ndarray:
    """Normals of quasi-random cells, float64 (7, clones * levels * points).

    Every clone has the same points.  With `levels` > 0 the BMF competence, which is
    heritable, takes that many equally likely values, each a group of its own; with 0 it
    is one of the traits that a daughter redraws, and a clone is one group.  Of 14 seeds
    the default is the one whose 8 x 16 points came nearest to 32 x 128 points.
    """
    groups = max(levels, 1)
    uniform = sobol_points(N_NORMALS, groups * points, seed)
    if levels:
        # Runs of a Sobol sequence are themselves evenly spread, so each level gets its own.
        uniform[:, COMPETENCE] = (np.repeat(np.arange(levels), points) + 0.5) / levels
    normals: np.ndarray = np.tile(ndtri(np.clip(uniform, 1e-9, 1.0 - 1e-9)).T, (1, clones))
    return normals


def stacked(trees: list[Any]) -> Any:
    """Records or tuples of plain numbers, one per row, as one whose numbers are float64 (rows, 1)."""
    return jax.tree.map(lambda *values: np.array(values, np.float64)[:, None], *trees)


def spread_rows(tree: Any, axis: int, rows: int) -> Any:
    """A tree of arrays whose rows, along `axis`, are spread over the devices; rows are repeated to fill them evenly."""
    mesh = row_mesh(rows, None)
    axes = jax.tree.map(lambda _: axis, tree)
    return place(pad_rows(tree, axes, padded(rows, mesh)), axes, mesh)
