"""Heritable change of leukaemic cells: mechanisms as numbers of the xenograft model.

A mechanism multiplies traits: those of the packet in which it arises and, for cells that
redraw theirs later, the means of their kind (founder and set of mechanisms).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.cells import FastState, Traits
from abm.engine.clones import CloneLayout, CloneTable
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, Rule, Words, kind_of, mutate
from abm.engine.packets import Packets
from abm.models.factors import trait_factors
from abm.parameters.mechanism import Mechanism

# Convention of the trials: a division makes at most one mutant daughter, of one mechanism.
CONVENTION = "one"


class MutationParams(NamedTuple):
    """Numbers of the mechanisms."""

    chances: Any  # float64 (mechanisms, kinds), per division
    unmutated: Any  # float32 (kinds,), share of divisions without mutation
    factors: Traits  # float32 (mechanisms,), on the traits


def mutation_params(mechanisms: Sequence[Mechanism], layout: CloneLayout) -> MutationParams:
    """Numbers of the mechanisms, of which there is at least one."""
    chances = layout.chances([m.mutation_per_division for m in mechanisms])
    factors = jax.tree.map(lambda *values: np.array(values, np.float32), *(trait_factors(m) for m in mechanisms))
    return MutationParams(chances=chances, unmutated=unmutated(chances.sum(axis=0), CONVENTION).astype(np.float32), factors=factors)


def means_of_kinds(founders: Traits, params: MutationParams, layout: CloneLayout) -> Traits:
    """Mean traits of every kind of cells, float32 (kinds,), from those of the founders (founders,)."""
    kind = np.arange(layout.kinds)

    def of_kinds(mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
        product = np.ones(layout.kinds, np.float32)
        for m in range(layout.mechanisms):
            product = product * np.where(layout.has(kind, m), factor[m], np.float32(1))
        means: np.ndarray = (mean[kind % layout.founders] * product).astype(np.float32)
        return means

    made: Traits = jax.tree.map(of_kinds, founders, params.factors)
    return made


def share_unmutated(params: MutationParams, packets: Packets) -> jax.Array:
    """Share of divisions without mutation of each packet, float32 (rows, packets)."""
    return jnp.asarray(params.unmutated)[kind_of(packets)]


def mutate_cells(
    layout: CloneLayout, params: MutationParams, packets: Packets, table: CloneTable, division: jax.Array, words: Words, days: jax.Array, day: jax.Array
) -> tuple[Packets, CloneTable, Mutations]:
    """Mutants of a window of `days` with its middle at `day`.

    Args:
        division: Division hazard of each packet's cycling cells now, 1/d, float32 (rows, packets).
    """

    def inherit(traits: Traits, fast: FastState, mechanism: np.ndarray) -> tuple[Traits, FastState]:
        factors = jax.tree.map(lambda f: jnp.asarray(f)[mechanism][None, :], params.factors)
        # A cell whose set point changes keeps its relative mTORC1 activity.
        return jax.tree.map(jnp.multiply, traits, factors), fast._replace(mtorc1=fast.mtorc1 * factors.set_point)

    rule = Rule(layout, CONVENTION, False, inherit)
    return mutate(rule, packets, table, division.astype(jnp.float64) * days, jnp.asarray(params.chances), words, day)
