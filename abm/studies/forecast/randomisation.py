"""The burden at which a subject qualifies, from the balance of blood and tissue.

The packet model waits until human cells are a given share of blood leukocytes.  Here both
are taken at their balance: leukaemic cells leave tissue at the egress hazard and stay for
a mean residence, healthy leukocytes are what crowded progenitors sustain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

from abm.biology.haematopoiesis import crowding, maturation_hazard
from abm.biology.proliferation import room
from abm.biology.trafficking import egress_hazard
from abm.parameters.experiment import Experiment
from abm.parameters.host import Host
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.lineage import Lineage
from abm.readouts.blood import human_cd45_fraction

_LARGEST = 1e17


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


def blood_left(lineage: Lineage, factor: float) -> float:
    """Blood cells over those at rest when production is multiplied by a crowding `factor`, with the feedback at balance."""
    upstream = lineage.upstream_fraction

    def surplus(log_x: float) -> float:
        x = np.exp(log_x)
        feedback = min(x**-lineage.feedback_exponent, lineage.feedback_max)
        # Progenitors gain from stem cells and by division and leave by maturation, each over k_tr and over rest.
        return float(upstream * factor + (1.0 - upstream) * feedback * factor * x - x)

    if surplus(np.log(1e-12)) <= 0.0:
        return 0.0
    return float(np.exp(brentq(surplus, np.log(1e-12), np.log(1e3))))


def human_share(experiment: Experiment, leukaemia: Leukaemia, burden: float) -> float:
    """Expected human share of blood leukocytes at a burden, in [0, 1]."""
    factor = float(crowding(*scalars(burden, experiment.host.crowding_half_burden)))
    lineages = experiment.lineages
    resting = [line.baseline * line.cells_per_unit * experiment.host.blood_volume_l for line in lineages.values()]
    blood = np.array([n * blood_left(line, factor) for n, line in zip(resting, lineages.values(), strict=True)])
    cells = np.array(burden * share_in_blood(experiment, leukaemia, burden))
    return float(human_cd45_fraction(cells, blood, lineages))


def burden_to_qualify(experiment: Experiment, leukaemia: Leukaemia) -> float:
    """Burden, cells, at which human cells are the share of blood leukocytes that starts the trial; inf if none is enough."""
    wanted = experiment.trial.start_human_cd45_percent / 100.0
    if wanted <= 0.0:
        return 0.0
    if human_share(experiment, leukaemia, _LARGEST) < wanted:
        return float("inf")
    return float(np.exp(brentq(lambda x: human_share(experiment, leukaemia, np.exp(x)) - wanted, 0.0, np.log(_LARGEST))))


def fastest_maturation_per_day(experiment: Experiment) -> float:
    """Fastest maturation of a healthy lineage, 1/d."""
    return max((float(maturation_hazard(line.transit_time_days)) for line in experiment.lineages.values()), default=0.0)
