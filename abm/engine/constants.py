"""Numbers that are the same for all rows, as few arrays.

A program is called thousands of times and each array that it is given costs some
microseconds for every device; a model has a hundred numbers.  They are laid end to end,
one array for each type, and taken apart again inside the program, where it costs nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

NO_ROWS = -1
# Larger arrays stay apart: to cut them out of a joined one copies them at every call.
_MOST_JOINED = 4096


class Layout(NamedTuple):
    """Where each array of a tree has gone; hashable."""

    structure: Any  # of the tree
    places: tuple[tuple[str, int, tuple[int, ...]] | None, ...]  # (type, offset, shape) of each array without rows, None for arrays of their own


class Parts(NamedTuple):
    """A tree taken apart."""

    constants: dict[str, Any]  # by type, flat
    of_rows: tuple[Any, ...]  # arrays with an axis of rows, and large ones


def laid_out(tree: Any, axes: Any) -> tuple[Layout, Parts, Parts]:
    """(layout, parts, their axes) of a tree of arrays whose row axes are `axes`, NO_ROWS where there are none."""
    leaves, structure = jax.tree.flatten(tree)
    places: list[tuple[str, int, tuple[int, ...]] | None] = []
    flat: dict[str, list[np.ndarray]] = {}
    of_rows, row_axes = [], []
    for leaf, axis in zip(leaves, jax.tree.leaves(axes), strict=True):
        if axis != NO_ROWS or np.size(leaf) > _MOST_JOINED:
            places.append(None)
            of_rows.append(leaf)
            row_axes.append(axis)
            continue
        array = np.asarray(leaf)
        kind = array.dtype.name
        present = flat.setdefault(kind, [])
        places.append((kind, sum(len(p) for p in present), array.shape))
        present.append(array.ravel())
    constants = {kind: np.concatenate(parts) for kind, parts in flat.items()}
    parts = Parts(constants, tuple(of_rows))
    return Layout(structure, tuple(places)), parts, Parts(dict.fromkeys(constants, NO_ROWS), tuple(row_axes))


def put_together(layout: Layout, parts: Parts) -> Any:
    """The tree that was laid out; traceable."""
    of_rows = iter(parts.of_rows)
    leaves = []
    for place in layout.places:
        if place is None:
            leaves.append(next(of_rows))
            continue
        kind, offset, shape = place
        leaves.append(parts.constants[kind][offset : offset + int(np.prod(shape))].reshape(shape))
    return jax.tree.unflatten(layout.structure, leaves)
