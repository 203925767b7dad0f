"""The dish of `experiment=dose_matrix` in the mean-field twin: the same numbers, expected cells, no chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.mean_field import trait_points
from abm.models.mean_field_xenograft import TwinRow, build_twin, constant_course, simulate_twin
from abm.parameters.experiment import Experiment
from abm.pharmacology.action import free_factor
from abm.studies.dose_matrix_wells import make_wells

LEVELS, CELLS, DT_HOURS = 8, 32, 1.0


class Dish(NamedTuple):
    """What the twin shows at the end, (wells,) each."""

    viable: np.ndarray  # cells
    killed: np.ndarray  # cells that apoptosis killed, without the baseline
    division: np.ndarray  # 1/d, mean division hazard of viable cells


def dish(*overrides: str) -> Experiment:
    """The experiment of a dose matrix with the growth of the dish and drugs in its medium."""
    return make_wells(build(compose(["experiment=dose_matrix", *overrides]))).experiment


def culture(experiment: Experiment, wells: list[tuple[str, float, float]]) -> Dish:
    """Cells of a leukaemia under concentrations of the two drugs, nmol/L in the medium; all wells in one program."""
    keys = experiment.dose_matrix or {}
    drugs = [str(keys["drug_a"]), str(keys["drug_b"])]
    factors = [free_factor(experiment.drugs[drug].pharmacokinetics[experiment.host.species]) for drug in drugs]
    rows = [TwinRow(experiment.cell, experiment.leukaemias[name], experiment.drugs, experiment.host.injected_cells, float("inf")) for name, _, _ in wells]
    twin = build_twin(rows, drugs, trait_points(CELLS, 1, LEVELS), LEVELS)
    course = constant_course(np.array([(a, b) for _, a, b in wells]) * factors, round(float(keys["hours"]) / DT_HOURS))
    clones = 1 + max(len(row.leukaemia.subclones) for row in rows)
    out = simulate_twin(twin, course, DT_HOURS / 24.0, LEVELS * clones)
    return Dish(out.burden[-1], out.killed[-1], out.division[-1])
