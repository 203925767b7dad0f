"""Growth of a typical subject until its trial starts: burden, and the crowding of its healthy blood, for many sets of numbers at once.

The same balance of blood and tissue as in `abm.studies.forecast.randomisation`, in one
compiled program over rows.  Healthy lineages are without drug; the leukaemia grows in balance.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from abm.biology.haematopoiesis import TRANSIT_STAGES, crowding, feedback, maturation_hazard
from abm.biology.proliferation import room
from abm.biology.trafficking import egress_hazard
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.studies.grids import off_drug_hours
from abm.units import hours_to_days

Array = NDArray[Any]
HOURS = 12.0  # step of the Runge-Kutta scheme; the fastest hazard, of maturation, is a few per day


class Body(NamedTuple):
    """Numbers of the rows, (rows,); of the lineages (rows, lineages)."""

    capacity: Any
    half: Any  # cells that halve the production of healthy progenitors
    at_half: Any  # egress hazard at `burden_at_half`
    burden_at_half: Any
    exponent: Any
    residence: Any  # d
    net: Any  # 1/d
    death: Any  # 1/d
    k_tr: Any
    life: Any
    gamma: Any
    feedback_max: Any
    upstream: Any
    niche: Any
    leukocytes: Any  # healthy leukocytes that each lineage stands for at rest, in cells


def body_of(rows: list[tuple[Experiment, Leukaemia]]) -> Body:
    """Numbers of the rows; those that share a program have the same lineages."""
    numbers = []
    for experiment, leukaemia in rows:
        host, lines = experiment.host, list(experiment.lineages.values())
        shares = sum(line.white_cell_share for line in lines)
        white = [line.baseline * line.cells_per_unit * host.blood_volume_l * (line.white_cell_share > 0.0) / max(shares, 1e-300) for line in lines]
        numbers.append(
            (
                host.carrying_capacity,
                host.halving_burden,
                host.egress_at_half_cd45_per_day,
                host.burden_at_half_cd45,
                host.egress_exponent,
                host.blood_residence_days,
                leukaemia.growth.net_per_day,
                leukaemia.growth.death_per_day,
                [float(maturation_hazard(line.transit_time_days)) for line in lines],
                [line.blood_life_days for line in lines],
                [line.feedback_exponent for line in lines],
                [line.feedback_max for line in lines],
                [line.upstream_fraction for line in lines],
                [line.niche_exponent for line in lines],
                white,
            )
        )
    return Body(*(np.array(column, float) for column in zip(*numbers, strict=True)))


def blood_cells(body: Body, burden: Any, net_per_day: Any) -> Any:
    """Leukaemic cells in the blood, in balance with a burden that grows at a net rate (a shrinking one counts as still); any shape that ends in rows."""
    egress = egress_hazard(burden, body.at_half, body.burden_at_half, body.exponent)
    return burden * egress / (egress + 1.0 / body.residence + body.death + jnp.maximum(net_per_day, 0.0))


def human_share(body: Body, burden: Any, net_per_day: Any, counts: Any) -> Any:
    """Human share of blood leukocytes; `counts` are those of the lineages over rest, with an axis of lineages appended."""
    human = blood_cells(body, burden, net_per_day)
    return human / jnp.maximum(human + jnp.sum(counts * body.leukocytes, axis=-1), 1e-300)


@functools.partial(jax.jit, static_argnums=2)
def _grow(body: Body, seeded: jax.Array, steps: int) -> tuple[jax.Array, jax.Array]:
    """(log burden, human share) after every step, (steps + 1, rows)."""

    def net(log_burden: jax.Array) -> jax.Array:
        return (body.net + body.death) * room(jnp.exp(log_burden), body.capacity) - body.death

    def rates(y: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        log_burden, cells = y  # cells over rest: (progenitors, stages, blood), rows, lineages
        left = crowding(jnp.exp(log_burden), body.half)[:, None]
        lack = feedback(cells[-1], jnp.ones_like(cells[-1]), body.gamma, body.feedback_max)
        lack = lack * feedback(cells[0], jnp.ones_like(cells[0]), body.niche, body.feedback_max)
        made = left * (body.upstream + (1.0 - body.upstream) * lack * cells[0])
        chain = body.k_tr * (jnp.concatenate([made[None], cells[:-2]]) - cells[:-1])
        return net(log_burden), jnp.concatenate([chain, ((cells[-2] - cells[-1]) / body.life)[None]])

    def step(y: Any, _: None) -> tuple[Any, tuple[jax.Array, jax.Array]]:
        h = hours_to_days(HOURS)
        k1 = rates(y)
        k2 = rates(jax.tree.map(lambda a, b: a + 0.5 * h * b, y, k1))
        k3 = rates(jax.tree.map(lambda a, b: a + 0.5 * h * b, y, k2))
        k4 = rates(jax.tree.map(lambda a, b: a + h * b, y, k3))
        after = jax.tree.map(lambda a, p, q, r, s: a + h / 6.0 * (p + 2.0 * q + 2.0 * r + s), y, k1, k2, k3, k4)
        return after, look(after)

    def look(y: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return y[0], human_share(body, jnp.exp(y[0]), net(y[0]), y[1][-1])

    start = (jnp.log(jnp.maximum(seeded, 1e-300)), jnp.ones((TRANSIT_STAGES + 2, *body.k_tr.shape)))
    _, (burdens, shares) = lax.scan(step, start, None, length=steps)
    first = look(start)
    return jnp.concatenate([first[0][None], burdens]), jnp.concatenate([first[1][None], shares])


def growth_to_start(experiment: Experiment, body: Body, seeded: Array, before: Array) -> Array:
    """Burden, cells, at `before` days ahead of randomisation (ascending, the last 0), (days, rows).

    A row that does not qualify within the longest lead-in starts with what it has by then;
    one that is randomised at once has its seed before, too.
    """
    trial = experiment.trial
    steps = int(np.ceil(trial.lead_in_max_days / hours_to_days(HOURS)))
    burdens, shares = (np.asarray(x) for x in _grow(body, seeded, steps))
    days = np.arange(steps + 1) * hours_to_days(HOURS)
    at_once = trial.start_rule == "injection" or (trial.start_rule == "human_cd45" and trial.start_human_cd45_percent <= 0.0)
    if trial.start_rule == "human_cd45":
        level, wanted = np.log(np.maximum(shares, 1e-300)), np.log(max(trial.start_human_cd45_percent, 1e-300) / 100.0)
    else:
        level, wanted = burdens, np.log(float(trial.start_burden_cells or experiment.host.diagnosis_burden or 1.0))
    found = np.empty((len(before), len(seeded)))
    # Subjects are looked at at the end of every window: half of one passes on average until it is seen that they qualify.
    coarse = off_drug_hours(experiment.engine)
    late = 0.5 * hours_to_days(experiment.engine.window_hours if coarse is None else coarse[1])
    for row in range(len(seeded)):
        start = 0.0 if at_once else _crossing(days, level[:, row], float(wanted)) + late
        found[:, row] = np.exp(np.interp(start + before, days, burdens[:, row]))
    return np.where(seeded > 0.0, found, 0.0)


def _crossing(days: Array, level: Array, wanted: float) -> float:
    """First day at which a level is reached, interpolated; the last day if it never is."""
    above = np.flatnonzero(level >= wanted)
    if not len(above):
        return float(days[-1])
    k = int(above[0])
    return 0.0 if k == 0 else float(np.interp(wanted, level[k - 1 : k + 1], days[k - 1 : k + 1]))
