"""The burden at which a subject qualifies, from the balance of blood and tissue.

The packet model waits until human cells are a given share of blood leukocytes.  Here
leukaemic cells in blood are at their balance with tissue (they stay for hours), and
healthy ones follow the equations of `abm.biology.haematopoiesis` without drugs or chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from abm.biology.haematopoiesis import TRANSIT_STAGES, crowding, feedback, maturation_hazard
from abm.biology.proliferation import room
from abm.biology.trafficking import egress_hazard
from abm.parameters.experiment import Experiment
from abm.parameters.host import Host
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.lineage import Lineage
from abm.readouts.blood import human_cd45_fraction


def scalars(*values: float) -> Any:
    """Numbers as the mechanisms take them."""
    return tuple(np.float64(value) for value in values)


def egress_per_day(host: Host, burden: float) -> float:
    """Hazard of leaving tissue for the blood at a burden (cells)."""
    return float(egress_hazard(*scalars(burden, host.egress_at_half_cd45_per_day, host.burden_at_half_cd45, host.egress_exponent)))


def share_in_blood(experiment: Experiment, leukaemia: Leukaemia, burden: float) -> float:
    """Share of a growing burden (cells) that is in the blood."""
    host, growth = experiment.host, leukaemia.growth
    egress = egress_per_day(host, burden)
    net = (growth.net_per_day + growth.death_per_day) * float(room(*scalars(burden, host.carrying_capacity))) - growth.death_per_day
    # Blood cells only die and go home; relative to a burden that grows they are diluted at its net rate.
    return egress / (egress + 1.0 / host.blood_residence_days + growth.death_per_day + max(net, 0.0))


def blood_rate(lineage: Lineage, factor: float, state: np.ndarray) -> np.ndarray:
    """Rates of progenitors, transit stages and blood of a lineage, each over its number at rest, 1/d, under a crowding `factor`."""
    k_tr = float(maturation_hazard(lineage.transit_time_days))
    progenitors, blood = state[0], state[-1]
    lack = float(feedback(*scalars(blood, 1.0, lineage.feedback_exponent, lineage.feedback_max)))
    lack = lack * float(feedback(*scalars(progenitors, 1.0, lineage.niche_exponent, lineage.feedback_max)))
    made = factor * (lineage.upstream_fraction + (1.0 - lineage.upstream_fraction) * lack * progenitors)
    matured = k_tr * (state[:-2] - state[1:-1])
    return np.array([k_tr * (made - progenitors), *matured, (state[-2] - blood) / lineage.blood_life_days])


def burden_to_qualify(experiment: Experiment, leukaemia: Leukaemia) -> float:
    """Burden, cells, at which the trial starts: given, or where human cells are the wanted share of blood leukocytes.

    The leukaemia grows in balance from what seeds; healthy progenitors are crowded on the
    way, and blood follows with the delay of their maturation.

    Returns:
        The burden, inf if it is not reached within three times the longest lead-in.
    """
    host, trial = experiment.host, experiment.trial
    if trial.start_rule != "human_cd45":
        return float(trial.start_burden_cells or host.diagnosis_burden or 0.0) if trial.start_rule == "burden" else 0.0
    wanted, seeded = trial.start_human_cd45_percent / 100.0, host.expected_founders
    white = {name: line for name, line in experiment.lineages.items() if line.white_cell_share > 0.0}
    if wanted <= 0.0 or seeded <= 0.0:
        return 0.0 if wanted <= 0.0 else float("inf")
    growth, stages = leukaemia.growth, 2 + TRANSIT_STAGES
    resting = np.array([line.baseline * line.cells_per_unit * host.blood_volume_l / line.circulating_fraction for line in white.values()])

    def rates(day: float, y: np.ndarray) -> np.ndarray:
        burden = float(np.exp(y[0]))
        space, factor = float(room(*scalars(burden, host.carrying_capacity))), float(crowding(*scalars(burden, host.halving_burden)))
        lines = zip(white.values(), y[1:].reshape(-1, stages), strict=True)
        net = (growth.net_per_day + growth.death_per_day) * space - growth.death_per_day
        return np.concatenate([[net], *(blood_rate(line, factor, state) for line, state in lines)])

    def surplus(day: float, y: np.ndarray) -> float:
        burden = float(np.exp(y[0]))
        blood = resting * y[1:].reshape(-1, stages)[:, -1]
        human = burden * share_in_blood(experiment, leukaemia, burden)
        return float(human_cd45_fraction(np.array(human), blood, white)) - wanted

    surplus.terminal = True  # type: ignore[attr-defined]
    start = np.append(np.log(seeded), np.ones(stages * len(white)))
    if surplus(0.0, start) >= 0.0:
        return seeded
    path = solve_ivp(rates, (0.0, 3.0 * experiment.trial.lead_in_max_days), start, events=surplus, rtol=1e-4, atol=1e-6)
    crossed: Any = path.y_events
    return float(np.exp(crossed[0][0][0])) if len(crossed[0]) else float("inf")


def fastest_maturation_per_day(experiment: Experiment) -> float:
    """Fastest maturation of a healthy lineage, 1/d."""
    return max((float(maturation_hazard(line.transit_time_days)) for line in experiment.lineages.values()), default=0.0)
