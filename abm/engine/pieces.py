"""The compiled pieces of a program.

They are separate programs called from the host: nested in one loop, XLA's CPU compiler
takes a minute and two devices wait for each other in every branch.  Each is given what it uses
(`abm.engine.views`), is compiled when it is first due, and is kept for all runs of its shapes.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from abm.engine.constants import Layout, Parts, laid_out, put_together
from abm.engine.devices import leading_rows, over_rows, pad_rows, place
from abm.engine.program import Carry, Model, Subjects, draw, move, pack, steps, view_of
from abm.engine.stored_programs import Source, ready
from abm.engine.views import View, put_back, seen
from abm.errors import InputError


def frozen(axes: Any) -> tuple[Any, tuple[int, ...]]:
    """A tree of axes in a form that can be a key."""
    leaves, structure = jax.tree.flatten(axes)
    return structure, tuple(leaves)


def thawed(axes: tuple[Any, tuple[int, ...]]) -> Any:
    """The tree of axes of `frozen`."""
    structure, leaves = axes
    return jax.tree.unflatten(structure, leaves)


def compiler_options() -> str:
    """Options of XLA for the pieces alone, `name=value` with commas between, from the environment.

    For runs that compile for longer than they compute; XLA_FLAGS are for all programs of a process.
    """
    return os.environ.get("ABM_COMPILER_OPTIONS", "")


def as_mapping(options: str) -> dict[str, str]:
    """Options by name.

    Raises:
        InputError: An option has no value.
    """
    named = [option.partition("=") for option in options.split(",") if option]
    if wrong := [name for name, sign, _ in named if not sign]:
        raise InputError(f"ABM_COMPILER_OPTIONS: '{wrong[0]}' has no value; write name=value, with commas between several.")
    return {name: value for name, _, value in named}


@functools.cache
def compiled(
    function: Callable[..., Carry], settings: tuple[Any, ...], mesh: Mesh, layout: Layout, frozen_axes: tuple[Any, ...], options: str = ""
) -> tuple[Callable[..., Carry], Source]:
    """A piece of a program, `function(*settings, params, ...)`, and what it was made from; kept, so that a second run of the same shapes compiles nothing."""
    axes = tuple(thawed(a) for a in frozen_axes)

    def body(parts: Parts, *rest: Any) -> Carry:
        return function(*settings, put_together(layout, parts), *rest)

    jitted = jax.jit(over_rows(body, mesh, (*axes, -1, -1, -1), axes[2]), donate_argnums=(2,), compiler_options=as_mapping(options) or None)
    models = (type(value).__module__ for value in settings if dataclasses.is_dataclass(value))
    return jitted, Source((__name__, function.__module__, *models), (function.__qualname__, settings, mesh, layout, frozen_axes, options))


def _given(carry: Carry, view: View) -> Carry:
    """What a piece is given of the state."""
    given: Carry = seen(carry, ("packets", "rows", *view.books))
    return given._replace(packets=seen(carry.packets, view.packets), rows=seen(carry.rows, view.rows))


def _after(carry: Carry, made: Carry, view: View) -> Carry:
    """The state after a piece that made `made` of what it was given."""
    packets, rows = put_back(carry.packets, made.packets, view.packets), put_back(carry.rows, made.rows, view.rows)
    return carry._replace(packets=packets, rows=rows, **{name: getattr(made, name) for name in view.books})


class Numbers(NamedTuple):
    """Parameters on the devices, all or some fields of them."""

    layout: Layout
    parts: Parts
    axes: Parts


class Pieces:
    """What advances the state of some rows, piece by piece.

    Args:
        model: Biology.
        resolution: Packets per subject.
        window_days: Length of a window and of a late one, d.
        params: The model's numbers, rows unpadded.
        param_axes: Axis of each of them that runs over rows, -1 where there is none.
        row_state: The model's state of each row.
        mesh: Devices.
        rows: Number of rows, padded.
    """

    def __init__(
        self, model: Model, resolution: int, window_days: tuple[float, float], params: Any, param_axes: Any, row_state: Any, mesh: Mesh, rows: int
    ) -> None:
        self._mesh = mesh
        self._params, self._param_axes = pad_rows(params, param_axes, rows), param_axes
        self._numbers: dict[tuple[str, ...] | None, Numbers] = {}
        self._ready: dict[str, Callable[..., Carry]] = {}
        view = {piece: view_of(model, piece, row_state) for piece in ("steps", "draw", "move", "pack")}
        self._pieces: dict[str, tuple[Callable[..., Carry], tuple[Any, ...], View]] = {
            "steps": (steps, (view["steps"].model,), view["steps"]),
            "draw": (draw, (view["draw"].model, model.n_clones), view["draw"]),
            "move": (move, (view["move"].model, window_days[0]), view["move"]),
            "late_move": (move, (view["move"].model, window_days[1]), view["move"]),
            "pack": (pack, (view["pack"].model, resolution), view["pack"]),
        }

    def numbers(self, names: tuple[str, ...] | None = None) -> Numbers:
        """Fields of the parameters, or all of them."""
        if names not in self._numbers:
            layout, parts, axes = laid_out(seen(self._params, names), seen(self._param_axes, names))
            self._numbers[names] = Numbers(layout, place(parts, axes, self._mesh), axes)
        return self._numbers[names]

    def run(self, name: str, subjects: Subjects, carry: Carry, *when: Any) -> Carry:
        """The state after a piece; `when` is the times of the boundaries, the boundary of the start and that of the stop."""
        function, settings, view = self._pieces[name]
        numbers = self.numbers(view.params)
        arguments = (numbers.parts, subjects, _given(carry, view), *when)
        if name not in self._ready:
            axes = (numbers.axes, leading_rows(subjects), leading_rows(arguments[2]))
            made = compiled(function, settings, self._mesh, numbers.layout, tuple(frozen(a) for a in axes), compiler_options())
            self._ready[name] = ready(*made, tuple(self._mesh.devices.flat), arguments)
        return _after(carry, self._ready[name](*arguments), view)
