"""Numbers of a model as few arrays.

A program is called thousands of times and each array that it is given costs some
microseconds for every device; a model has a hundred numbers.  Those that are the same for all rows
are laid end to end, one array for each type, and so are the few that each row has of its own;
they are taken apart again inside the program, where it costs nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

NO_ROWS = -1
# Larger arrays stay apart: to cut them out of a joined one copies them at every call.
_MOST_JOINED = 4096
_MOST_JOINED_OF_ROW = 16


class Place(NamedTuple):
    """Where an array lies in a joined one."""

    of_rows: bool
    kind: str  # type
    offset: int  # of a row, if it is of rows
    shape: tuple[int, ...]  # without the rows


class Layout(NamedTuple):
    """Where each array of a tree has gone; hashable."""

    structure: Any  # of the tree
    places: tuple[Place | None, ...]  # None for arrays of their own


class Parts(NamedTuple):
    """A tree taken apart."""

    constants: dict[str, Any]  # by type, flat
    of_rows: dict[str, Any]  # by type, (rows, numbers of a row)
    apart: tuple[Any, ...]


def laid_out(tree: Any, axes: Any) -> tuple[Layout, Parts, Parts]:
    """(layout, parts, their axes) of a tree of arrays whose row axes are `axes`, NO_ROWS where there are none."""
    leaves, structure = jax.tree.flatten(tree)
    places: list[Place | None] = []
    joined: tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]] = {}, {}
    apart, apart_axes = [], []
    for leaf, axis in zip(leaves, jax.tree.leaves(axes), strict=True):
        of_rows = axis == 0
        if not _is_joined(leaf, axis):
            places.append(None)
            apart.append(leaf)
            apart_axes.append(axis)
            continue
        array = np.asarray(leaf)
        present = joined[of_rows].setdefault(array.dtype.name, [])
        shape = array.shape[1:] if of_rows else array.shape
        places.append(Place(of_rows, array.dtype.name, sum(part.shape[-1] for part in present), shape))
        present.append(array.reshape((array.shape[0], -1) if of_rows else (-1,)))
    constants, of_rows_joined = ({kind: np.concatenate(parts, axis=-1) for kind, parts in group.items()} for group in joined)
    parts = Parts(constants, of_rows_joined, tuple(apart))
    return Layout(structure, tuple(places)), parts, Parts(dict.fromkeys(constants, NO_ROWS), dict.fromkeys(of_rows_joined, 0), tuple(apart_axes))


def _is_joined(leaf: Any, axis: int) -> bool:
    if axis == 0:
        return bool(np.size(leaf) <= _MOST_JOINED_OF_ROW * np.shape(leaf)[0])
    return bool(axis == NO_ROWS and np.size(leaf) <= _MOST_JOINED)


def put_together(layout: Layout, parts: Parts) -> Any:
    """The tree that was laid out; traceable."""
    apart = iter(parts.apart)
    leaves = []
    for place in layout.places:
        if place is None:
            leaves.append(next(apart))
            continue
        until = place.offset + int(np.prod(place.shape))
        if place.of_rows:
            rows = parts.of_rows[place.kind][:, place.offset : until]
            leaves.append(rows.reshape((rows.shape[0], *place.shape)))
        else:
            leaves.append(parts.constants[place.kind][place.offset : until].reshape(place.shape))
    return jax.tree.unflatten(layout.structure, leaves)
