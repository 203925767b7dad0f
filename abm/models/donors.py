"""Transfused cells: blood cells of donors beside a subject's own.

They are counted with the subject's own cells, by the laboratory and by the feedback on
production; they die of what kills blood cells of their lineage, but at a hazard of their
own in place of that of age, 1 / life of the product.  They come in whole numbers and are
drawn as the subject's own are (`abm.models.healthy_draw`); what was given and what died is booked.
Does not model: refractoriness and antibodies, iron, the storage lesion other than by recovery and life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.transition import binomial, probability
from abm.parameters.blood_product import BloodProduct
from abm.parameters.lineage import Lineage
from abm.streams import STREAM_DONOR, stacked_words


class DonorParams(NamedTuple):
    """Hazard of donors' cells beyond that of own cells, 1/d, float64 (1, lineages); 0 where nothing is transfused."""

    extra_hazard: Any


class DonorCells(NamedTuple):
    """Cells of donors; whole numbers in float64."""

    cells: Any  # (rows, lineages, strata)
    given: Any  # (rows, lineages), cumulative
    died: Any  # (rows, lineages), cumulative


class Gift(NamedTuple):
    """Cells given to one row."""

    row: int
    lineage: int
    cells: float


def lineage_of(product: BloodProduct, lineages: Mapping[str, Lineage]) -> int:
    """Place of the lineage whose blood cells a product holds, -1 where the host lacks it."""
    return next((i for i, lineage in enumerate(lineages.values()) if lineage.population_name == product.population), -1)


def cells_of(product: BloodProduct, units: float) -> float:
    """Cells of `units` of a product that are in the blood after the transfusion, a whole number."""
    return float(np.rint(units * product.cells_per_unit * product.recovery))


def dealt(cells: float, strata: int) -> np.ndarray:
    """Whole cells dealt evenly over strata, float64 (strata,)."""
    shares: np.ndarray = np.diff(np.floor(np.arange(strata + 1) * (cells / strata) + 0.5))
    return shares


def donor_params(products: Iterable[BloodProduct], lineages: Mapping[str, Lineage]) -> DonorParams | tuple[()]:
    """Hazards of the products of a run that go to the blood, at most one for each lineage; () without any."""
    extra, transfused = np.zeros((1, len(lineages))), [product for product in products if product.life_days is not None]
    own = [lineage.blood_life_days for lineage in lineages.values()]
    for product in transfused:
        place = lineage_of(product, lineages)
        extra[0, place] = 1.0 / float(product.life_days or np.inf) - 1.0 / own[place]
    return DonorParams(extra) if transfused else ()


def no_donors(rows: int, lineages: int, strata: int) -> DonorCells:
    """Nothing was transfused yet."""
    none = np.zeros((rows, lineages))
    return DonorCells(np.zeros((rows, lineages, strata)), none, none)


def give(donors: DonorCells, gifts: Iterable[Gift]) -> DonorCells:
    """The cells (NumPy arrays) after gifts, dealt evenly over the strata."""
    cells, given = np.array(donors.cells), np.array(donors.given)
    strata = cells.shape[2]
    for gift in gifts:
        cells[gift.row, gift.lineage] += dealt(gift.cells, strata)
        given[gift.row, gift.lineage] += gift.cells
    return donors._replace(cells=cells, given=given)


def donor_exposure(params: DonorParams, own_exposure: jax.Array, days: jax.Array) -> jax.Array:
    """Integrated hazard of donors' cells from that of own ones (rows, lineages, strata) over `days` (rows, 1), float32."""
    extra = (params.extra_hazard * days).astype(jnp.float32)
    return jnp.maximum(own_exposure + extra[:, :, None], np.float32(0))


def expected_donors(donors: DonorCells, params: DonorParams, own_exposure: jax.Array, days: jax.Array) -> jax.Array:
    """Cells of the last draw that are expected to live, float64 (rows, lineages); rounded, so that the sum is free of order."""
    alive = jnp.exp(-donor_exposure(params, own_exposure, days)).astype(jnp.float64)
    return jnp.sum(jnp.rint(donors.cells * alive), axis=2)


def draw_donors(donors: DonorCells, span: Any, params: DonorParams, subject: tuple[jax.Array, jax.Array], phase: jax.Array, step: jax.Array) -> DonorCells:
    """Draw and book the cells that died since the last draw.

    Args:
        span: What has happened to the lineages since then, `abm.models.healthy.Span`.
        subject, phase, step: As for `abm.models.healthy_draw.draw_healthy`.
    """
    _, lineages, strata = donors.cells.shape
    place = jnp.arange(lineages * strata, dtype=jnp.uint32)[None, :]
    word, _ = stacked_words(*subject, phase, step, (STREAM_DONOR,), place, jnp.zeros_like(place))
    p, log_q = probability(donor_exposure(params, span.blood_exposure, span.days))
    dead = binomial(word.reshape(-1, lineages, strata), donors.cells, p, log_q, rolled=True)
    return donors._replace(cells=donors.cells - dead, died=donors.died + jnp.sum(dead, axis=2))
