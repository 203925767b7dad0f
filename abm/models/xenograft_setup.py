"""From an experiment to the numbers, the rows and the first packets of the xenograft model."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from abm.biology.heredity import N_NORMALS, express, mean_traits
from abm.biology.intracellular import resting_state
from abm.biology.proliferation import balanced_growth
from abm.cells import Traits
from abm.engine.clones import CloneLayout, empty_table
from abm.engine.mutation import GROUPS
from abm.engine.packets import Packets, new_packets
from abm.engine.packing import clone_shares
from abm.models.healthy import healthy_at_rest, healthy_params
from abm.models.mutation import means_of_kinds, mutation_params, trait_factors
from abm.models.xenograft import ExposureRecord, GrowthParams, HostParams, RowState, XenograftParams
from abm.parameters.cell import Amounts, Cell
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.pharmacology.action import TargetTable, free_factor, target_table
from abm.pharmacology.compartments import CENTRAL, IndividualPk, individual_parameters
from abm.pharmacology.exposure import ROW_AXIS, ExposurePlan, plan_exposure
from abm.pharmacology.plan_shapes import with_room
from abm.pharmacology.regimen import Dose, expand, track_names
from abm.streams import subject_generator, subject_uniforms
from abm.subject import SubjectTable

FOUNDER = "founder"

# Compiled as a whole: operation by operation they would take seconds to start.
_express = jax.jit(express)
_clone_shares = jax.jit(clone_shares, static_argnums=1)


@dataclasses.dataclass(frozen=True)
class Rows:
    """What stands in each row: a subject under an arm (or in its lead-in, arm 0 of none)."""

    keys: np.ndarray  # uint32 (rows, 2)
    leukaemias: tuple[str, ...]  # of each row
    arm: np.ndarray  # int32 (rows,)


def clone_layout(experiment: Experiment) -> CloneLayout:
    """Rows of the clone table: the founder and most subclones of any leukaemia, then those of the mechanisms."""
    longest = max(len(experiment.leukaemias[name].subclones) for name in experiment.cohort.leukaemias)
    return CloneLayout(founders=1 + longest, mechanisms=len(experiment.cohort.resistance), own=experiment.engine.clones)


def clone_mechanisms(experiment: Experiment) -> dict[str, list[str]]:
    """Mechanism of each row of the clone table for every leukaemia, the founder first; empty where it has no such subclone."""
    layout = clone_layout(experiment)
    acquired = [experiment.cohort.resistance[m] for m in layout.mechanism_of[layout.founders :]]
    table = {}
    for name in experiment.cohort.leukaemias:
        mechanisms = [FOUNDER, *(s.mechanism for s in experiment.leukaemias[name].subclones.values())]
        table[name] = mechanisms + [""] * (layout.founders - len(mechanisms)) + acquired
    return table


def _f32(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)


def cell_params(cell: Cell) -> Cell:
    """The machinery's numbers as float32 scalars."""
    converted: Cell = _f32(cell)
    return converted


def clone_means(leukaemia: Leukaemia, reference_nm: float, n_clones: int) -> Traits:
    """Mean traits of each clone, float32 (clones,); missing clones repeat the founder."""
    founder = mean_traits(leukaemia.traits, reference_nm)
    clones = [founder, *(jax.tree.map(lambda mean, factor: mean * factor, founder, trait_factors(s)) for s in leukaemia.subclones.values())]
    clones += [founder] * (n_clones - len(clones))
    return jax.tree.map(lambda *values: np.array(values, np.float32), *clones)


def _growth_params(experiment: Experiment, rows: Rows) -> GrowthParams:
    """Kinetics per row; the division hazard differs between subjects by a log-normal factor with mean 1."""
    sigma = np.sqrt(np.log1p(experiment.host.growth_cv**2))
    columns = []
    for key, name in zip(rows.keys, rows.leukaemias, strict=True):
        leukaemia = experiment.leukaemias[name]
        b_max, leave = balanced_growth(leukaemia.growth)
        factor = np.exp(sigma * ndtri(subject_uniforms(key, "growth", 1)[0]) - 0.5 * sigma**2)
        g = leukaemia.growth
        columns.append([b_max * factor, g.death_per_day, leave, g.quiescent_to_cycling_per_day, g.quiescent_fraction, leukaemia.traits.set_point_cv])
    return GrowthParams(*(np.array(c, np.float32)[:, None] for c in zip(*columns, strict=True)))


def individual_pk(experiment: Experiment, drugs: list[str], rows: Rows) -> IndividualPk:
    """Pharmacokinetics of each row; the deviations belong to subject and drug, not to the arm."""
    host = experiment.host
    per_drug = []
    for drug in drugs:
        normals = np.stack([ndtri(subject_uniforms(key, f"pharmacokinetics/{drug}", 2)) for key in rows.keys])
        per_drug.append(individual_parameters(experiment.drugs[drug].pharmacokinetics[host.species], host.weight_kg, normals))
    return IndividualPk.stack(per_drug, rows=len(rows.keys))


