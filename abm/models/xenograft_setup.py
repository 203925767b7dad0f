"""From an experiment to the numbers, the rows and the first packets of the xenograft model."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.biology.heredity import mean_traits
from abm.biology.proliferation import balanced_growth
from abm.cells import FACTORS, Traits
from abm.engine.clones import CloneLayout, empty_table
from abm.engine.mutation import GROUPS
from abm.models.donors import donor_params, no_donors
from abm.models.factors import factors_in_use, only, trait_factors, wild_type
from abm.models.growth_factors import growth_folds
from abm.models.healthy import healthy_at_rest, healthy_params
from abm.models.individuals import Individual, individuals, typical_leukaemia
from abm.models.mutation import means_of_kinds, mutation_params
from abm.models.sanctuary import penetrations, sanctuary_of
from abm.models.xenograft import ExposureRecord, GrowthParams, HostParams, RowState, XenograftParams
from abm.parameters.cell import Cell
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.pharmacology.action import TargetTable, free_factor, target_table
from abm.pharmacology.compartments import IndividualPk, individual_parameters
from abm.pharmacology.covariates import host_pharmacokinetics
from abm.pharmacology.exposure import ROW_AXIS, ExposurePlan, concentration_nm, plan_exposure
from abm.pharmacology.plan_shapes import with_room
from abm.pharmacology.regimen import Dose, expand, track_names
from abm.streams import subject_uniforms

FOUNDER = "founder"


@dataclasses.dataclass(frozen=True)
class Rows:
    """What stands in each row: a subject under an arm (or in its lead-in, arm 0 of none)."""

    keys: np.ndarray  # uint32 (rows, 2)
    leukaemias: tuple[str, ...]  # of each row
    arm: np.ndarray  # int32 (rows,)


def clone_layout(experiment: Experiment) -> CloneLayout:
    """Rows of the clone table: the founder and most subclones of any leukaemia, then those of the mechanisms."""
    longest = max(len(experiment.leukaemias[name].subclones) for name in experiment.cohort.leukaemias)
    chosen = experiment.cohort.resistance
    switching = tuple(i for i, name in enumerate(chosen) if experiment.mechanisms[name].switches)
    sanctuary = sanctuary_of([experiment.mechanisms[name] for name in chosen])
    return CloneLayout(1 + longest, len(chosen), experiment.engine.clones, switching, sanctuary)


def sanctuary_names(experiment: Experiment) -> tuple[str, ...]:
    """Mechanisms of the experiment that are a compartment outside marrow and blood."""
    return tuple(name for name in experiment.cohort.resistance if experiment.mechanisms[name].compartment != "marrow")


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
    """Mean traits of each clone, every factor present, float32 (clones,); missing clones repeat the founder."""
    founder = wild_type(mean_traits(leukaemia.traits, reference_nm))._replace(bim_response=leukaemia.bim_response)
    clones = [founder, *(jax.tree.map(lambda mean, factor: mean * factor, founder, trait_factors(s)) for s in leukaemia.subclones.values())]
    clones += [founder] * (n_clones - len(clones))
    return jax.tree.map(lambda *values: np.array(values, np.float32), *clones)


def factors_of(experiment: Experiment) -> tuple[str, ...]:
    """Factors that some kind of cells of the experiment changes; the others are absent from the traits."""
    leukaemias = [typical_leukaemia(experiment, name) for name in experiment.cohort.leukaemias]
    subclones = [s for leukaemia in leukaemias for s in leukaemia.subclones.values()]
    changed = factors_in_use([*subclones, *(experiment.mechanisms[name] for name in experiment.cohort.resistance)])
    felt = any(leukaemia.bim_response != 1.0 for leukaemia in leukaemias)
    return tuple(name for name in FACTORS if name in changed or (felt and name == "bim_response"))


def _growth_params(subjects: list[Individual], *, differ: bool) -> GrowthParams:
    """Kinetics of the subject of every row; `differ` says whether cells switch and subjects differ in it."""
    columns = []
    for subject in subjects:
        g = subject.leukaemia.growth
        leave = balanced_growth(g)[1]
        numbers = [subject.division_per_day, g.death_per_day, leave, g.quiescent_to_cycling_per_day, g.quiescent_fraction]
        columns.append([*numbers, subject.leukaemia.traits.set_point_cv, subject.chemosensitivity])
    growth = GrowthParams(*(np.array(c, np.float32)[:, None] for c in zip(*columns, strict=True)))
    return growth._replace(tolerance=np.array([[s.tolerance] for s in subjects])) if differ else growth


def individual_pk(experiment: Experiment, drugs: list[str], rows: Rows) -> IndividualPk:
    """Pharmacokinetics of each row; the deviations belong to subject and drug, not to the arm."""
    host = experiment.host
    per_drug = []
    for drug in drugs:
        normals = np.stack([ndtri(subject_uniforms(key, f"pharmacokinetics/{drug}", 2)) for key in rows.keys])
        per_drug.append(individual_parameters(host_pharmacokinetics(experiment.drugs[drug], host), normals))
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


def _healthy_params(experiment: Experiment, cell: Cell) -> Any:
    """Numbers of the lineages, () in a host without any; the pool of stem cells is that of the host's species, if it is followed."""
    if not experiment.lineages:
        return ()
    pool = next(iter(experiment.stem_cells.values()), None)
    numbers = healthy_params(experiment.lineages, cell, experiment.host.blood_volume_l, experiment.engine.strata, pool)
    growth = growth_folds(experiment.drugs, drugs_given(experiment), experiment.lineages)
    return numbers._replace(growth=growth, donors=donor_params(experiment.products.values(), experiment.lineages))


