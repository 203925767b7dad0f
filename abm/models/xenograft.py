"""The model of a leukaemia in its host: drugs, leukaemic cells, healthy blood.

Columns of a packet: cycling, quiescent, blood.  A step computes, in this order:
exposure -> action on targets -> healthy lineages -> inside the leukaemic cells ->
hazards.  In the middle of a window cells move between the columns and mutants arise.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.biology.cytotoxicity import cytotoxic_hazards
from abm.biology.haematopoiesis import crowding
from abm.biology.intracellular import advance_cells
from abm.biology.mtorc1 import relaxation_per_day
from abm.biology.proliferation import room, slowing
from abm.biology.trafficking import BLOOD, CYCLING, QUIESCENT, egress_hazard, transition_matrix
from abm.cells import Drive, scaled
from abm.engine.clones import CloneLayout
from abm.engine.mutation import Mutations
from abm.engine.packets import Packets, total_count
from abm.engine.program import Rates, Subjects, Words
from abm.engine.transition import binomial, constant_law
from abm.engine.views import View
from abm.models.donors import draw_donors
from abm.models.healthy import advance_healthy
from abm.models.healthy_draw import draw_healthy
from abm.models.mutation import mutate_cells, share_unmutated, switch_cells
from abm.models.redraw import redraw
from abm.models.sanctuary import where_inside
from abm.pharmacology.action import advance_mtorc1_block, drive
from abm.pharmacology.exposure import advance_exposure
from abm.streams import STREAM_SWITCH_BLOOD, STREAM_SWITCH_CYCLING, STREAM_SWITCH_QUIESCENT

COLUMNS = ("cycling", "quiescent", "blood")
NO_MUTATION = CloneLayout(founders=1)


class HostParams(NamedTuple):
    """Numbers of the host, float64 scalars."""

    carrying_capacity: Any
    production_half_burden: Any
    egress_at_half: Any
    burden_at_half: Any
    egress_exponent: Any
    homing: Any  # 1/d


class GrowthParams(NamedTuple):
    """Kinetics of each row's leukaemia, float32 (rows, 1)."""

    b_max: Any
    death: Any
    leave_cycle: Any
    enter_cycle: Any
    quiescent_fraction: Any
    set_point_cv: Any
    chemosensitivity: Any  # factor on cytotoxic hazards
    tolerance: Any = ()  # factor on the hazards of switching to reversible states, float64 (rows, 1); () where subjects do not differ


class XenograftParams(NamedTuple):
    """All numbers of the model: arrays on the host or on a device, or the tree of their row axes."""

    cell: Any  # float32 scalars or (rows, 1)
    host: HostParams
    growth: GrowthParams
    means: Any  # float32 (rows, clones), or (rows, kinds) where cells mutate
    healthy: Any  # `abm.models.healthy.HealthyParams`; () in a dish
    targets: Any
    free: Any  # (drugs,) free at the cell over total
    exposure: Any
    first_track: Any  # int32 (rows,), the track of doses on which each row starts
    mutation: Any = ()  # `abm.models.mutation.MutationParams`; () where nothing mutates
    penetration: Any = ()  # float64 (drugs,), share of the free concentration in the sanctuary; () without one
    inside: Any = ()  # bool (kinds,), whether cells of a kind are in the sanctuary; () without one


class ExposureRecord(NamedTuple):
    """Exposure so far, float64 (rows, drugs), nmol/L."""

    now: Any
    auc: Any  # nmol/L day
    c_max: Any
    c_trough: Any  # before the last dose


class RowState(NamedTuple):
    """State of each row beside its packets."""

    drug_state: Any  # float64 (rows, drugs, states), mg
    occupied: Any  # float64 (rows, drugs), mTORC1 occupancy
    gate: Any  # float64 (rows, drugs), factor on doses
    record: ExposureRecord
    healthy: Any  # `abm.models.healthy.HealthyState`; () in a dish
    burden: Any  # float64 (rows,), leukaemic cells at the start of the last step
    clones: Any = ()  # `abm.engine.clones.CloneTable`; () where nothing mutates
    occupied_inside: Any = ()  # float64 (rows, drugs), mTORC1 occupancy in the sanctuary; () without one
    track: Any = ()  # int32 (rows,), entry of the exposure plan from which doses are given
    donors: Any = ()  # `abm.models.donors.DonorCells`; () where nothing is transfused


_STEPPED = tuple(name for name in RowState._fields if name != "clones")


