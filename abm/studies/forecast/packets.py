"""Rows, places and clone rows; expected mutations."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from abm.engine.packing import clone_shares
from abm.models.xenograft_setup import FOUNDER, capacity_of, clone_layout
from abm.parameters.experiment import Experiment
from abm.studies.forecast.course import QUANTILES, TYPICAL, TwinRun
from abm.studies.forecast.record import Mutants, PacketForecast


def packet_forecast(experiment: Experiment) -> PacketForecast:
    """Resolution of a trial."""
    cohort, layout = experiment.cohort, clone_layout(experiment)
    subjects = cohort.size
    rows = subjects * len(experiment.arms)
    pooled = int(layout.pooled.sum())
    return PacketForecast(
        resolution=experiment.engine.packets,
        capacity=capacity_of(experiment),
        rows=rows,
        lead_in_rows=subjects if cohort.design == "twin" else rows,
        clone_rows=layout.n_clones,
        own_rows=layout.n_clones - layout.founders - pooled,
        pooled_rows=pooled,
        shares={name: _shares(experiment, name) for name in cohort.leukaemias},
    )


def _shares(experiment: Experiment, name: str) -> dict[str, float]:
    """Packets of each clone of a leukaemia when it seeds."""
    host = experiment.host
    subclones = experiment.leukaemias[name].subclones
    fractions = [1.0 - sum(s.fraction for s in subclones.values()), *(s.fraction for s in subclones.values())]
    cells = np.rint(np.array(fractions) * host.expected_founders)
    shares = np.asarray(clone_shares(jnp.asarray(cells[None, :], jnp.float64), experiment.engine.packets))[0]
    return dict(zip([FOUNDER, *subclones], shares.tolist(), strict=True))


def expected_mutants(experiment: Experiment, run: TwinRun) -> tuple[Mutants, ...]:
    """Expected mutations of every mechanism in every leukaemia.

    A division makes a mutant with probability u, so their number is Poisson with mean
    u x (integral of division hazard x cycling cells), given the course of the burden; the
    course is the expected one.  Cells that have the mechanism already are not left out,
    and mutants are taken to be as fit as their mothers in `cells_at_start`: what mutation
    makes at time t then grows as the burden does, u x burden x integral of births per cell.
    """
    lead_in, trial = run.lead_in.looks, run.trial.looks
    treated = min(round(experiment.trial.treatment_days * 24.0 / run.hours), len(trial.burden))
    found = []
    for i, name in enumerate(run.leukaemias):
        row = i * len(QUANTILES) + TYPICAL
        divisions = np.asarray(lead_in.divisions)[:, row]
        births = float(divisions.sum())
        each = float(np.sum(divisions / np.maximum(np.asarray(lead_in.burden)[:, row], 1.0)))
        burden = float(np.asarray(lead_in.burden)[-1, row])
        by_arm = {arm: float(np.asarray(trial.divisions)[:treated, i * len(run.arms) + a].sum()) for a, arm in enumerate(run.arms)}
        for mechanism in experiment.cohort.resistance:
            u = experiment.mechanisms[mechanism].mutation_per_division
            found.append(
                Mutants(
                    leukaemia=name,
                    mechanism=mechanism,
                    per_division=u,
                    before=u * births,
                    chance_before=float(-np.expm1(-u * births)),
                    cells_at_start=u * burden * each,
                    during={arm: u * n for arm, n in by_arm.items()},
                )
            )
    return tuple(found)
