"""Many small bounded problems of least squares at once (Levenberg 1944, Marquardt 1963), for a model that computes many sets of numbers together.

Numbers live in the unit cube.  Every round asks the model for one batch of forward
differences and one of trial steps with several dampings, over all problems.  A number at an end of
its range whose descent leads outwards stays there for that round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Residuals = Callable[[Array], Array]

STEP = 2e-3  # of the forward differences, in the unit cube
DAMPINGS = (0.1, 1.0, 10.0, 100.0)  # multiples of the current damping that a round tries
SMALL_MOVE, SMALL_GAIN = 1e-4, 1e-4


@dataclasses.dataclass(frozen=True)
class Minima:
    """Where each problem stands.

    Attributes:
        x: (problems, numbers).
        cost: Sum of squares, (problems,).
        converged: (problems,).
    """

    x: Array
    cost: Array
    converged: NDArray[np.bool_]


def minimise(residuals: Residuals, starts: Array, *, free: NDArray[np.bool_] | None = None, rounds: int = 20) -> Minima:
    """Descend from each start.

    Args:
        residuals: From points (any, numbers) to residuals (any, observations).
        starts: (problems, numbers) in [0, 1].
        free: Which numbers of each problem may move; all by default.
        rounds: At most this many.
    """
    x = np.clip(np.array(starts, float), 0.0, 1.0)
    movable = np.ones(x.shape, bool) if free is None else free
    cost, damping = np.sum(residuals(x) ** 2, axis=1), np.full(len(x), 1e-2)
    done = np.array(~movable.any(axis=1))
    for _ in range(rounds):
        active = np.flatnonzero(~done)
        if not len(active):
            break
        r, jacobian = differences(residuals, x[active])
        tried = _trials(x[active], r, jacobian, movable[active], damping[active])
        costs = np.sum(residuals(tried.reshape(-1, x.shape[1])) ** 2, axis=1).reshape(tried.shape[:2])
        best = np.argmin(costs, axis=1)
        for i, k in enumerate(active):
            new, move = float(costs[i, best[i]]), float(np.abs(tried[i, best[i]] - x[k]).max())
            gain = cost[k] - new
            if gain > 0.0:
                x[k], cost[k] = tried[i, best[i]], new
                damping[k] = float(np.clip(damping[k] * DAMPINGS[best[i]] * 0.5, 1e-8, 1e8))
            else:
                damping[k] = min(damping[k] * 10.0 * DAMPINGS[-1], 1e10)
            done[k] = move < SMALL_MOVE or (0.0 < gain < SMALL_GAIN * (1e-3 + cost[k])) or (gain <= 0.0 and damping[k] > 1e6)
    return Minima(x, cost, done)


def differences(residuals: Residuals, x: Array) -> tuple[Array, Array]:
    """(residuals (problems, observations), derivatives (problems, observations, numbers)) by forward differences that stay in the cube."""
    problems, numbers = x.shape
    signs = np.where(x + STEP <= 1.0, STEP, -STEP)
    moved = x[:, None, :] + signs[:, None, :] * np.vstack([np.zeros(numbers), np.eye(numbers)])[None]
    values = residuals(moved.reshape(-1, numbers)).reshape(problems, numbers + 1, -1)
    slopes = (values[:, 1:] - values[:, :1]) / signs[:, :, None]
    return values[:, 0], np.swapaxes(slopes, 1, 2)


def _trials(x: Array, r: Array, jacobian: Array, movable: NDArray[np.bool_], damping: Array) -> Array:
    """Damped steps (problems, dampings, numbers), cut off at the faces of the cube."""
    tried = np.repeat(x[:, None, :], len(DAMPINGS), axis=1)
    for i in range(len(x)):
        slope = jacobian[i].T @ r[i]
        outwards = ((x[i] <= 0.0) & (slope > 0.0)) | ((x[i] >= 1.0) & (slope < 0.0))
        held = np.flatnonzero(movable[i] & ~outwards)
        normal = jacobian[i][:, held].T @ jacobian[i][:, held]
        scale = np.diag(np.maximum(np.diag(normal), 1e-12 * max(float(np.trace(normal)), 1e-12)))
        for j, factor in enumerate(DAMPINGS):
            step = np.linalg.solve(normal + damping[i] * factor * scale, -slope[held]) if len(held) else np.zeros(0)
            tried[i, j, held] = np.clip(x[i, held] + step, 0.0, 1.0)
    return tried
