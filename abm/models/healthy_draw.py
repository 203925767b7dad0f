"""Draw of the healthy cells that were born, matured and died since the last draw.

Means are those of the integrals that the steps carried.  Cells that arrive in a stage
between two draws arrive evenly; with that the balance at rest is exact for every
interval, and a change is followed to second order in it.  Feedback may let a progenitor
divide more often than `abm.engine.transition.MAX_BIRTHS_PER_STEP` between draws: then
the tail of a single line beyond 16 cells is approximate, its mean is not.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from abm.biology.haematopoiesis import TRANSIT_STAGES
from abm.engine.transition import Law, binomial, end_of_line, hidden_pairs, no_time, offspring, poisson, probability, uniform
from abm.models.healthy import HealthyParams, HealthyState, competence_levels, deal, f32, fed_cells, new_span, sum_strata
from abm.models.stem_cells import StemState
from abm.parameters.cell import Amounts
from abm.streams import STREAM_HEALTHY, STREAM_STEM, stacked_words

_DRAWS = 7

Bits = Callable[[int, int], jax.Array]


def draw_healthy(
    state: HealthyState, params: HealthyParams, amounts: Amounts, subject: tuple[jax.Array, jax.Array], phase: jax.Array, step: jax.Array
) -> HealthyState:
    """Draw and book all that is due.

    Args:
        amounts: For the probability of a redraw at division, a scalar or (rows, 1).
        subject: Keys of the subjects, uint32 (rows,).
        phase: Phase of the run, uint32 scalar or (rows,).
        step: Step boundary at which the draw stands, uint32 scalar.
    """
    span = state.span
    _, lineages, strata = state.progenitors.shape
    bits = _words(subject, phase, step, lineages, strata, STREAM_HEALTHY)
    # Half of the cells fed from stem cells arrive before the interval and half after it.
    fed_mean = jnp.broadcast_to(fed_cells(params, span, strata), state.progenitors.shape)
    hidden_mean = hidden_pairs(span.law).astype(jnp.float64) * (state.progenitors + 0.5 * fed_mean)
    hidden, fed = _parts(poisson(bits(2, 2 * strata), jnp.concatenate([hidden_mean, fed_mean], axis=2), rolled=True), (strata, strata))
    fed_before = jnp.floor(0.5 * fed)
    dividing = state.progenitors + fed_before

    # Who leaves: progenitor lines that end, blood cells that die, cells that leave a transit stage.
    p_end, log_p_end = end_of_line(span.law)
    transit_exposure = f32(params.k_tr * (span.maturation if params.growth else span.days))
    stage_exposure = jnp.broadcast_to(transit_exposure[:, :, None], state.transit.shape)
    p_out, log_p_out = probability(jnp.concatenate([span.blood_exposure, stage_exposure], axis=2))
    ended, dead, leaving = _parts(
        binomial(
            bits(0, 2 * strata + TRANSIT_STAGES),
            jnp.concatenate([dividing, state.blood, state.transit], axis=2),
            jnp.concatenate([p_end, p_out], axis=2),
            jnp.concatenate([log_p_end, log_p_out], axis=2),
            rolled=True,
        ),
        (strata, strata, TRANSIT_STAGES),
    )
    count = dividing - ended + offspring(bits(1, strata), dividing - ended, span.law, rolled=True)
    left = ended + hidden
    progenitors, died = _dying_and_moving(bits, left, count, _share_died(span.killed, span.law), _redraw_exposure(amounts, span.division))
    matured = sum_strata(left - died)
    transit, released_cells = _advance_transit(state.transit, leaving, matured, transit_exposure, bits(4, TRANSIT_STAGES))
    released = released_cells * params.released
    blood, dead_arrivals = _arrivals(bits, released, span.blood_exposure)

    none = jnp.zeros_like(matured)
    return HealthyState(
        progenitors=progenitors + fed - fed_before,
        transit=transit,
        blood=state.blood - dead + blood,
        fast=state.fast,
        births=state.births + _stages(sum_strata(count - dividing + left), none, none),
        deaths=state.deaths + _stages(sum_strata(died), none, sum_strata(dead) + dead_arrivals),
        gained=state.gained + _stages(sum_strata(fed), matured, released),
        lost=state.lost + _stages(matured, released_cells, none),
        span=new_span(transit, strata, growth=bool(params.growth)),
        stem=_draw_stem_cells(state.stem, amounts, subject, phase, step) if params.stem else (),
    )


def _draw_stem_cells(state: StemState, amounts: Amounts, subject: tuple[jax.Array, jax.Array], phase: jax.Array, step: jax.Array) -> StemState:
    """Draw and book the stem cells that divided, left for the lineages or died."""
    strata = state.cells.shape[2]
    bits = _words(subject, phase, step, 1, strata, STREAM_STEM)
    p_end, log_p_end = end_of_line(state.law)
    ended = binomial(bits(0, strata), state.cells, p_end, log_p_end, rolled=True)
    founders = state.cells - ended
    left = ended + poisson(bits(2, strata), hidden_pairs(state.law).astype(jnp.float64) * state.cells, rolled=True)
    count = founders + offspring(bits(1, strata), founders, state.law, rolled=True)
    cells, died = _dying_and_moving(bits, left, count, _share_died(state.killed, state.law), _redraw_exposure(amounts, state.division))
    zero = jnp.zeros_like(state.killed)
    return state._replace(
        cells=cells,
        births=state.births + jnp.sum(count - state.cells + left, axis=(1, 2)),
        deaths=state.deaths + jnp.sum(died, axis=(1, 2)),
        lost=state.lost + jnp.sum(left - died, axis=(1, 2)),
        law=no_time(zero),
        killed=zero,
        division=zero,
    )


def _share_died(killed: jax.Array, law: Law) -> jax.Array:
    """Share of those who left that died; below one, so that the logarithm of its complement is finite."""
    return jnp.minimum(killed / jnp.maximum(law.deaths, np.float32(1e-30)), np.float32(1.0 - 2.0**-20))


def _redraw_exposure(amounts: Amounts, division: jax.Array) -> jax.Array:
    """Integrated hazard of a redraw of traits along a line of descent."""
    return 2.0 * jnp.reshape(amounts.redraw_probability, (-1, 1, 1)) * division


def _arrival_share(exposure: jax.Array) -> jax.Array:
    """Chance that an event of integrated hazard `exposure` meets a cell that arrives evenly during the interval."""
    series = exposure * (0.5 - exposure * (1.0 / 6.0 - exposure * (1.0 / 24.0)))
    return jnp.where(exposure < 0.05, series, 1.0 + jnp.expm1(-exposure) / jnp.maximum(exposure, 1e-6))


def _stages(first: jax.Array, second: jax.Array, third: jax.Array) -> jax.Array:
    return jnp.stack([first, second, third], axis=2)


def _words(subject: tuple[jax.Array, jax.Array], phase: jax.Array, step: jax.Array, lineages: int, strata: int, first: int) -> Bits:
    """Random words of the draw from the streams `first` and following: `bits(draw, n)` has shape (rows, lineages, n); at most 2 strata + 3 words per draw."""
    width = 2 * strata + TRANSIT_STAGES
    place = jnp.arange(lineages * width, dtype=jnp.uint32)[None, :]
    word, _ = stacked_words(*subject, phase, step, tuple(range(first, first + _DRAWS)), place, jnp.zeros_like(place))
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
            rolled=True,
        ),
        (strata, strata),
    )
    levels = competence_levels(strata)
    by_level = jnp.sum(moving.reshape(*moving.shape[:2], levels, strata // levels), axis=3)
    offset = jnp.broadcast_to(uniform(bits(5, 1)).astype(jnp.float64), by_level.shape)
    return count - moving + deal(by_level, strata // levels, offset).reshape(moving.shape), died


def _arrivals(bits: Bits, released: jax.Array, exposure: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(alive by stratum, dead): cells released since the last draw are exposed for part of it."""
    strata = exposure.shape[2]
    arrivals = deal(released, strata, uniform(bits(5, 2)[:, :, 1]).astype(jnp.float64))
    share = _arrival_share(exposure)
    dead = binomial(bits(6, strata), arrivals, share, jnp.log1p(-share), rolled=True)
    return arrivals - dead, sum_strata(dead)


def _advance_transit(transit: jax.Array, leaving: jax.Array, matured: jax.Array, exposure: jax.Array, bits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(transit, released cells): cells move down the stages and may pass several between two draws."""
    through = _arrival_share(exposure)
    log_stay = jnp.log1p(-through)

    def stage(arriving: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        cells, leave, word = at
        passing = binomial(word, arriving, through, log_stay, rolled=True)
        return leave + passing, cells - leave + arriving - passing

    by_stage = (jnp.moveaxis(transit, 2, 0), jnp.moveaxis(leaving, 2, 0), jnp.moveaxis(bits, 2, 0))
    released, stages = lax.scan(stage, matured, by_stage)
    return jnp.moveaxis(stages, 0, 2), released
