"""Healthy lineages as whole cells in a fixed set of packets.

One packet per (lineage, stage, trait stratum): progenitors and blood cells in strata,
three transit stages in one packet each.  Strata stand in levels of equal BMF competence,
which is heritable: a daughter that redraws its other traits moves to a random stratum of
its level, and only cells fed from stem cells are new to it.  Rates are those of `abm.biology.haematopoiesis` and the same
intracellular equations as for leukaemic cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.special import ndtri
from scipy.stats import qmc

from abm.biology.haematopoiesis import TRANSIT_STAGES, feedback, maturation_hazard, progenitors_at_rest
from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import advance_cells, resting_state
from abm.cells import Drive, FastState, Traits
from abm.engine.transition import binomial, constant_law, end_of_line, hidden_pairs, offspring, poisson, probability, uniform
from abm.parameters.cell import Cell, CellTraits
from abm.parameters.lineage import Lineage
from abm.streams import STREAM_HEALTHY, stacked_words

PROGENITORS, MATURING, BLOOD = 0, 1, 2
STAGES = ("progenitors", "maturing", "blood")
_DRAWS = 7


class HealthyParams(NamedTuple):
    """Numbers of all lineages; arrays (1, lineages) float64 unless said."""

    k_tr: jax.Array
    life: jax.Array
    baseline: jax.Array  # blood cells
    at_rest: jax.Array  # progenitors
    exponent: jax.Array
    feedback_max: jax.Array
    upstream: jax.Array
    released: jax.Array  # blood cells per maturing cell, whole numbers
    killable: jax.Array  # (1, lineages, 1) float32, 1 where blood cells die of drugs
    traits: Traits  # (1, lineages * 2 * strata) float32: progenitors then blood of each lineage
    resting_hazard: jax.Array  # as traits


class HealthyState(NamedTuple):
    """Cells of all lineages; counts are whole numbers in float64."""

    progenitors: jax.Array  # (rows, lineages, strata)
    transit: jax.Array  # (rows, lineages, 3)
    blood: jax.Array  # (rows, lineages, strata)
    fast: FastState  # (rows, lineages * 2 * strata)
    births: jax.Array  # (rows, lineages, 3 stages), cumulative
    deaths: jax.Array
    gained: jax.Array
    lost: jax.Array


def competence_levels(strata: int) -> int:
    """Levels of BMF competence among `strata` strata: the largest divisor up to the square root."""
    return max(d for d in range(1, int(strata**0.5) + 1) if strata % d == 0)


def strata_normals(strata: int) -> np.ndarray:
    """Normals of equally likely trait strata, shape (7, strata): a Sobol set, the same for every subject.

    Strata are ordered by competence, the last normal, and share its mean over their level.
    """
    points = qmc.Sobol(7, scramble=True, seed=7).random(1 << (strata - 1).bit_length())[:strata]
    z = ndtri(points).T
    levels = competence_levels(strata)
    density = np.exp(-0.5 * ndtri(np.arange(1, levels) / levels) ** 2) / np.sqrt(2.0 * np.pi)
    z = z[:, np.argsort(z[6], kind="stable")]
    z[6] = np.repeat(-levels * np.diff(density, prepend=0.0, append=0.0), strata // levels)
    return z.astype(np.float32)


def _traits_of(kind: CellTraits, cell: Cell, z: np.ndarray) -> Traits:
    zero = jnp.zeros(z.shape[1], jnp.float32)
    mean = mean_traits(kind, cell.amounts.reference_nm, zero)
    return express(mean, z, cell.amounts, kind.bmf_competence_cv, kind.set_point_cv)


def healthy_params(lineages: dict[str, Lineage], cell: Cell, blood_volume_l: float, strata: int) -> HealthyParams:
    """Numbers of the lineages, in the order given."""
    items = list(lineages.values())
    z = strata_normals(strata)

    def column(values: list[float]) -> jax.Array:
        return jnp.asarray([values], jnp.float64)

    blood = [float(np.rint(ln.baseline * ln.cells_per_unit * blood_volume_l)) for ln in items]
    k_tr = [maturation_hazard(ln.transit_time_days) for ln in items]
    rest = [progenitors_at_rest(b, k, ln.blood_life_days, ln.yield_per_cell) for b, k, ln in zip(blood, k_tr, items, strict=True)]
    pools = [_traits_of(kind, cell, z) for ln in items for kind in (ln.progenitors, ln.blood_cells or ln.progenitors)]
    traits = jax.tree.map(lambda *parts: jnp.concatenate(parts)[None, :], *pools)
    return HealthyParams(
        k_tr=column(k_tr),
        life=column([ln.blood_life_days for ln in items]),
        baseline=column(blood),
        at_rest=column(rest),
        exponent=column([ln.feedback_exponent for ln in items]),
        feedback_max=column([ln.feedback_max for ln in items]),
        upstream=column([ln.upstream_fraction for ln in items]),
        released=column([float(np.rint(ln.yield_per_cell)) for ln in items]),
        killable=jnp.asarray([[[1.0 if ln.blood_cells is not None else 0.0] for ln in items]], jnp.float32),
        traits=traits,
        resting_hazard=resting_state(traits, cell).hazard,
    )


def _deal(total: jax.Array, strata: int, offset: jax.Array) -> jax.Array:
    """Deal whole cells evenly over strata by systematic rounding; `offset` in [0, 1) is drawn once."""
    edges = jnp.arange(strata + 1, dtype=jnp.float64) / strata
    marks = jnp.floor(total[..., None] * edges + offset[..., None])
    # Near 2**53 / 2**24 the sum of the last mark may round to the next whole number.
    marks = jnp.minimum(marks, total[..., None])
    return marks[..., 1:] - marks[..., :-1]


def healthy_at_rest(params: HealthyParams, cell: Cell, rows: int, strata: int) -> HealthyState:
    """Undisturbed lineages in balance."""
    lineages = params.k_tr.shape[1]
    half = jnp.full((rows, lineages), 0.5)
    rest = jnp.broadcast_to(jnp.rint(params.at_rest), (rows, lineages))
    zero = jnp.zeros((rows, lineages, len(STAGES)))
    fast = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, x.shape[1])), resting_state(params.traits, cell))
    return HealthyState(
        progenitors=_deal(rest, strata, half),
        transit=jnp.broadcast_to(rest[:, :, None], (rows, lineages, TRANSIT_STAGES)),
        blood=_deal(jnp.broadcast_to(params.baseline, (rows, lineages)), strata, half),
        fast=fast,
        births=zero,
        deaths=zero,
        gained=zero,
        lost=zero,
    )


def _f32(x: jax.Array) -> jax.Array:
    return x.astype(jnp.float32)


def _arrival_share(exposure: jax.Array) -> jax.Array:
    """Chance that an event of integrated hazard `exposure` over the step meets a cell that arrives evenly during it."""
    series = exposure * (0.5 - exposure * (1.0 / 6.0 - exposure * (1.0 / 24.0)))
    return jnp.where(exposure < 0.05, series, 1.0 + jnp.expm1(-exposure) / jnp.maximum(exposure, 1e-6))


def _sum_strata(x: jax.Array) -> jax.Array:
    return jnp.sum(x, axis=2)


def _stages(first: jax.Array, second: jax.Array, third: jax.Array) -> jax.Array:
    return jnp.stack([first, second, third], axis=2)


def advance_healthy(
    state: HealthyState,
    params: HealthyParams,
    cell: Cell,
    drive: Drive,
    crowding_factor: jax.Array,
    subject: tuple[jax.Array, jax.Array],
    phase: int,
    step: jax.Array,
    h: jax.Array,
) -> HealthyState:
    """Advance all lineages by one step.

    Args:
        drive: Row-level action of the drugs, float32 (rows, 1).
        crowding_factor: Factor on production, float64 (rows, 1).
        subject: Keys of the subjects, uint32 (rows,).
        step: Absolute step, uint32 scalar.
        h: Step, d, float64 scalar.
    """
    rows, lineages, strata = state.progenitors.shape
    h32 = _f32(h)
    bits = _words(subject, phase, step, lineages, strata)
    fast, rates = advance_cells(state.fast, params.traits, drive, cell, h32)
    excess = jnp.maximum(rates.death - params.resting_hazard, np.float32(0)).reshape(rows, lineages, 2, strata)
    slowing = rates.slowing.reshape(rows, lineages, 2, strata)[:, :, 0]

    factor = feedback(_sum_strata(state.blood), params.baseline, params.exponent, params.feedback_max) * crowding_factor
    division = _f32(params.k_tr * (1.0 - params.upstream) * factor)[:, :, None] * slowing
    killed = excess[:, :, 0] + drive.cytotoxic_cycling[:, :, None]
    blood_exposure = (_f32(1.0 / params.life)[:, :, None] + excess[:, :, 1] * params.killable) * h32
    transit_exposure = jnp.broadcast_to(_f32(params.k_tr * h), (rows, lineages))
    law = constant_law(division, killed + _f32(params.k_tr)[:, :, None], h32)

    # Half of the cells fed from stem cells arrive before the step and half after it.
    fed_mean = jnp.broadcast_to((params.k_tr * params.upstream * params.at_rest * crowding_factor * h / strata)[:, :, None], state.progenitors.shape)
    hidden_mean = hidden_pairs(law).astype(jnp.float64) * state.progenitors
    hidden, fed = _parts(poisson(bits(2, 2 * strata), jnp.concatenate([hidden_mean, fed_mean], axis=2)), (strata, strata))
    fed_before = jnp.floor(0.5 * fed)
    dividing = state.progenitors + fed_before

    # Who leaves: progenitor lines that end, blood cells that die, cells that leave a transit stage.
    p_end, log_p_end = end_of_line(law)
    stage_exposure = jnp.broadcast_to(transit_exposure[:, :, None], state.transit.shape)
    p_out, log_p_out = probability(jnp.concatenate([blood_exposure, stage_exposure], axis=2))
    ended, dead, leaving = _parts(
        binomial(
            bits(0, 2 * strata + TRANSIT_STAGES),
            jnp.concatenate([dividing, state.blood, state.transit], axis=2),
            jnp.concatenate([p_end, p_out], axis=2),
            jnp.concatenate([log_p_end, log_p_out], axis=2),
        ),
        (strata, strata, TRANSIT_STAGES),
    )
    count = dividing - ended + offspring(bits(1, strata), dividing - ended, law)
    left = ended + hidden
    share_died = killed / (killed + _f32(params.k_tr)[:, :, None])
    progenitors, died = _dying_and_moving(bits, left, count, share_died, 2.0 * cell.amounts.redraw_probability * division * h32)
    matured = _sum_strata(left - died)
    transit, released_cells = _advance_transit(state.transit, leaving, matured, transit_exposure, bits(4, TRANSIT_STAGES))
    released = released_cells * params.released
    blood, dead_arrivals = _arrivals(bits, released, blood_exposure)

    none = jnp.zeros_like(matured)
    return HealthyState(
        progenitors=progenitors + fed - fed_before,
        transit=transit,
        blood=state.blood - dead + blood,
        fast=fast,
        births=state.births + _stages(_sum_strata(count - dividing + left), none, none),
        deaths=state.deaths + _stages(_sum_strata(died), none, _sum_strata(dead) + dead_arrivals),
        gained=state.gained + _stages(_sum_strata(fed), matured, released),
        lost=state.lost + _stages(matured, released_cells, none),
    )


Bits = Callable[[int, int], jax.Array]


def _words(subject: tuple[jax.Array, jax.Array], phase: int, step: jax.Array, lineages: int, strata: int) -> Bits:
    """Random words of the step: `bits(draw, n)` has shape (rows, lineages, n); at most 2 strata + 3 words per draw."""
    width = 2 * strata + TRANSIT_STAGES
    place = jnp.arange(lineages * width, dtype=jnp.uint32)[None, :]
    word, _ = stacked_words(*subject, phase, step, tuple(range(STREAM_HEALTHY, STREAM_HEALTHY + _DRAWS)), place, jnp.zeros_like(place))
    shaped = word.reshape(_DRAWS, -1, lineages, width)
    return lambda draw, n: shaped[draw, :, :, :n]


def _parts(joined: jax.Array, sizes: tuple[int, ...]) -> list[jax.Array]:
    ends = np.cumsum(sizes)
    return [joined[:, :, end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _dying_and_moving(bits: Bits, left: jax.Array, count: jax.Array, share_died: jax.Array, redraw_exposure: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(progenitors, died): whoever left died or matured in proportion to the hazards; daughters that redraw move within their level."""
    strata = count.shape[2]
    p_move, log_p_stay = probability(redraw_exposure)
    died, moving = _parts(
        binomial(
            bits(3, 2 * strata),
            jnp.concatenate([left, count], axis=2),
            jnp.concatenate([share_died, p_move], axis=2),
            jnp.concatenate([jnp.log1p(-share_died), log_p_stay], axis=2),
        ),
        (strata, strata),
    )
    levels = competence_levels(strata)
    by_level = jnp.sum(moving.reshape(*moving.shape[:2], levels, strata // levels), axis=3)
    offset = jnp.broadcast_to(uniform(bits(5, 1)).astype(jnp.float64), by_level.shape)
    return count - moving + _deal(by_level, strata // levels, offset).reshape(moving.shape), died


def _arrivals(bits: Bits, released: jax.Array, exposure: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(alive by stratum, dead): cells released during the step are exposed for part of it."""
    strata = exposure.shape[2]
    arrivals = _deal(released, strata, uniform(bits(5, 2)[:, :, 1]).astype(jnp.float64))
    share = _arrival_share(exposure)
    dead = binomial(bits(6, strata), arrivals, share, jnp.log1p(-share))
    return arrivals - dead, _sum_strata(dead)


def _advance_transit(transit: jax.Array, leaving: jax.Array, matured: jax.Array, exposure: jax.Array, bits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(transit, released cells): cells move down the stages and may pass several in one step."""
    through = _arrival_share(exposure)
    log_stay = jnp.log1p(-through)

    def stage(arriving: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        cells, leave, word = at
        passing = binomial(word, arriving, through, log_stay)
        return leave + passing, cells - leave + arriving - passing

    by_stage = (jnp.moveaxis(transit, 2, 0), jnp.moveaxis(leaving, 2, 0), jnp.moveaxis(bits, 2, 0))
    released, stages = lax.scan(stage, matured, by_stage)
    return jnp.moveaxis(stages, 0, 2), released
