"""What the deterministic twin of a trial shows of typical subjects: the variables that a laboratory measures, for many sets of numbers at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.biology.haematopoiesis import crowding
from abm.calibration.lead_in import blood_cells, body_of, growth_to_start, human_share
from abm.engine.mean_field import trait_points
from abm.errors import InputError
from abm.models.individuals import typical_leukaemia
from abm.models.mean_field_healthy import build_healthy_twin, simulate_healthy
from abm.models.mean_field_xenograft import TwinRow, build_twin, dosed_course, simulate_twin
from abm.models.xenograft_setup import arm_doses, drugs_given
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.lineage import by_readout
from abm.pharmacology.action import Values
from abm.pharmacology.covariates import host_pharmacokinetics
from abm.readouts.blood import LEUKOCYTES, blast_fraction

Array = NDArray[Any]
Rows = Sequence[tuple[Experiment, Leukaemia]]


@dataclasses.dataclass(frozen=True)
class Resolution:
    """How finely the twin computes.

    Attributes:
        levels, cells: Of the traits of leukaemic cells, as in `abm.engine.mean_field.trait_points`.
        healthy: Trait points of each healthy lineage.
        dt_hours: Step.
        before_days: Of growth before day 0 in which healthy blood is followed.
    """

    levels: int = 8
    cells: int = 16
    healthy: int = 16
    dt_hours: float = 3.0
    before_days: float = 24.0


Scene = tuple[str, str]  # (leukaemia, arm)


@dataclasses.dataclass(frozen=True)
class Courses:
    """Courses of every scene of every experiment.

    Attributes:
        days: (times,).
        values: By variable, in the units of the series, (times, experiments, scenes).
    """

    days: Array
    values: dict[str, Array]


def simulate_courses(experiments: Sequence[Experiment], scenes: Sequence[Scene], days: float, resolution: Resolution = Resolution()) -> Courses:
    """Courses from day 0 to `days` in experiments that differ in numbers only.

    Raises:
        InputError: An arm follows a track or a dosing rule, which typical subjects do not have.
    """
    first, h = experiments[0], resolution.dt_hours / 24.0
    _check(first, scenes)
    rows = [(e, typical_leukaemia(e, leukaemia)) for e in experiments for leukaemia, _ in scenes]
    arms = [arm for _ in experiments for _, arm in scenes]
    earlier, steps = round(resolution.before_days / h), max(1, int(np.ceil(days / h - 1e-9)))
    body = body_of(rows)
    seeded = np.array([e.host.expected_founders for e, _ in rows])
    grown = growth_to_start(first, body, seeded, h * np.arange(-earlier, 1))
    course = _course(rows, arms, h * np.arange(steps + 1))
    burden = np.concatenate([grown[:-1], _burden(rows, grown[-1], course, h, resolution)])
    nothing = np.zeros((earlier, *np.shape(course)[1:]))
    middle = 0.5 * (burden[1:] + burden[:-1])
    counts = _healthy(rows, np.concatenate([nothing, np.asarray(course)]), np.asarray(crowding(middle, body.half)), h, resolution)
    net = np.gradient(np.log(np.maximum(burden, 1e-300)), h, axis=0)
    human = np.asarray(human_share(body, burden, net, counts))
    tissue = burden - np.asarray(blood_cells(body, burden, net))
    values = {"human_cd45_fraction": human, **_marrow(rows, tissue), **_blood(rows, counts)}
    shaped = {name: x[earlier:].reshape(steps + 1, len(experiments), len(scenes)) for name, x in values.items()}
    return Courses(h * np.arange(steps + 1), shaped)


def _check(experiment: Experiment, scenes: Sequence[Scene]) -> None:
    for arm in dict.fromkeys(arm for _, arm in scenes):
        if experiment.regimens[experiment.arms[arm].regimen].rules:
            raise InputError(f"arms.{arm}: its regimen has dosing rules, which depend on the subject; only planned doses can be fitted.")


def _course(rows: Rows, arms: list[str], grid: Array) -> Values:
    first = rows[0][0]
    drugs, names = drugs_given(first), list(first.arms)
    return dosed_course(
        [{drug: host_pharmacokinetics(e.drugs[drug], e.host) for drug in drugs} for e, _ in rows],
        {drug: first.drugs[drug].molar_mass_g_per_mol for drug in drugs},
        [arm_doses(first, name) for name in names],
        np.array([names.index(arm) for arm in arms], np.int32),
        grid,
    )


def _burden(rows: Rows, start: Array, course: Values, h: float, resolution: Resolution) -> Array:
    """Leukaemic cells (steps + 1, rows)."""
    twins = [
        TwinRow(e.cell, leukaemia, e.drugs, float(n), e.host.carrying_capacity, e.cohort.chemosensitivity)
        for (e, leukaemia), n in zip(rows, start, strict=True)
    ]
    params = build_twin(twins, drugs_given(rows[0][0]), trait_points(resolution.cells, 1, resolution.levels), resolution.levels)
    clones = 1 + max(len(row.leukaemia.subclones) for row in twins)
    return np.asarray(simulate_twin(params, course, h, clones * resolution.levels).burden)


def _healthy(rows: Rows, course: Array, crowd: Array, h: float, resolution: Resolution) -> Array:
    """Counts of the lineages over rest, (steps + 1, rows, lineages)."""
    names = list(rows[0][0].lineages)
    if not names:
        return np.ones((len(course) + 1, len(rows), 0))
    lineages = [[e.lineages[name] for name in names] for e, _ in rows]
    points = trait_points(resolution.healthy, 1, 0, seed=7)
    twin = build_healthy_twin(lineages, [e.cell for e, _ in rows], [e.drugs for e, _ in rows], drugs_given(rows[0][0]), points)
    return np.stack(simulate_healthy(twin, course, h, crowd=crowd), axis=2)


def _marrow(rows: Rows, tissue: Array) -> dict[str, Array]:
    share = np.stack([blast_fraction(tissue[:, i], e.host) for i, (e, _) in enumerate(rows)], axis=1)
    return {"blast_fraction": share, "mrd": share}


def _blood(rows: Rows, counts: Array) -> dict[str, Array]:
    """Blood counts in their own units; lineages of one readout add up."""
    lines = list(rows[0][0].lineages)
    baseline = np.array([[e.lineages[name].baseline for name in lines] for e, _ in rows])
    values = {}
    for readout, members in by_readout(rows[0][0].lineages).items():
        chosen = [i for i, name in enumerate(lines) if rows[0][0].lineages[name] in members]
        values[readout] = (counts * baseline)[:, :, chosen].sum(axis=2)
    white = [i for i, name in enumerate(lines) if rows[0][0].lineages[name].white_cell_share > 0.0]
    if len(white) > 1:
        per_litre = np.array([[e.lineages[lines[i]].cells_per_unit for i in white] for e, _ in rows])
        share = sum(rows[0][0].lineages[lines[i]].white_cell_share for i in white)
        values[LEUKOCYTES] = (counts[:, :, white] * baseline[:, white] * per_litre).sum(axis=2) / share / 1e9
    return values
