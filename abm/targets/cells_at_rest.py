"""Healthy cells of subjects without leukaemia and without drug over two years, drawn as in every run."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.cells import Drive
from abm.models.healthy import HealthyParams, HealthyState, advance_healthy, healthy_at_rest, healthy_params
from abm.models.healthy_draw import draw_healthy
from abm.models.xenograft_setup import cell_params
from abm.parameters.cell import Cell
from abm.streams import PHASE_TRIAL, subject_key
from abm.targets.library import library

DAYS, PERIODS = 730, 4
DRAWS_PER_DAY = 2
STRATA = 4
HOSTS = {"mouse": "mouse_nsg", "human": "patient_adult"}


def deviations(species: str, subjects: int, seed: int) -> dict[str, np.ndarray]:
    """Cells over those at rest, less 1, mean over each half-year, (subjects, PERIODS), for the blood cells of every lineage and the stem cells.

    Stem cells are followed in both species, the mouse's too, which by default are not.
    """
    experiment = library(f"host={HOSTS[species]}")
    lineages = {name: x for name, x in experiment.lineages.items() if x.species == species}
    pool = next(x for x in experiment.stem_cells.values() if x.species == species)
    cell = cell_params(experiment.cell)
    params = healthy_params(lineages, cell, experiment.host.blood_volume_l, STRATA, pool)
    keys = np.stack([subject_key(seed, f"{species} at rest", i) for i in range(subjects)])
    seen = np.asarray(_followed(healthy_at_rest(params, cell, subjects, STRATA), params, cell, (jnp.asarray(keys[:, 0]), jnp.asarray(keys[:, 1]))))
    parts = np.stack([part.mean(axis=0) for part in np.array_split(seen, PERIODS)], axis=1) - 1.0
    return {name: parts[..., i] for i, name in enumerate([*lineages, "stem cells"])}


def largest(found: dict[str, np.ndarray]) -> tuple[float, str]:
    """Largest deviation of any half-year, mean over subjects, and whose it is."""
    worst = {name: float(np.abs(x.mean(axis=0)).max()) for name, x in found.items()}
    name = max(worst, key=lambda key: worst[key])
    return worst[name], name


@jax.jit
def _followed(start: HealthyState, params: HealthyParams, cell: Cell, keys: Any) -> jax.Array:
    """Cells at the end of every day over those at rest, (days, subjects, lineages and stem cells)."""
    zero = jnp.zeros((keys[0].shape[0], 1), jnp.float32)
    drive = Drive(zero, zero, zero, zero, zero, zero + 1, zero, zero)
    h, full = jnp.float64(1.0 / DRAWS_PER_DAY), jnp.ones(zero.shape)

    def one(k: jax.Array, s: HealthyState) -> HealthyState:
        after = advance_healthy(s, params, cell, drive, full, h)
        return draw_healthy(after, params, cell.amounts, keys, jnp.uint32(PHASE_TRIAL), k.astype(jnp.uint32))

    def day(s: HealthyState, d: jax.Array) -> tuple[HealthyState, jax.Array]:
        s = jax.lax.fori_loop(d * DRAWS_PER_DAY, (d + 1) * DRAWS_PER_DAY, one, s)
        stem = jnp.sum(s.stem.cells, axis=2) / params.stem.at_rest
        return s, jnp.concatenate([jnp.sum(s.blood, axis=2) / params.baseline, stem], axis=1)

    seen: jax.Array = jax.lax.scan(day, start, jnp.arange(DAYS))[1]
    return seen
