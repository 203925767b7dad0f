"""Run a program over a grid of steps, piece by piece, on all devices."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from abm.engine.constants import Layout, Parts, put_together
from abm.engine.devices import leading_rows, over_rows, pad_rows, padded, place, row_mesh
from abm.engine.pieces import Pieces, frozen, thawed
from abm.engine.program import Carry, Model, Subjects
from abm.streams import PHASE_TRIAL


@dataclasses.dataclass(frozen=True)
class Grid:
    """Times of the steps and what is due at them."""

    times: np.ndarray  # float64 (steps + 1,), d
    drawn: np.ndarray  # bool (steps + 1,), births and deaths are drawn: to look at the cells here changes nothing
    pack: np.ndarray  # bool (steps + 1,)
    moves: np.ndarray | None = None  # bool (steps + 1,), the moves of a whole window happen; None = nowhere
    window_days: float = 0.0
    late_from: int | None = None  # step boundary after which windows last `late_window_days`; None = never
    late_window_days: float = 0.0

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.times) - 1

    def index(self, day: float) -> int:
        """Step boundary at `day`."""
        return int(np.argmin(np.abs(self.times - day)))


def make_grid(end_day: float, dt_hours: float, window_hours: float, packing_hours: float, extra_days: tuple[float, ...] = ()) -> Grid:
    """Grid t_k = k dt up to `end_day`, joined by `extra_days` that must be met exactly.

    Windows lie at multiples of `window_hours` (every step, if the step is longer).  The
    moves between columns of a whole window happen in its middle, or at the last step
    boundary before it (at the end of the step, if the window is one step).  Growth on
    either side of the moves makes the split symmetric (Strang 1968,
    doi:10.1137/0705041): at the ends of windows its error is of second order in the window.
    Packings are due at multiples of `packing_hours`.  Births and deaths are drawn before
    moves and packings and at the ends of windows, so that to look there changes nothing.
    """
    steps = int(np.ceil(end_day * 24.0 / dt_hours - 1e-9))
    base = np.arange(steps + 1) * (dt_hours / 24.0)
    wanted = np.array([d for d in (*extra_days, end_day) if 0.0 <= d <= end_day])
    times = np.union1d(np.minimum(base, end_day), wanted)
    times = times[np.concatenate([[True], np.diff(times) > 1e-9])]
    on_grid = np.isclose(times * 24.0 / dt_hours, np.rint(times * 24.0 / dt_hours), atol=1e-6)
    k = np.rint(times * 24.0 / dt_hours).astype(np.int64)
    every = max(1, round(window_hours / dt_hours))
    every_pack = max(1, round(packing_hours / dt_hours))
    moves = on_grid & (k % every == every // 2) & (k > 0)
    pack = on_grid & (k % every_pack == 0) & (k > 0)
    ends = on_grid & (k % every == 0) & (k > 0)
    return Grid(times=times, drawn=moves | pack | ends, pack=pack, moves=moves, window_days=every * dt_hours / 24.0)


def followed_by(first: Grid, then: Grid) -> Grid:
    """`first`, and from its end on `then`, whose times count from there and whose windows may be longer.  Windows must fit into `first`."""

    def joined(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray:
        return np.concatenate([np.zeros(first.steps + 1, bool) if a is None else a, np.zeros(then.steps, bool) if b is None else b[1:]])

    return dataclasses.replace(
        first,
        times=np.concatenate([first.times, first.times[-1] + then.times[1:]]),
        drawn=joined(first.drawn, then.drawn),
        pack=joined(first.pack, then.pack),
        moves=joined(first.moves, then.moves),
        late_from=first.steps,
        late_window_days=then.window_days,
    )


# Least number of boundaries for whose times a program has room, enough for steps of an eighth of an hour; beyond it powers of two.
_BOUNDARIES = 64


class Segment(NamedTuple):
    """Piece of the grid between two draws; step boundaries, and what is due at `stop`."""

    start: int
    stop: int
    moves: bool
    pack: bool
    late: bool = False  # its window is a late one

    @property
    def pieces(self) -> list[str]:
        """Names of the pieces of the program that it runs."""
        move = "late_move" if self.late else "move"
        return ["steps", "draw", *([move] if self.moves else []), *(["pack"] if self.pack else [])]


def segments_between(grid: Grid, start: int, stop: int) -> list[Segment]:
    """Pieces of the grid between two step boundaries, none if `stop` is not after `start`."""
    moves = np.zeros_like(grid.drawn) if grid.moves is None else grid.moves
    segments, begun = [], start
    for k in range(start + 1, stop + 1):
        if grid.drawn[k] or k == stop:
            segments.append(Segment(begun, k, bool(moves[k]), bool(grid.pack[k]), grid.late_from is not None and k > grid.late_from))
            begun = k
    return segments


def _chosen(finished: jax.Array, before: Carry, after: Carry) -> Carry:
    """Rows of `before` where finished, else those of `after`."""

    def choose(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(finished.reshape((-1,) + (1,) * (new.ndim - 1)), old, new)

    kept: Carry = jax.tree.map(choose, before, after)
    return kept


@jax.jit
def _copied(carry: Carry) -> Carry:
    copied: Carry = jax.tree.map(jnp.copy, carry)
    return copied


@functools.cache
def _keeper(mesh: Mesh, frozen_axes: tuple[Any, tuple[int, ...]]) -> Callable[..., Carry]:
    axes = thawed(frozen_axes)
    return jax.jit(over_rows(_chosen, mesh, (0, axes, axes), axes), donate_argnums=(2,))


@functools.cache
def _observer(function: Callable[[Any, Carry], Any], mesh: Mesh, layout: Layout, frozen_axes: tuple[Any, ...], seen: Any) -> Callable[..., Any]:
    out_axes = jax.tree.unflatten(seen, [0] * seen.num_leaves)

    def body(parts: Parts, carry: Carry) -> Any:
        return function(put_together(layout, parts), carry)

    return jax.jit(over_rows(body, mesh, tuple(thawed(a) for a in frozen_axes), out_axes))


class Simulation:
    """A compiled program with its state on the devices.

    Args:
        model: Biology.
        resolution: Packets per subject.
        params: The model's numbers, rows unpadded.
        param_axes: Axis of each of them that runs over rows, -1 where there is none.
        keys: Keys of the subject in each row, uint32 (rows, 2).
        carry: State at step `step`, rows unpadded.
        grid: Steps.
        phase: Phase of the run, which keeps its random numbers apart.
        devices: Most devices to use; None = all.
        step: Step at which `carry` stands.
    """

    def __init__(
        self,
        model: Model,
        resolution: int,
        params: Any,
        param_axes: Any,
        keys: np.ndarray,
        carry: Carry,
        grid: Grid,
        *,
        phase: np.uint32 = PHASE_TRIAL,
        devices: int | None = None,
        step: int = 0,
    ) -> None:
        self.rows = keys.shape[0]
        self.grid, self.step = grid, step
        self.mesh = row_mesh(self.rows, devices)
        rows = padded(self.rows, self.mesh, carry.packets.clone.shape[1])
        subjects = Subjects(np.ascontiguousarray(keys[:, 0]), np.ascontiguousarray(keys[:, 1]), np.full(self.rows, phase))
        carry_axes, subject_axes = leading_rows(carry), leading_rows(subjects)
        self._subjects = place(pad_rows(subjects, subject_axes, rows), subject_axes, self.mesh)
        self._carry = place(pad_rows(carry, carry_axes, rows), carry_axes, self.mesh)
        self._pieces = Pieces(model, resolution, (grid.window_days, grid.late_window_days), params, param_axes, carry.rows, self.mesh, rows)
        self._frozen = frozen(carry_axes)
        longest = max((s.stop - s.start for s in segments_between(grid, 0, grid.steps)), default=0)
        self._boundaries = max(_BOUNDARIES, 1 << longest.bit_length())
        self._finished = np.zeros(rows, bool)
        self._kept: Carry | None = None
        self._structures: dict[Callable[[Any, Carry], Any], Any] = {}

    def run_to(self, step: int) -> None:
        """Advance to the boundary before step number `step`."""
        for segment in segments_between(self.grid, self.step, step):
            when = self._times(segment), np.int32(segment.start), np.int32(segment.stop)
            for name in segment.pieces:
                self._carry = self._pieces.run(name, self._subjects, self._carry, *when)
        if self._kept is not None:
            self._carry = _keeper(self.mesh, self._frozen)(place(self._finished, 0, self.mesh), self._kept, self._carry)
        self.step = step

    def _times(self, segment: Segment) -> np.ndarray:
        """Times of the boundaries of a segment, padded to one length so that all segments, and runs on other grids, share a program."""
        times = self.grid.times[segment.start : segment.stop + 1]
        return np.pad(times, (0, max(self._boundaries - len(times), 0)), mode="edge")

    def observe(self, function: Callable[[Any, Carry], Any]) -> Any:
        """Evaluate `function(params, carry)`, a tree of arrays that start with rows; returns NumPy arrays."""
        if function not in self._structures:
            self._structures[function] = jax.tree.structure(self.shape_of(function))
        numbers = self._pieces.numbers()
        seen = _observer(function, self.mesh, numbers.layout, (frozen(numbers.axes), self._frozen), self._structures[function])(numbers.parts, self._carry)
        return jax.tree.map(lambda x: np.asarray(x)[: self.rows], jax.device_get(seen))

    def shape_of(self, function: Callable[[Any, Carry], Any]) -> Any:
        """Structure of what `observe(function)` returns."""
        numbers = self._pieces.numbers()
        return jax.eval_shape(lambda parts, carry: function(put_together(numbers.layout, parts), carry), numbers.parts, self._carry)

    def carry(self) -> Carry:
        """The state as NumPy arrays, without padding."""
        host: Carry = jax.tree.map(lambda x: np.asarray(x)[: self.rows], jax.device_get(self._carry))
        return host

    def replace_rows(self, **arrays: Any) -> None:
        """Replace arrays, or trees of them, of the model's row state by name: of the same shape and type, rows unpadded; what runs is not compiled again."""
        axes = leading_rows(arrays)
        placed = place(pad_rows(arrays, axes, len(self._finished)), axes, self.mesh)
        self._carry = self._carry._replace(rows=self._carry.rows._replace(**placed))

    def freeze(self, finished: np.ndarray) -> None:
        """Freeze rows, bool (rows,); they stay as they are from here on.

        They are computed all the same, because all rows share one program, and put back
        after every advance.
        """
        self._finished[: self.rows] |= finished
        self._kept = _copied(self._carry)