def _doses(experiment: Experiment, arm: str, track: str | None) -> tuple[Dose, ...]:
    regimen, host = experiment.regimens[experiment.arms[arm].regimen], experiment.host
    return expand(regimen, until_day=experiment.trial.treatment_days, weight_kg=host.weight_kg, body_surface_m2=host.body_surface_m2, track=track)


def arm_doses(experiment: Experiment, arm: str) -> tuple[Dose, ...]:
    """Doses of an arm until treatment ends, as they are planned on the track on which its subjects start."""
    return _doses(experiment, arm, None)


def arm_tracks(experiment: Experiment) -> list[tuple[str, str]]:
    """Arm and name of every track of doses; each arm has one or more, in a row."""
    return [(name, track) for name, arm in experiment.arms.items() for track in track_names(experiment.regimens[arm.regimen])]


def drugs_given(experiment: Experiment) -> list[str]:
    """Drugs of all arms, sorted by name."""
    return sorted({event.drug for arm in experiment.arms.values() for event in experiment.regimens[arm.regimen].events})


def build_params(experiment: Experiment, rows: Rows, n_clones: int, grid_days: np.ndarray) -> XenograftParams:
    """All numbers of the model for the rows; `grid_days` is the grid of the trial, on which doses are given."""
    host, cell = experiment.host, cell_params(experiment.cell)
    drugs = drugs_given(experiment)
    tracks = arm_tracks(experiment)
    doses = [_doses(experiment, arm, track) for arm, track in tracks]
    first_track = np.array([[arm for arm, _ in tracks].index(name) for name in experiment.arms], np.int32)[rows.arm]
    masses = [experiment.drugs[d].molar_mass_g_per_mol for d in drugs]
    pk = individual_pk(experiment, drugs, rows)
    plan = plan_exposure(pk, drugs=drugs, molar_mass_g_per_mol=masses, doses=doses, arm_of_row=first_track, grid_days=grid_days)
    by_name = {name: clone_means(experiment.leukaemias[name], experiment.cell.amounts.reference_nm, n_clones) for name in set(rows.leukaemias)}
    layout = clone_layout(experiment)
    mutation: Any = ()
    if layout.mechanisms:
        mutation = mutation_params([experiment.mechanisms[name] for name in experiment.cohort.resistance], layout)
        by_name = {name: means_of_kinds(founders, mutation, layout) for name, founders in by_name.items()}
    means = jax.tree.map(lambda *values: np.stack(values), *(by_name[name] for name in rows.leukaemias))
    return XenograftParams(
        cell=cell,
        host=HostParams(
            *(
                np.float64(x)
                for x in (
                    host.carrying_capacity,
                    host.crowding_half_burden,
                    host.egress_at_half_cd45_per_day,
                    host.burden_at_half_cd45,
                    host.egress_exponent,
                    1.0 / host.blood_residence_days,
                )
            )
        ),
        growth=_growth_params(experiment, rows),
        means=means,
        healthy=healthy_params(experiment.lineages, cell, host.blood_volume_l, experiment.engine.strata) if experiment.lineages else (),
        targets=target_table(experiment.drugs, drugs),
        free=np.array([free_factor(experiment.drugs[d].pharmacokinetics[host.species]) for d in drugs], np.float64),
        exposure=with_room(plan),
        first_track=first_track,
        mutation=mutation,
    )


def param_axes(params: XenograftParams) -> XenograftParams:
    """Axis of each number that runs over rows, -1 where there is none."""

    def none(tree: Any) -> Any:
        return jax.tree.map(lambda _: -1, tree)

    def first(tree: Any) -> Any:
        return jax.tree.map(lambda _: 0, tree)

    axes: dict[str, Any] = {name: -1 if axis is None else axis for name, axis in ROW_AXIS.items()}
    exposure = ExposurePlan(**axes)
    targets: TargetTable = none(params.targets)
    return XenograftParams(
        cell=none(params.cell),
        host=none(params.host),
        growth=first(params.growth),
        means=first(params.means),
        healthy=none(params.healthy),
        targets=targets,
        free=-1,
        exposure=exposure,
        first_track=0,
        mutation=none(params.mutation),
    )


def start_rows(params: XenograftParams, experiment: Experiment, burden: np.ndarray, *, treated: bool = True) -> RowState:
    """Row state at the start: blood at rest, initial doses given; with `treated` false no dose is ever given."""
    rows, drugs = len(burden), params.exposure.to_nm.shape[1]
    layout = clone_layout(experiment)
    empty, gate = np.zeros((rows, drugs)), np.full((rows, drugs), float(treated))
    drug_state = np.asarray(params.exposure.initial_state) * gate[:, :, None]
    now = drug_state[:, :, CENTRAL] * np.asarray(params.exposure.to_nm)
    return RowState(
        drug_state=drug_state,
        occupied=empty,
        gate=gate,
        record=ExposureRecord(now=now, auc=empty, c_max=now, c_trough=empty),
        healthy=healthy_at_rest(params.healthy, params.cell, rows, experiment.engine.strata) if params.healthy else (),
        burden=burden,
        clones=empty_table(layout, rows) if layout.mechanisms else (),
        track=params.first_track,
    )


