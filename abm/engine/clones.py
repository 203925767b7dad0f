"""The clone table: which line of descent a packet belongs to.

Rows of the table, in this order: the founders (the leukaemia and the subclones it arrives
with), then for every mechanism its own rows and its pooled rows.  An origin takes an own
row of its mechanism while one is free; later origins share the pooled row of their
mechanism and of what their mother was, a founder or the mechanism her line acquired last.
A clone that is extinct and has no descendants in the table gives its own row back.

The table is book-keeping.  What a cell is stands with its packet, so the number of rows
never changes the law of the cells: a line that has a mechanism does not acquire it again,
and what matters is the `kind`, the founder and the set of its mechanisms,

    kind = founder + founders x (sum of 2^mechanism).

A mechanism that cells switch on and off (`abm.engine.switching`) has rows like the others.
Cells that arrive by switching begin no clone: they join a pooled row, which then is in use.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

NO_PARENT = -1


class CloneTable(NamedTuple):
    """State of the table, (rows, clones) unless said."""

    parent: jax.Array  # int32, row of the clone in which the (first) origin arose, -1 = none
    birth_day: jax.Array  # float64, day of the (first) origin
    origins: jax.Array  # int64, mutations that began the clone, and 1 for a row into which cells switched first; 0 = the row is not in use
    joined: jax.Array  # int64 (rows,), mutants that took the state of another packet of their clone for want of a place
    unplaced: jax.Array  # int64 (rows,), mutants for which there was no place at all: a fault


@dataclasses.dataclass(frozen=True)
class CloneLayout:
    """Rows of the clone table.

    Attributes:
        founders: Clones that are there from the start.
        mechanisms: Mechanisms of heritable change.
        own: Rows of each mechanism for single origins.
        switching: Mechanisms that cells switch on and off, in this order.
        sanctuary: Mechanism whose cells are in a compartment of their own, -1 = none.
    """

    founders: int
    mechanisms: int = 0
    own: int = 0
    switching: tuple[int, ...] = ()
    sanctuary: int = -1

    @property
    def block(self) -> int:
        """Rows of one mechanism: own ones and those shared by origins from each founder and each other mechanism."""
        return self.own + self.founders + self.mechanisms - 1

    @property
    def n_clones(self) -> int:
        """Rows of the table."""
        return self.founders + self.mechanisms * self.block

    @property
    def kinds(self) -> int:
        """Founders times sets of mechanisms."""
        return self.founders << self.mechanisms

    def start(self, mechanism: int) -> int:
        """First row of a mechanism; its own rows stand first."""
        return self.founders + mechanism * self.block

    @functools.cached_property
    def mechanism_of(self) -> np.ndarray:
        """Mechanism of each row, -1 for founders; int32 (clones,)."""
        return np.concatenate([np.full(self.founders, -1), np.repeat(np.arange(self.mechanisms), self.block)]).astype(np.int32)

    @functools.cached_property
    def pooled(self) -> np.ndarray:
        """Whether origins share the row; bool (clones,)."""
        block = np.arange(self.block) >= self.own if self.mechanisms else np.zeros(0, bool)
        return np.concatenate([np.zeros(self.founders, bool), np.tile(block, self.mechanisms)])

    @functools.cached_property
    def pooled_row(self) -> np.ndarray:
        """Row that origins of a mechanism in a clone share; int32 (clones, mechanisms), the clone itself where it has the mechanism."""
        rows = np.zeros((self.n_clones, self.mechanisms), np.int32)
        for clone, last in enumerate(self.mechanism_of.tolist()):
            for m in range(self.mechanisms):
                among = clone if last < 0 else self.founders + last - (last > m)
                rows[clone, m] = clone if last == m else self.start(m) + self.own + among
        return rows

    @functools.cached_property
    def row_of_kind(self) -> np.ndarray:
        """Row that cells of a kind join when they switch a mechanism off; int32 (kinds,).

        The founder's, or the row that origins of the kind's last mechanism in the order of the list share.
        """
        rows = np.zeros(self.kinds, np.int32)
        for kind in range(self.kinds):
            row = kind % self.founders
            for m in range(self.mechanisms):
                if kind // self.founders >> m & 1:
                    row = int(self.pooled_row[row, m])
            rows[kind] = row
        return rows

    def has(self, kind: np.ndarray, mechanism: int) -> np.ndarray:
        """Whether cells of a kind have a mechanism."""
        answer: np.ndarray = (kind // self.founders >> mechanism) & 1 == 1
        return answer

    def inside(self, kind: jax.Array) -> jax.Array:
        """Whether cells of a kind are in the sanctuary; there is one."""
        answer: jax.Array = (kind // np.int32(self.founders) >> np.int32(self.sanctuary)) & np.int32(1) == np.int32(1)
        return answer

    def chances(self, per_division: Sequence[float]) -> np.ndarray:
        """Probability of each mechanism for each kind, float64 (mechanisms, kinds): none where a line has it already."""
        kind = np.arange(self.kinds)
        table = [np.where(self.has(kind, m), 0.0, u) for m, u in enumerate(per_division)]
        return np.array(table, np.float64).reshape(self.mechanisms, self.kinds)


def empty_table(layout: CloneLayout, rows: int, day: float = 0.0) -> CloneTable:
    """Table at the start: the founders, whose parent is the first of them."""
    parent = np.full((rows, layout.n_clones), NO_PARENT, np.int32)
    parent[:, 1 : layout.founders] = 0
    origins = np.zeros((rows, layout.n_clones), np.int64)
    origins[:, : layout.founders] = 1
    none = np.zeros(rows, np.int64)
    fields: list[Any] = [parent, np.full((rows, layout.n_clones), day), origins, none, none]
    return CloneTable(*fields)


def rows_for(layout: CloneLayout, table: CloneTable, cells: jax.Array, origins: jax.Array, mothers: np.ndarray, mechanisms: np.ndarray) -> jax.Array:
    """Row of the table for each group of new mutants; int32 (rows, groups).

    Args:
        cells: Living cells of each clone, float64 (rows, clones).
        origins: Origins of each group, float64 whole numbers (rows, groups), 0 = none.
        mothers, mechanisms: Clone row of the mothers and mechanism of each group, (groups,), groups of a mechanism together.
    """
    shared = jnp.broadcast_to(jnp.asarray(layout.pooled_row[mothers, mechanisms]), origins.shape)
    if layout.own == 0:
        return shared
    row = jnp.arange(cells.shape[0], dtype=jnp.int32)[:, None]
    in_use = jnp.where((table.origins > 0) & (table.parent >= 0), table.parent, np.int32(layout.n_clones))
    children = jnp.zeros(cells.shape, jnp.int32).at[row, in_use].add(1, mode="drop")
    free = (cells <= 0.0) & (children == 0)
    chosen = []
    for m in range(layout.mechanisms):
        here = np.flatnonzero(mechanisms == m)
        own = free[:, layout.start(m) : layout.start(m) + layout.own]
        order = jnp.argsort(~own, axis=1, stable=True).astype(jnp.int32)
        single = origins[:, here[0] : here[-1] + 1] == 1.0
        rank = jnp.cumsum(single.astype(jnp.int32), axis=1, dtype=jnp.int32) - 1
        takes = single & (rank < jnp.sum(own.astype(jnp.int32), axis=1, keepdims=True, dtype=jnp.int32))
        place = jnp.take_along_axis(order, jnp.clip(rank, 0, layout.own - 1), axis=1)
        chosen.append(jnp.where(takes, np.int32(layout.start(m)) + place, shared[:, here[0] : here[-1] + 1]))
    return jnp.concatenate(chosen, axis=1)


def with_origins(layout: CloneLayout, table: CloneTable, target: jax.Array, origins: jax.Array, mothers: np.ndarray, day: jax.Array) -> CloneTable:
    """Table after groups of `origins` arose in the rows `target`; arguments as for `rows_for`."""
    row = jnp.arange(target.shape[0], dtype=jnp.int32)[:, None]
    place = jnp.where(origins > 0.0, target, np.int32(layout.n_clones))
    touched = jnp.zeros(table.origins.shape, bool).at[row, place].set(True, mode="drop")
    # An own row that is taken again begins anew.
    fresh = touched & (~jnp.asarray(layout.pooled)[None, :] | (table.origins == 0))
    first_mother = jnp.full(table.parent.shape, layout.n_clones, jnp.int32)
    first_mother = first_mother.at[row, place].min(jnp.broadcast_to(jnp.asarray(mothers, jnp.int32), target.shape), mode="drop")
    kept = jnp.where(fresh, jnp.int64(0), table.origins)
    return table._replace(
        parent=jnp.where(fresh, first_mother, table.parent),
        birth_day=jnp.where(fresh, day, table.birth_day),
        origins=kept.at[row, place].add(origins.astype(jnp.int64), mode="drop"),
    )


def with_arrivals(layout: CloneLayout, table: CloneTable, target: jax.Array, mothers: jax.Array, arrives: jax.Array, day: jax.Array) -> CloneTable:
    """Table after cells switched into the rows `target` from the rows `mothers`: (rows, packets) each, bool where any did.

    Only a row that was not in use changes.
    """
    row = jnp.arange(target.shape[0], dtype=jnp.int32)[:, None]
    place = jnp.where(arrives, target, np.int32(layout.n_clones))
    mother = jnp.full(table.parent.shape, layout.n_clones, jnp.int32).at[row, place].min(mothers, mode="drop")
    new = (mother < np.int32(layout.n_clones)) & (table.origins == 0)
    return table._replace(
        parent=jnp.where(new, mother, table.parent),
        birth_day=jnp.where(new, day, table.birth_day),
        origins=jnp.where(new, jnp.int64(1), table.origins),
    )