def build_params(experiment: Experiment, rows: Rows, n_clones: int, grid_days: np.ndarray) -> XenograftParams:
    """All numbers of the model for the rows; `grid_days` is the grid of the trial, on which doses are given."""
    host, cell = experiment.host, cell_params(experiment.cell)
    drugs = drugs_given(experiment)
    tracks = arm_tracks(experiment)
    doses = [_doses(experiment, arm, track) for arm, track in tracks]
    first_track = np.array([[arm for arm, _ in tracks].index(name) for name in experiment.arms], np.int32)[rows.arm]
    masses = [experiment.drugs[d].molar_mass_g_per_mol for d in drugs]
    pk = individual_pk(experiment, drugs, rows)
    plan = plan_exposure(pk, drugs=drugs, molar_mass_g_per_mol=masses, doses=doses, track_of_row=first_track, grid_days=grid_days)
    layout = clone_layout(experiment)
    mutation: Any = ()
    if layout.mechanisms:
        mutation = mutation_params([experiment.mechanisms[name] for name in experiment.cohort.resistance], layout)
    subjects = individuals(experiment, rows.keys, rows.leukaemias)
    means = _row_means(experiment, subjects, n_clones, mutation)
    if layout.mechanisms:
        mutation = mutation._replace(factors=only(mutation.factors, factors_of(experiment)))
    return XenograftParams(
        cell=cell,
        host=HostParams(
            *(
                np.float64(x)
                for x in (
                    host.carrying_capacity,
                    host.halving_burden,
                    host.egress_at_half_cd45_per_day,
                    host.burden_at_half_cd45,
                    host.egress_exponent,
                    1.0 / host.blood_residence_days,
                )
            )
        ),
        growth=_growth_params(subjects, differ=bool(layout.switching) and experiment.cohort.variability.tolerance > 0.0),
        means=means,
        healthy=_healthy_params(experiment, cell),
        targets=target_table(experiment.drugs, drugs),
        free=np.array([free_factor(host_pharmacokinetics(experiment.drugs[d], host)) for d in drugs], np.float64),
        exposure=with_room(plan),
        first_track=first_track,
        mutation=mutation,
        penetration=_penetration(experiment, drugs),
        inside=layout.has(np.arange(layout.kinds), layout.sanctuary) if layout.sanctuary >= 0 else (),
    )


def _row_means(experiment: Experiment, subjects: list[Individual], n_clones: int, mutation: Any) -> Traits:
    """Mean traits of the clones, or kinds where cells mutate, of each row's leukaemia, float32 (rows, clones or kinds)."""
    layout, reference = clone_layout(experiment), experiment.cell.amounts.reference_nm
    known: dict[int, Traits] = {}  # subjects that are alike share one leukaemia
    own = [subject.leukaemia for subject in subjects]
    for leukaemia in own:
        if id(leukaemia) not in known:
            founders = clone_means(leukaemia, reference, n_clones)
            known[id(leukaemia)] = means_of_kinds(founders, mutation, layout) if layout.mechanisms else founders
    return only(jax.tree.map(lambda *values: np.stack(values), *(known[id(leukaemia)] for leukaemia in own)), factors_of(experiment))


def _penetration(experiment: Experiment, drugs: list[str]) -> Any:
    sanctuary = clone_layout(experiment).sanctuary
    if sanctuary < 0:
        return ()
    kinetics = [host_pharmacokinetics(experiment.drugs[d], experiment.host) for d in drugs]
    return penetrations(experiment.mechanisms[experiment.cohort.resistance[sanctuary]], kinetics)


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
        penetration=none(params.penetration),
        inside=none(params.inside),
    )


def start_rows(params: XenograftParams, experiment: Experiment, burden: np.ndarray, *, treated: bool = True) -> RowState:
    """Row state at the start: blood at rest, initial doses given; with `treated` false no dose is ever given."""
    rows, drugs = len(burden), params.exposure.to_nm.shape[1]
    layout = clone_layout(experiment)
    empty, gate = np.zeros((rows, drugs)), np.full((rows, drugs), float(treated))
    drug_state = np.asarray(params.exposure.initial_state) * gate[:, :, None]
    now = np.asarray(concentration_nm(drug_state, params.exposure))
    return RowState(
        drug_state=drug_state,
        occupied=empty,
        gate=gate,
        record=ExposureRecord(now=now, auc=empty, c_max=now, c_trough=np.asarray(params.exposure.initial_trough) * gate),
        healthy=healthy_at_rest(params.healthy, params.cell, rows, experiment.engine.strata) if params.healthy else (),
        burden=burden,
        clones=empty_table(layout, rows) if layout.mechanisms else (),
        occupied_inside=empty if layout.sanctuary >= 0 else (),
        track=params.first_track,
        donors=no_donors(rows, len(experiment.lineages), experiment.engine.strata) if params.healthy and params.healthy.donors else (),
    )


def capacity_of(experiment: Experiment) -> int:
    """Places for packets of a trial: where cells mutate or switch, with room for those that do between two packings."""
    engine, layout = experiment.engine, clone_layout(experiment)
    windows = int(np.ceil(engine.packing_hours / engine.window_hours))
    groups = GROUPS * (layout.founders * layout.mechanisms + (layout.founders + layout.mechanisms) * len(layout.switching))
    return capacity_for(engine.packets) + 2 * windows * groups


def capacity_for(resolution: int) -> int:
    """Places for packets; even, because merging works on neighbouring pairs."""
    return resolution + resolution % 2