def _deal_counts(total: int, parts: int, offset: float) -> np.ndarray:
    """Whole cells in `parts` nearly equal packets by systematic rounding."""
    return np.diff(np.floor(np.arange(parts + 1) * (total / parts) + offset))


def _founder_normals(n: int, cells: int, generator: np.random.Generator) -> np.ndarray:
    """Normals of n packets, (7, n): independent where every packet is a cell, else jittered strata of a Sobol set."""
    if cells <= n:
        return generator.standard_normal((N_NORMALS, n))
    points = qmc.Sobol(N_NORMALS, scramble=True, seed=11).random(1 << (n - 1).bit_length())[:n]
    shifted = np.mod(points + generator.random(N_NORMALS), 1.0)
    return ndtri(np.clip(shifted, 1e-9, 1.0 - 1e-9)).T


def engraft(experiment: Experiment, subjects: SubjectTable, n_clones: int, capacity: int) -> tuple[Packets, np.ndarray]:
    """Packets that seed after injection, and the number of cells of each subject.

    The seeded cells are Binomial(injected, seeding fraction); subclones share them
    multinomially; the quiescent ones are binomial in each packet.
    """
    host, resolution = experiment.host, experiment.engine.packets
    rows = len(subjects.labels)
    counts = np.zeros((2, rows, resolution))
    clone = np.zeros((rows, resolution), np.int32)
    z = np.zeros((N_NORMALS, rows, resolution))
    seeded = np.zeros(rows)
    for row, (key, name) in enumerate(zip(subjects.keys, subjects.leukaemias, strict=True)):
        leukaemia = experiment.leukaemias[name]
        generator = subject_generator(key, "engraftment")
        seeded[row] = generator.binomial(int(host.injected_cells), host.seeding_fraction)
        fractions = [s.fraction for s in leukaemia.subclones.values()]
        cells = generator.multinomial(int(seeded[row]), [1.0 - sum(fractions), *fractions])
        shares = np.asarray(_clone_shares(cells[None, :].astype(np.float64), resolution))[0].astype(int)
        place = 0
        for c, (n_cells, n_packets) in enumerate(zip(cells.tolist(), shares.tolist(), strict=True)):
            if n_cells == 0:
                continue
            here = slice(place, place + n_packets)
            dealt = _deal_counts(n_cells, n_packets, generator.random())
            quiescent = generator.binomial(dealt.astype(np.int64), leukaemia.growth.quiescent_fraction)
            counts[0, row, here], counts[1, row, here] = dealt - quiescent, quiescent
            clone[row, here] = c
            z[:, row, here] = _founder_normals(n_packets, n_cells, generator)
            place += n_packets
    traits = _expressed(experiment, subjects, clone, z, n_clones)
    fast = resting_state(traits, cell_params(experiment.cell))
    kind = clone if experiment.cohort.resistance else ()
    return new_packets([counts[0], counts[1], np.zeros_like(counts[0])], clone, traits, fast, capacity, kind), seeded


def _expressed(experiment: Experiment, subjects: SubjectTable, clone: np.ndarray, z: np.ndarray, n_clones: int) -> Traits:
    """Traits of the founders' packets, float32 (rows, packets)."""
    amounts: Amounts = _f32(experiment.cell.amounts)
    reference = experiment.cell.amounts.reference_nm
    per_row = [clone_means(experiment.leukaemias[name], reference, n_clones) for name in subjects.leukaemias]
    mean = jax.tree.map(lambda *values: np.take_along_axis(np.stack(values), clone, axis=1), *per_row)

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, np.float32)[:, None]

    traits_of = [experiment.leukaemias[name].traits for name in subjects.leukaemias]
    competence_cv, set_point_cv = column([t.bmf_competence_cv for t in traits_of]), column([t.set_point_cv for t in traits_of])
    expressed: Traits = _express(mean, list(z.astype(np.float32)), amounts, competence_cv, set_point_cv)
    return expressed


def capacity_of(experiment: Experiment) -> int:
    """Places for packets of a trial: where cells mutate, with room for the mutants that arise between two packings."""
    engine = experiment.engine
    windows = int(np.ceil(engine.packing_hours / engine.window_hours))
    groups = GROUPS * clone_layout(experiment).founders * len(experiment.cohort.resistance)
    return capacity_for(engine.packets) + 2 * windows * groups


def capacity_for(resolution: int) -> int:
    """Places for packets; even, because merging works on neighbouring pairs."""
    return resolution + resolution % 2