def row_drive(params: XenograftParams, rows: RowState, k: jax.Array, h: jax.Array) -> tuple[RowState, Drive]:
    """Advance the drugs of every row over step k and say what they do to its cells."""
    step = advance_exposure(rows.drug_state, params.exposure, k, rows.track, rows.gate)
    mean_free = step.mean_nm * params.free
    occupied, block = advance_mtorc1_block(rows.occupied, mean_free, params.targets, h, relaxation_per_day(params.cell.mtorc1))
    action = drive(mean_free, params.targets)
    record = ExposureRecord(
        now=step.end_nm,
        auc=rows.record.auc + step.mean_nm * h,
        c_max=jnp.maximum(rows.record.c_max, step.end_nm),
        c_trough=jnp.where(step.dosed, step.before_dose_nm, rows.record.c_trough),
    )
    result = Drive(
        block=block[:, None],
        bcl2_occupancy=action.bcl2_occupancy[:, None],
        bclxl_occupancy=action.bclxl_occupancy[:, None],
        mcl1_occupancy=action.mcl1_occupancy[:, None],
        stress_drive=action.stress_drive[:, None],
        bim_fold=action.bim_fold[:, None],
        cytotoxic_cycling=action.cytotoxic_cycling_per_day[:, None],
        cytotoxic_quiescent=action.cytotoxic_quiescent_per_day[:, None],
        thiopurine_cycling=_column(action.thiopurine_cycling_per_day),
        thiopurine_quiescent=_column(action.thiopurine_quiescent_per_day),
        progenitor_excess=_column(action.progenitor_excess_per_day),
        stem_cell_excess=_column(action.stem_cell_excess_per_day),
        growth_effect=action.growth_effect,
    )
    return rows._replace(drug_state=step.state, occupied=occupied, record=record), result


def _column(hazard: jax.Array | None) -> jax.Array | None:
    return None if hazard is None else hazard[:, None]


def sanctuary_drive(params: XenograftParams, rows: RowState, k: jax.Array, h: jax.Array) -> tuple[jax.Array, Drive]:
    """(mTORC1 occupancy, drive) in the sanctuary after step k, from the rows before it."""
    after, drive_inside = row_drive(params._replace(free=params.free * params.penetration), rows._replace(occupied=rows.occupied_inside), k, h)
    occupied: jax.Array = after.occupied
    return occupied, drive_inside._replace(growth_effect=None)


def expected_burden(packets: Packets) -> jax.Array:
    """Leukaemic cells of each row since the last draw, as expected; float64 (rows,).

    Each packet's expectation is rounded to whole cells so that the sum is free of order.
    """
    dividing = packets.counts[0] * packets.law.x.astype(jnp.float64)
    others = (packets.counts[1] + packets.counts[2]) * jnp.exp(-packets.lazy_exposure).astype(jnp.float64)
    return jnp.sum(jnp.rint(dividing + others), axis=1)


