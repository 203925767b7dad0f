"""Heritable change of leukaemic cells: mechanisms as numbers of the xenograft model.

A mechanism multiplies traits: those of the packet in which it arises and, for cells that
redraw theirs later, the means of their kind (founder and set of mechanisms).  A cell that
switches a mechanism off has its amounts, its set point and its BMF competence divided by the
same factors, and so keeps what sets it apart from other cells; a trait that a factor of 0 had
wiped out becomes the mean of the kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.cells import TRAIT_FIELDS, FastState, Traits
from abm.engine.clones import CloneLayout, CloneTable
from abm.engine.emission import unmutated
from abm.engine.mutation import Mutations, Rule, Words, kind_of, mutate
from abm.engine.packets import Packets
from abm.engine.switching import Rule as SwitchRule
from abm.engine.switching import Switched, switch
from abm.models.factors import trait_factors
from abm.parameters.mechanism import Mechanism

# Convention of the trials: a division makes at most one mutant daughter, of one mechanism.
CONVENTION = "one"


class MutationParams(NamedTuple):
    """Numbers of the mechanisms."""

    chances: Any  # float64 (mechanisms, kinds), per division
    unmutated: Any  # float32 (kinds,), share of divisions without mutation
    factors: Traits  # float32 (mechanisms,), on the traits
    on: Any  # float64 (switches,), hazards of the mechanisms that switch, 1/d
    off: Any


def mutation_params(mechanisms: Sequence[Mechanism], layout: CloneLayout) -> MutationParams:
    """Numbers of the mechanisms, of which there is at least one."""
    chances = layout.chances([m.mutation_per_division for m in mechanisms])
    factors = jax.tree.map(lambda *values: np.array(values, np.float32), *(trait_factors(m) for m in mechanisms))
    on, off = (np.array([getattr(mechanisms[m], key) for m in layout.switching], np.float64) for key in ("switch_on_per_day", "switch_off_per_day"))
    return MutationParams(chances, unmutated(chances.sum(axis=0), CONVENTION).astype(np.float32), factors, on, off)


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


def switch_cells(
    layout: CloneLayout,
    params: MutationParams,
    means: Traits,
    packets: Packets,
    table: CloneTable,
    words: Words,
    days: jax.Array,
    day: jax.Array,
    tolerance: Any = (),
) -> tuple[Packets, CloneTable, Switched]:
    """Cells that switch mechanisms on and off in a window of `days` with its middle at `day`.

    Args:
        means: Mean traits of the kinds, float32 (rows, kinds).
        tolerance: Factor on the hazards of switching on, the way into the sanctuary left out, float64 (rows, 1); () = 1.
    """

    def convert(traits: Traits, fast: FastState, kind: jax.Array, mechanism: int) -> tuple[Traits, FastState]:
        gains = (kind // np.int32(layout.founders) >> np.int32(mechanism)) & np.int32(1) == np.int32(1)
        after = {}
        for name, info in TRAIT_FIELDS.items():
            old, mean, factors = (getattr(tree, name) for tree in (traits, means, params.factors))
            if isinstance(old, tuple):
                continue
            of_kind = jnp.take_along_axis(jnp.asarray(mean), kind, axis=1)
            factor = jnp.asarray(factors)[mechanism]
            back = jnp.where(factor > 0.0, old / jnp.where(factor > 0.0, factor, np.float32(1)), of_kind)
            # Factors are alike in all cells of a kind; the other traits differ between them.
            after[name] = jnp.where(gains, old * factor, back) if info.redrawn or name == "competence" else of_kind
        changed = traits._replace(**after)
        # A cell whose set point changes keeps its relative mTORC1 activity.
        return changed, fast._replace(mtorc1=fast.mtorc1 * (changed.set_point / traits.set_point))

    on, off = jnp.asarray(params.on), jnp.asarray(params.off)
    if not isinstance(tolerance, tuple):
        state = np.array([mechanism != layout.sanctuary for mechanism in layout.switching])[:, None, None]
        on, off = on[:, None, None] * jnp.where(state, tolerance, 1.0), off[:, None, None]
    return switch(SwitchRule(layout, False, convert), packets, table, on, off, words, days, day)
