"""Healthy lineages as whole cells in a fixed set of packets.

One packet per (lineage, stage, trait stratum): progenitors and blood cells in strata,
three transit stages in one packet each.  Strata stand in levels of equal BMF competence,
which is heritable: a daughter that redraws its other traits moves to a random stratum of
its level, and only cells fed from stem cells are new to it.  Rates are those of `abm.biology.haematopoiesis` and the same
intracellular equations as for leukaemic cells.

As with packets, a step only carries the integrals of the hazards; cells are drawn at the
draws of the program (`abm.models.healthy_draw`).  In between, feedback reads the blood
cells that are expected.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.biology.haematopoiesis import TRANSIT_STAGES, feedback, maturation_hazard, progenitors_at_rest
from abm.biology.heredity import express, mean_traits
from abm.biology.intracellular import advance_cells, resting_hazard, resting_state
from abm.biology.kinetics import relax
from abm.cells import Drive, FastState, Traits, progenitor_hazard, scaled, share_felt
from abm.engine.sobol import sobol_points
from abm.engine.transition import Law, constant_law, no_time, then
from abm.models.donors import expected_donors
from abm.models.growth_factors import fold_felt
from abm.models.stem_cells import advance_stem_cells, stem_at_rest, stem_params
from abm.parameters.cell import Cell, CellTraits
from abm.parameters.lineage import Lineage
from abm.parameters.stem_cell import StemCells

STAGES = ("progenitors", "maturing", "blood")


class HealthyParams(NamedTuple):
    """Numbers of all lineages; arrays (1, lineages) float64 unless said."""

    k_tr: jax.Array
    life: jax.Array
    baseline: jax.Array  # blood cells, those that do not circulate included
    at_rest: jax.Array  # progenitors
    exponent: jax.Array
    feedback_max: jax.Array
    upstream: jax.Array
    released: jax.Array  # blood cells per maturing cell, whole numbers
    killable: jax.Array  # (1, lineages, 1) float32, 1 where blood cells die of drugs
    cytotoxic: jax.Array  # (1, lineages, 1) float32, factor on the cytotoxic hazard of progenitors
    bim_response: jax.Array  # (1, lineages * 2 * strata) float32, share of the induction of BIM that is felt
    traits: Traits  # (1, lineages * 2 * strata) float32: progenitors then blood of each lineage
    resting_hazard: jax.Array  # as traits
    niche: Any = ()  # exponent of the progenitors' own feedback; () where it is 0 in all lineages
    stem: Any = ()  # `abm.models.stem_cells.StemParams`; () where lineages are fed at a constant rate
    growth: Any = ()  # `abm.models.growth_factors.GrowthFolds`; () where no drug is a growth factor
    donors: Any = ()  # `abm.models.donors.DonorParams`; () where nothing is transfused


class Span(NamedTuple):
    """What has happened to the lineages since the last draw."""

    law: Law  # lines of progenitors, float32 (rows, lineages, strata)
    killed: jax.Array  # expected deaths by drugs of a founder's line, float32 (rows, lineages, strata)
    division: jax.Array  # integrated division hazard, float32 (rows, lineages, strata)
    blood_exposure: jax.Array  # integrated death hazard of blood cells, float32 (rows, lineages, strata)
    production: jax.Array  # integrated factor on what stem cells feed, d, float64 (rows, 1)
    days: jax.Array  # float64 (rows, 1)
    transit: jax.Array  # expected cells, float64 (rows, lineages, 3)
    arrived: jax.Array  # expected blood cells that are new since the last draw, float64 (rows, lineages)
    maturation: Any = ()  # integrated factor on the rate of maturation, d, float64 (rows, lineages); () without growth factors


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
    span: Span
    stem: Any = ()  # `abm.models.stem_cells.StemState`; () where lineages are fed at a constant rate


def without_books(state: HealthyState) -> HealthyState:
    """The same cells with nothing booked, as at the start of a clock; NumPy arrays."""
    nothing: Any = np.zeros_like(np.asarray(state.births))
    fresh = state._replace(births=nothing, deaths=nothing, gained=nothing, lost=nothing)
    if not state.stem:
        return fresh
    none = np.zeros_like(np.asarray(state.stem.births))
    return fresh._replace(stem=state.stem._replace(births=none, deaths=none, gained=none, lost=none))


def competence_levels(strata: int) -> int:
    """Levels of BMF competence among `strata` strata: the largest divisor up to the square root."""
    return max(d for d in range(1, int(strata**0.5) + 1) if strata % d == 0)


def strata_normals(strata: int) -> np.ndarray:
    """Normals of equally likely trait strata, shape (7, strata): a Sobol set, the same for every subject.

    Strata are ordered by competence, the last normal, and share its mean over their level.
    """
    points = sobol_points(7, strata, seed=7)
    z = ndtri(points).T
    levels = competence_levels(strata)
    density = np.exp(-0.5 * ndtri(np.arange(1, levels) / levels) ** 2) / np.sqrt(2.0 * np.pi)
    z = z[:, np.argsort(z[6], kind="stable")]
    z[6] = np.repeat(-levels * np.diff(density, prepend=0.0, append=0.0), strata // levels)
    return z.astype(np.float32)


@jax.jit
def _traits_of(kind: CellTraits, cell: Cell, z: np.ndarray) -> Traits:
    """Compiled as a whole, like all that is only computed once: operation by operation it would take seconds to start."""
    zero = jnp.zeros(z.shape[1], jnp.float32)
    mean = mean_traits(kind, cell.amounts.reference_nm, zero)
    return express(mean, z, cell.amounts, kind.bmf_competence_cv, kind.set_point_cv)


def blood_at_rest(lineages: Iterable[Lineage], blood_volume_l: float) -> list[float]:
    """Blood cells of a healthy subject by lineage, those that do not circulate included; whole numbers."""
    return [float(np.rint(ln.baseline * ln.cells_per_unit * blood_volume_l / ln.circulating_fraction)) for ln in lineages]


def marrow_at_rest(lineages: Sequence[Lineage], blood_volume_l: float) -> list[float]:
    """Progenitors of a healthy subject by lineage."""
    blood = blood_at_rest(lineages, blood_volume_l)
    return [
        progenitors_at_rest(b, maturation_hazard(ln.transit_time_days), ln.blood_life_days, ln.yield_per_cell) for b, ln in zip(blood, lineages, strict=True)
    ]


def healthy_params(lineages: dict[str, Lineage], cell: Cell, blood_volume_l: float, strata: int, stem_cells: StemCells | None = None) -> HealthyParams:
    """Numbers of the lineages, in the order given; without `stem_cells` they are fed at a constant rate."""
    items = list(lineages.values())
    z = strata_normals(strata)

    def column(values: list[float]) -> jax.Array:
        return jnp.asarray([values], jnp.float64)

    blood, rest = blood_at_rest(items, blood_volume_l), marrow_at_rest(items, blood_volume_l)
    k_tr = [maturation_hazard(ln.transit_time_days) for ln in items]
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
        cytotoxic=jnp.asarray([[[ln.cytotoxic_factor] for ln in items]], jnp.float32),
        bim_response=jnp.asarray([np.repeat([ln.bim_response for ln in items], 2 * strata)], jnp.float32),
        traits=traits,
        resting_hazard=resting_hazard(resting_state(traits, cell), traits, cell),
        niche=column([ln.niche_exponent for ln in items]) if any(ln.niche_exponent for ln in items) else (),
        stem=() if stem_cells is None else stem_params(stem_cells, cell, jax.tree.map(lambda x: x[None, :], _traits_of(stem_cells.traits, cell, z))),
    )


def deal(total: jax.Array, strata: int, offset: jax.Array) -> jax.Array:
    """Deal whole cells evenly over strata by systematic rounding; `offset` in [0, 1) is drawn once."""
    edges = jnp.arange(strata + 1, dtype=jnp.float64) / strata
    marks = jnp.floor(total[..., None] * edges + offset[..., None])
    # Near 2**53 / 2**24 the sum of the last mark may round to the next whole number.
    marks = jnp.minimum(marks, total[..., None])
    return marks[..., 1:] - marks[..., :-1]


def new_span(transit: jax.Array, strata: int, *, growth: bool = False) -> Span:
    """Nothing has happened yet; `transit` is float64 (rows, lineages, 3), `growth` says whether a drug is a growth factor."""
    rows, lineages, _ = transit.shape
    zero = jnp.zeros((rows, lineages, strata), jnp.float32)
    none = jnp.zeros((rows, 1))
    of_lineages = jnp.zeros((rows, lineages))
    return Span(
        law=no_time(zero),
        killed=zero,
        division=zero,
        blood_exposure=zero,
        production=none,
        days=none,
        transit=transit,
        arrived=of_lineages,
        maturation=of_lineages if growth else (),
    )


@functools.partial(jax.jit, static_argnums=(2, 3))
def healthy_at_rest(params: HealthyParams, cell: Cell, rows: int, strata: int) -> HealthyState:
    """Undisturbed lineages in balance."""
    lineages = params.k_tr.shape[1]
    half = jnp.full((rows, lineages), 0.5)
    rest = jnp.broadcast_to(jnp.rint(params.at_rest), (rows, lineages))
    zero = jnp.zeros((rows, lineages, len(STAGES)))
    fast = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, x.shape[1])), resting_state(params.traits, cell))
    transit = jnp.broadcast_to(rest[:, :, None], (rows, lineages, TRANSIT_STAGES))
    return HealthyState(
        progenitors=deal(rest, strata, half),
        transit=transit,
        blood=deal(jnp.broadcast_to(params.baseline, (rows, lineages)), strata, half),
        fast=fast,
        births=zero,
        deaths=zero,
        gained=zero,
        lost=zero,
        span=new_span(transit, strata, growth=bool(params.growth)),
        stem=stem_at_rest(params.stem, cell, deal(jnp.broadcast_to(params.stem.at_rest, (rows, 1)), strata, half[:, :1])) if params.stem else (),
    )


def f32(x: jax.Array) -> jax.Array:
    """x in single precision."""
    return x.astype(jnp.float32)


def sum_strata(x: jax.Array) -> jax.Array:
    """Sum of whole numbers over the last axis, free of order."""
    return jnp.sum(x, axis=2)


def advance_healthy(
    state: HealthyState, params: HealthyParams, cell: Cell, drive: Drive, crowding_factor: jax.Array, h: jax.Array, donors: Any = ()
) -> HealthyState:
    """Advance the fast state of all lineages and the integrals of their hazards by one step.

    Args:
        drive: Row-level action of the drugs, float32 (rows, 1).
        crowding_factor: Factor on production, float64 (rows, 1).
        h: Step, d, float64 scalar.
        donors: Transfused cells, `abm.models.donors.DonorCells`, which feedback counts as blood cells; () where there are none.
    """
    rows, lineages, strata = state.progenitors.shape
    h32, span, stem, fed = f32(h), state.span, state.stem, crowding_factor
    if params.stem:
        stem, share = advance_stem_cells(stem, params.stem, cell, drive, h)
        fed = crowding_factor * share
    felt = drive._replace(bim_fold=share_felt(drive.bim_fold, params.bim_response))
    fast, rates = advance_cells(state.fast, params.traits, felt, cell, h32)
    excess = jnp.maximum(rates.death - params.resting_hazard, np.float32(0)).reshape(rows, lineages, 2, strata)
    slowing = rates.slowing.reshape(rows, lineages, 2, strata)[:, :, 0]
    killed = excess[:, :, 0] + progenitor_hazard(drive)[:, :, None] * params.cytotoxic
    dying = (f32(1.0 / params.life)[:, :, None] + excess[:, :, 1] * params.killable) * h32

    blood_exposure = span.blood_exposure + dying
    faster = fold_felt(params.growth.maturation, drive.growth_effect) if params.growth else ()
    transit, arrived = _expected_arrivals(state, params, scaled(params.k_tr, faster), h)
    # Blood cells in the middle of the step, as expected.
    old, new = _expected_blood(state.blood, span.blood_exposure) + span.arrived, _expected_blood(state.blood, blood_exposure) + arrived
    if donors:
        old, new = (
            old + expected_donors(donors, params.donors, span.blood_exposure, span.days),
            new + expected_donors(donors, params.donors, blood_exposure, span.days + h),
        )
    factor = feedback(0.5 * (old + new), params.baseline, params.exponent, params.feedback_max) * crowding_factor
    if not isinstance(params.niche, tuple):
        factor = factor * feedback(_expected_progenitors(state, params), params.at_rest, params.niche, params.feedback_max)
    if params.growth:
        factor = factor * fold_felt(params.growth.division, drive.growth_effect)
    division = f32(params.k_tr * (1.0 - params.upstream) * factor)[:, :, None] * slowing
    leaving = killed + f32(params.k_tr)[:, :, None]
    step = constant_law(division, leaving, h32)
    after = Span(
        law=then(span.law, step),
        killed=span.killed + span.law.x * step.deaths * (killed / leaving),
        division=span.division + division * h32,
        blood_exposure=blood_exposure,
        production=span.production + fed * h,
        days=span.days + h,
        transit=transit,
        arrived=arrived,
        maturation=() if isinstance(faster, tuple) else span.maturation + faster * h,
    )
    return state._replace(fast=fast, span=after, stem=stem)


def _expected_blood(blood: jax.Array, exposure: jax.Array) -> jax.Array:
    """Blood cells of the last draw that are expected to live, float64 (rows, lineages); rounded, so that the sum is free of order."""
    return sum_strata(jnp.rint(blood * jnp.exp(-exposure).astype(jnp.float64)))


def fed_cells(params: HealthyParams, span: Span, strata: int) -> jax.Array:
    """Cells that stem cells are expected to have fed into each stratum since the last draw, float64 (rows, lineages, 1)."""
    return (params.k_tr * params.upstream * params.at_rest * span.production / strata)[:, :, None]


def _expected_progenitors(state: HealthyState, params: HealthyParams) -> jax.Array:
    """Progenitors that are expected at the start of a step, float64 (rows, lineages); half of the cells fed arrive before the span, half after it."""
    half = 0.5 * fed_cells(params, state.span, state.progenitors.shape[2])
    return sum_strata(jnp.rint((state.progenitors + half) * state.span.law.x.astype(jnp.float64) + half))


def _expected_arrivals(state: HealthyState, params: HealthyParams, k_tr: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(transit, arrived) after a step in which cells mature at `k_tr`.  Blood cells that are new since the last draw only die of age here."""
    span = state.span
    inflow = sum_strata(jnp.rint(state.progenitors * span.law.x.astype(jnp.float64)))
    stages = []
    for stage in range(TRANSIT_STAGES):
        before = span.transit[:, :, stage]
        stages.append(relax(before, inflow, k_tr, h))
        inflow = 0.5 * (before + stages[-1])
    released = k_tr * params.released * inflow
    return jnp.stack(stages, axis=2), relax(span.arrived, released * params.life, 1.0 / params.life, h)
