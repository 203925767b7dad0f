"""Cells that die of a stress which an inhibitor induces, each with its own sensitivity.

    s' = kon I (1 - s) - koff s,    hazard = h0 + h1 f B s^m

s is advanced exactly.  Its power is integrated over each step by Gauss-Legendre quadrature;
steps are cut until the quadrature is exact to float32.  Where a whole-numbered power would be
smooth but s^m is not, at the start of a phase, the nodes crowd towards the start.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.engine.packets import Packets, new_packets
from abm.engine.program import Rates, Subjects
from abm.engine.transition import constant_law
from abm.models.theory.program import OneColumn, Settings, TheoryProgram, capacity_for, replicate_keys, save_days, theory_grid
from abm.parameters.theory import StressSurvival
from abm.streams import subject_generator

POPULATIONS = ("bmf_positive", "bmf_negative")
_NODES, _NODES_OF_FRACTIONAL_POWER = 4, 8
_CROWDING = 4  # node times are h u^4 where they crowd


class StressTraits(NamedTuple):
    """Traits of each packet, float32."""

    factor: Any  # f, mean 1 over cells
    competence: Any  # B, 1 or 0


class StressParams(NamedTuple):
    """Numbers of the model, float32."""

    target: Any  # (steps,), s towards which it moves
    relaxed: Any  # (steps,), share of the way made in the step
    node_relaxed: Any  # (steps, nodes), share made until each node
    node_weight: Any  # (steps, nodes), d
    baseline: Any  # h0, 1/d
    slope: Any  # h1, 1/d
    exponent: Any  # m


@dataclasses.dataclass(frozen=True)
class StressDeath(OneColumn):
    """Cells with stress as their fast state."""

    n_clones: int = len(POPULATIONS)

    def step(self, params: StressParams, rows: Any, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""
        s, traits = packets.fast, packets.traits
        away = params.target[k] - s
        dose = jnp.zeros_like(s)
        for node in range(params.node_weight.shape[1]):
            dose = dose + params.node_weight[k, node] * jnp.power(s + away * params.node_relaxed[k, node], params.exponent)
        exposure = params.baseline * h.astype(jnp.float32) + params.slope * traits.factor * traits.competence * dose
        none = jnp.zeros_like(exposure)
        return rows, s + away * params.relaxed[k], Rates(law=constant_law(none, exposure, jnp.ones_like(exposure)), division=none, lazy_death=none)

    def coordinate(self, params: StressParams, packets: Packets) -> jax.Array:
        """Sensitivity: packets near in it die alike."""
        return packets.traits.factor * packets.traits.competence


def stress_params(record: StressSurvival, times: np.ndarray) -> StressParams:
    """Numbers of the model on a grid that meets the ends of all phases."""
    steps = np.diff(times)
    ends = np.array([end for end, _ in record.inhibition])
    phase = np.minimum(np.searchsorted(ends, times[:-1] + 0.5 * steps), len(ends) - 1)
    drive = record.kon * np.array([value for _, value in record.inhibition])[phase]
    rate = drive + record.koff
    target = np.divide(drive, rate, out=np.zeros_like(rate), where=rate > 0.0)
    smooth = float(record.hill_m).is_integer()
    x, weight = np.polynomial.legendre.leggauss(_NODES if smooth else _NODES_OF_FRACTIONAL_POWER)
    u, weight = 0.5 * (x + 1.0), 0.5 * weight
    starts = np.concatenate([[True], phase[1:] != phase[:-1]])[:, None] & (not smooth)
    node = np.where(starts, u**_CROWDING, u) * steps[:, None]
    node_weight = np.where(starts, weight * _CROWDING * u ** (_CROWDING - 1), weight) * steps[:, None]
    arrays = (target, -np.expm1(-rate * steps), -np.expm1(-rate[:, None] * node), node_weight, record.h0, record.h1, record.hill_m)
    return StressParams(*(np.asarray(a, np.float32) for a in arrays))


def longest_step(record: StressSurvival) -> float:
    """Days over which the quadrature of s^m has an error below 1e-9."""
    fastest = record.kon * max(value for _, value in record.inhibition) + record.koff
    return 1.0 / (fastest * max(record.hill_m, 1.0)) if fastest > 0.0 else np.inf


def _shares(positive: int, negative: int, resolution: int) -> tuple[int, int]:
    """Packets of BMF-positive and of BMF-negative cells: in proportion, at least one where there is a cell, never more than cells."""
    total = positive + negative
    if total <= resolution:
        return positive, negative
    for_positive = int(np.clip(round(resolution * positive / total), min(1, positive), resolution - min(1, negative)))
    return min(for_positive, positive), min(resolution - for_positive, negative)


def _dealt(cells: int, parts: int, generator: np.random.Generator) -> np.ndarray:
    """Whole cells in `parts` packets, each cells / parts on average."""
    edges = np.floor(np.arange(parts + 1) * (cells / max(parts, 1)) + generator.random())
    edges[0], edges[-1] = 0, cells
    return np.diff(edges)


def _factors(cells: int, parts: int, cv: float, generator: np.random.Generator) -> np.ndarray:
    """Log-normal factors of mean 1: independent where every packet is a cell, else one of each equally likely stratum."""
    u = generator.random(parts) if cells <= parts else (np.arange(parts) + generator.random(parts)) / max(parts, 1)
    sigma = np.sqrt(np.log1p(cv * cv))
    factors: np.ndarray = np.exp(sigma * ndtri(np.clip(u, 1e-16, 1.0 - 1e-16)) - 0.5 * sigma**2)
    return factors


def founders(record: StressSurvival, key: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(counts, clones, factors) of one subject's packets, each (resolution,); unused places are empty."""
    generator = subject_generator(key, "stress_survival")
    positive = int(generator.binomial(record.n0, record.bmf_positive_fraction))
    cells = (positive, record.n0 - positive)
    counts, clones, factors = np.zeros(resolution), np.zeros(resolution, np.int32), np.ones(resolution)
    place = 0
    for clone, (n, parts) in enumerate(zip(cells, _shares(*cells, resolution), strict=True)):
        here = slice(place, place + parts)
        if parts:
            counts[here], factors[here] = _dealt(n, parts, generator), _factors(n, parts, record.cv, generator)
            clones[here] = clone
        place += parts
    return counts, clones, factors


def stress_survival(record: StressSurvival, settings: Settings) -> TheoryProgram:
    """Stress-induced death in a mixed population."""
    ends = [end for end, _ in record.inhibition]
    grid, saved = theory_grid(settings, save_days(ends[-1], settings.interval_hours, ends), longest_step=longest_step(record))
    params = stress_params(record, grid.times)
    resolution = max(2, min(record.n0, settings.packets))
    keys = replicate_keys(settings.seed, "theory/stress_survival", record.replicates)
    counts, clones, factors = (np.stack(parts) for parts in zip(*(founders(record, key, resolution) for key in keys), strict=True))
    traits = StressTraits(factor=factors.astype(np.float32), competence=(clones == 0).astype(np.float32))
    return TheoryProgram(
        model=StressDeath(),
        resolution=resolution,
        params=params,
        param_axes=StressParams(*([-1] * len(params))),
        packets=new_packets([counts], clones, traits, np.zeros(counts.shape, np.float32), capacity_for(resolution)),
        row_state=(),
        keys=keys,
        grid=grid,
        save_steps=saved,
        arms=("theory",),
        subjects=record.replicates,
        populations=POPULATIONS,
    )