@dataclasses.dataclass(frozen=True)
class Xenograft:
    """Model of the engine's protocol; numbers come as `XenograftParams`."""

    n_clones: int
    n_columns: int = 3
    layout: CloneLayout = NO_MUTATION  # of the clone table, where cells mutate

    def reserve(self, resolution: int) -> int:
        """About the packets whose cycling cells redraw their traits in a day; see `abm.engine.program.Model`."""
        return 2 * (max(resolution // 4, 8) // 2)

    def view(self, piece: str) -> View:
        """See `abm.engine.program.Model`."""
        match piece:
            case "steps":
                return View(dataclasses.replace(self, n_clones=0), rows=_STEPPED)
            case "draw":
                return View(Xenograft(n_clones=0), params=("cell", "healthy"), rows=("healthy", "donors"))
            case "move" if self.layout.mechanisms:
                return View(self, params=("host", "growth", "cell", "means", "mutation"), rows=("clones",))
            case "move":
                return View(self, params=("host", "growth"), rows=(), packets=("uid_high", "uid_low", "clone", "counts", "kind"))
        return View(Xenograft(self.n_clones), params=("cell", "growth", "means"), rows=())

    def step(self, params: XenograftParams, rows: RowState, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[RowState, Any, Rates]:
        """See `abm.engine.program.Model`."""
        h32 = h.astype(jnp.float32)
        before = rows
        rows, action = row_drive(params, rows, k, h)
        burden = expected_burden(packets)
        # Crowding at the middle of the step, extrapolated from the last one.
        middle = jnp.maximum(burden + 0.5 * (burden - rows.burden), 0.0)[:, None]
        crowd = crowding(middle, params.host.production_half_burden)
        # A dish has no healthy cells.
        healthy = advance_healthy(rows.healthy, params.healthy, params.cell, action, crowd, h, rows.donors) if rows.healthy else ()
        action = action._replace(growth_effect=None)  # which leukaemic cells do not feel
        if self.layout.sanctuary >= 0:
            occupied, inside = sanctuary_drive(params, before, k, h)
            rows, action = rows._replace(occupied_inside=occupied), where_inside(self.layout.inside(packets.kind), inside, action)
        fast, rates = advance_cells(packets.fast, packets.traits, action, params.cell, h32)
        growth = params.growth
        space = room(middle, params.host.carrying_capacity).astype(jnp.float32)
        division = growth.b_max * space * rates.slowing * packets.traits.division_factor
        death = scaled(growth.death, packets.traits.baseline_death_factor) + rates.death
        into_own_kind = division * share_unmutated(params.mutation, packets) if self.layout.mechanisms else division
        killed_cycling, killed_quiescent = cytotoxic_hazards(action, packets.traits)
        law = constant_law(into_own_kind, death + killed_cycling * growth.chemosensitivity, h32)
        lazy = (death + killed_quiescent * growth.chemosensitivity) * h32
        return rows._replace(healthy=healthy, burden=burden), fast, Rates(law=law, division=division * h32, lazy_death=lazy)

    def settles(self, rows: RowState) -> bool:
        """A dish has no healthy cells; see `abm.engine.program.Model`."""
        return bool(rows.healthy)

    def settle(self, params: XenograftParams, rows: RowState, subjects: Subjects, k: jax.Array) -> RowState:
        """Draw healthy cells; see `abm.engine.program.Model`."""
        step = k.astype(jnp.uint32)
        donors = draw_donors(rows.donors, rows.healthy.span, params.healthy.donors, subjects[:2], subjects.phase, step) if rows.donors else ()
        healthy = draw_healthy(rows.healthy, params.healthy, params.cell.amounts, subjects[:2], subjects.phase, step)
        return rows._replace(healthy=healthy, donors=donors)

    def window(
        self, params: XenograftParams, rows: RowState, packets: Packets, words: Words, days: jax.Array
    ) -> tuple[RowState, Packets, list[list[jax.Array | None]]]:
        """Move cells between cycling, quiescent and blood; see `abm.engine.program.Model`."""
        growth, host = params.growth, params.host
        burden = jnp.sum(total_count(packets), axis=1)[:, None]
        egress = egress_hazard(burden, host.egress_at_half, host.burden_at_half, host.egress_exponent)
        wide = [x.astype(jnp.float64) + jnp.zeros_like(egress) for x in (growth.leave_cycle, growth.enter_cycle, growth.quiescent_fraction)]
        homing = jnp.broadcast_to(host.homing, egress.shape)
        p = transition_matrix(wide[0], wide[1], egress, homing, wide[2], days)
        if self.layout.sanctuary >= 0:
            p = where_inside(self.layout.inside(packets.kind), transition_matrix(wide[0], wide[1], 0.0 * egress, homing, wide[2], days), p)
        word0, word1 = words((STREAM_SWITCH_CYCLING, STREAM_SWITCH_QUIESCENT, STREAM_SWITCH_BLOOD))
        # From each column to its first other column, then of the rest to its second.
        first, second = (QUIESCENT, CYCLING, CYCLING), (BLOOD, BLOOD, QUIESCENT)
        n = jnp.stack(packets.counts)
        p_first = jnp.stack([p[i, first[i]] for i in range(3)])
        p_second = jnp.stack([p[i, second[i]] / (1.0 - p[i, first[i]]) for i in range(3)])
        # Loops over the sources, because XLA would copy a draw into each of its many sums.
        to_first = lax.map(lambda x: _pick(*x), (word0, n, p_first))
        to_second = lax.map(lambda x: _pick(*x), (word1, n - to_first, p_second))
        counts = list(n - to_first - to_second)
        moves: list[list[jax.Array | None]] = [[None] * 3 for _ in range(3)]
        for i in range(3):
            moves[i][first[i]], moves[i][second[i]] = to_first[i], to_second[i]
            counts[first[i]] = counts[first[i]] + to_first[i]
            counts[second[i]] = counts[second[i]] + to_second[i]
        return rows, packets._replace(counts=tuple(counts)), moves

    def mutate(
        self, params: XenograftParams, rows: RowState, packets: Packets, words: Words, days: jax.Array, day: jax.Array
    ) -> tuple[RowState, Packets, Mutations | None]:
        """Draw mutants from the division hazard of this moment, then switches; see `abm.engine.program.Model`."""
        if not self.layout.mechanisms:
            return rows, packets, None
        burden = jnp.sum(total_count(packets), axis=1)[:, None]
        space = room(burden, params.host.carrying_capacity).astype(jnp.float32)
        division = params.growth.b_max * space * slowing(packets.fast.phi, params.cell.proliferation) * packets.traits.division_factor
        packets, clones, mutations = mutate_cells(self.layout, params.mutation, packets, rows.clones, division, words, days, day)
        if self.layout.switching:
            packets, clones, switched = switch_cells(self.layout, params.mutation, params.means, packets, clones, words, days, day, params.growth.tolerance)
            mutations = mutations._replace(arrived=switched.arrived, left=switched.left)
        return rows._replace(clones=clones), packets, mutations

    def renew(self, params: XenograftParams, packets: Packets, words: Words) -> Packets:
        """Redraw traits of cells that divided; see `abm.engine.program.Model`."""
        return redraw(packets, params.means, params.cell.amounts, params.growth.set_point_cv, words)

    def coordinate(self, params: XenograftParams, packets: Packets) -> jax.Array:
        """Margin of the BH3 balance under stress, nmol/L: packets near in it die alike."""
        t, cell = packets.traits, params.cell
        buffers = np.float32(0.5) * t.bcl2 + t.bclxl + t.mcl1 * (1.0 - 0.5 * cell.mcl1.loss_fraction)
        return t.bim + t.competence * cell.bmf.induced_nm - buffers


def _pick(bits: jax.Array, n: jax.Array, probability: jax.Array) -> jax.Array:
    p = probability.astype(jnp.float32)
    return binomial(bits, n, jnp.broadcast_to(p, n.shape), jnp.broadcast_to(jnp.log1p(-p), n.shape))
