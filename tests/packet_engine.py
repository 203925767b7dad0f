"""The packet engine under the numbers of the reference: same cells, same exposure, as one call.

Concentrations are constant from day 0: an intravenous dose of a drug that is never
cleared.  Every founder is a packet of one cell with its own traits, as in the reference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.biology.heredity import express
from abm.biology.intracellular import resting_state
from abm.engine.packets import Packets, new_packets, sum_by_clone, total_count
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.models import xenograft_setup
from abm.models.xenograft import Xenograft, XenograftParams
from abm.parameters.drug import Drug
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.regimen import Arm, DoseEvent, Regimen
from abm.records import enable_pytrees
from abm.streams import subject_generator
from abm.subject import cohort_subjects
from abm.verification.step_study import one_litre
from tests import seeds
from tests.reference_parameters import Parameters
from tests.small_trial import shipped

NAME = "typical"
# Room for a subclone also where there is none, so that all conditions share programs.
_CLONES = 2


class Numerics(NamedTuple):
    """Settings that must not matter."""

    packets: int = 1024
    dt_hours: float = 1.0
    window_hours: float = 1.0
    packing_hours: float = 1.0


class Series(NamedTuple):
    """Numbers of cells, (times, subjects, ...), int64."""

    count: np.ndarray  # by column
    births: np.ndarray
    deaths: np.ndarray
    clones: np.ndarray
    packets: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Cells of every subject, (times, subjects)."""
        return np.asarray(self.count.sum(axis=2))


def experiment_with(given: Parameters, free_nm: Mapping[str, float], numerics: Numerics, subjects: int, seed: int) -> Experiment:
    """The numbers of the reference as an experiment with one arm, without healthy blood, of which leukaemic cells know nothing."""
    enable_pytrees()
    base = shipped()
    drugs = {name: dataclasses.replace(drug, pharmacokinetics={given.host.species: one_litre(0.0)}) for name, drug in given.drugs.items()}
    return dataclasses.replace(
        base,
        seed=seed,
        engine=dataclasses.replace(base.engine, strata=1, **numerics._asdict()),
        host=given.host,
        cell=given.cell,
        cohort=dataclasses.replace(base.cohort, subjects=subjects, leukaemias=[NAME]),
        leukaemias={NAME: given.leukaemia},
        lineages={},
        drugs=drugs,
        regimens={"constant": Regimen(label="constant", events=[_dose(name, drugs[name], free_nm.get(name, 0.0)) for name in drugs])},
        arms={"constant": Arm(regimen="constant")},
    )


def _dose(name: str, drug: Drug, free_nm: float) -> DoseEvent:
    """Dose that gives `free_nm` in one litre."""
    amount = free_nm * drug.molar_mass_g_per_mol * 1e-6
    return DoseEvent(drug=name, day=0.0, amount=amount, amount_unit="mg", duration_h=0.0, interval_days=1.0, additional=0, skip_days=[])


def single_cells(experiment: Experiment, leukaemia: Leukaemia, keys: np.ndarray, cells: int, n_clones: int, capacity: int) -> Packets:
    """Packets of one cell each, split over clones and conditions by largest remainder, with independent traits."""
    rows = len(keys)
    rest = 1.0 - sum(s.fraction for s in leukaemia.subclones.values())
    per_clone = [round(cells * f) for f in (rest, *(s.fraction for s in leukaemia.subclones.values()))]
    clone = np.repeat(np.arange(len(per_clone)), per_clone)
    quiescent = np.concatenate([np.arange(n) >= n - round(n * leukaemia.growth.quiescent_fraction) for n in per_clone])
    z = np.stack([subject_generator(key, "founders").standard_normal((7, cells)) for key in keys], axis=1).astype(np.float32)
    mean = jax.tree.map(lambda m: m[clone][None, :], xenograft_setup.clone_means(leukaemia, experiment.cell.amounts.reference_nm, n_clones))
    cell = xenograft_setup.cell_params(experiment.cell)
    cvs = [np.float32(x) for x in (leukaemia.traits.bmf_competence_cv, leukaemia.traits.set_point_cv)]
    traits = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x, jnp.float32), (rows, cells)), express(mean, list(z), cell.amounts, *cvs))
    wide = np.broadcast_to(quiescent, (rows, cells))
    counts = [(~wide).astype(float), wide.astype(float), np.zeros((rows, cells))]
    return new_packets(counts, np.broadcast_to(clone, (rows, cells)), traits, resting_state(traits, cell), capacity)


def run_packets(
    given: Parameters, free_nm: Mapping[str, float], *, cells: int, subjects: int, times_days: Sequence[float], numerics: Numerics, seed: int = 1
) -> tuple[Series, Carry]:
    """`subjects` subjects with `cells` founders under constant free concentrations; numbers at `times_days`, and the state at the end."""
    seed = seeds.seed(seed)
    experiment = experiment_with(given, free_nm, numerics, subjects, seed)
    table = cohort_subjects(seed, (NAME,), subjects)
    rows = xenograft_setup.Rows(table.keys, table.leukaemias, np.zeros(subjects, np.int32))
    n_clones = _CLONES
    grid = make_grid(times_days[-1], numerics.dt_hours, numerics.window_hours, numerics.packing_hours)
    params: XenograftParams = xenograft_setup.build_params(experiment, rows, n_clones, grid.times)
    packets = single_cells(experiment, given.leukaemia, table.keys, cells, n_clones, xenograft_setup.capacity_for(max(numerics.packets, cells)))
    model = Xenograft(n_clones=n_clones)
    start = start_carry(model, packets, xenograft_setup.start_rows(params, experiment, np.full(subjects, float(cells))))
    simulation = Simulation(model, numerics.packets, params, xenograft_setup.param_axes(params), table.keys, start, grid)
    seen = []
    for day in times_days:
        simulation.run_to(grid.index(day))
        seen.append(simulation.observe(_numbers))
    series = Series(*(np.stack([s[i] for s in seen]) for i in range(5)))
    return series._replace(clones=series.clones[:, :, : 1 + len(given.leukaemia.subclones)]), simulation.carry()


def _numbers(params: Any, carry: Carry) -> tuple[jax.Array, ...]:
    count = jnp.stack([jnp.sum(c, axis=1) for c in carry.packets.counts], axis=1).astype(jnp.int64)
    by_clone = sum_by_clone(total_count(carry.packets), carry.packets.clone, carry.tally.births.shape[1]).astype(jnp.int64)
    return count, jnp.sum(carry.tally.births, axis=1), jnp.sum(carry.tally.deaths, axis=(1, 2)), by_clone, carry.stats.packets
