"""A small trial of the xenograft model that tests can run in seconds, piece by piece."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.batches import Batches
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import make_grid
from abm.models import engraftment, xenograft_setup
from abm.models.xenograft import Xenograft
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Subclone
from abm.records import enable_pytrees
from abm.subject import cohort_subjects

PACKETS = 48
CELLS = 2000.0
MUTATION = {"bmf_loss": 0.04, "bcl2_g101v": 0.02}
RESISTANT = Subclone(
    mechanism="resistant",
    fraction=0.01,
    bcl2_factor=1.0,
    bclxl_factor=1.0,
    mcl1_factor=1.0,
    bim_factor=1.0,
    bmf_competence_factor=0.3,
    set_point_factor=1.0,
    bcl2_ki_factor=30.0,
    mtorc1_response=0.8,
    death_factor=0.7,
    division_factor=0.9,
)


@functools.cache
def shipped(*overrides: str) -> Experiment:
    """An experiment of the library; records are frozen, so that one serves all."""
    return build(compose(list(overrides)))


def small_experiment(
    subjects: int = 2, arms: tuple[str, ...] = ("vehicle", "combination"), packets: int = PACKETS, *, blood: bool = False, **engine: float
) -> Experiment:
    """One leukaemia with a resistant subclone; arms bear the names of their regimens.

    Healthy lineages double the time to compile: only what is about them has them.
    """
    enable_pytrees()
    base = shipped("experiment=pdx_trial")
    name, leukaemia = base.cohort.leukaemias[0], base.leukaemias[base.cohort.leukaemias[0]]
    return dataclasses.replace(
        base,
        engine=dataclasses.replace(base.engine, packets=packets, strata=4, **engine),
        host=dataclasses.replace(base.host, injected_cells=CELLS * 5.0, seeding_fraction=0.2),
        cohort=dataclasses.replace(base.cohort, subjects=subjects, leukaemias=[name]),
        leukaemias={name: dataclasses.replace(leukaemia, subclones={"resistant": RESISTANT})},
        lineages=base.lineages if blood else {},
        arms={key: value for key, value in base.arms.items() if key in arms},
    )


def mutating(experiment: Experiment, rates: dict[str, float] = MUTATION) -> Experiment:
    """The same experiment whose cells acquire resistance, so often that mutants are seen in days."""
    library = shipped(f"cohort.resistance=[{','.join(rates)}]").mechanisms
    return dataclasses.replace(
        experiment,
        mechanisms={name: dataclasses.replace(library[name], mutation_per_division=rate) for name, rate in rates.items()},
        cohort=dataclasses.replace(experiment.cohort, resistance=list(rates)),
        engine=dataclasses.replace(experiment.engine, clones=2),
    )


def small_simulation(
    experiment: Experiment, *, capacity: int | None = None, days: float = 4.0, carry: Carry | None = None, step: int = 0, batches: int | None = None
) -> Batches:
    """Every subject in every arm, straight after engraftment; without a number of `batches` two rows in each, so that trials of any size share a program."""
    names = tuple(experiment.cohort.leukaemias)
    subjects = cohort_subjects(experiment.seed, names, experiment.cohort.subjects)
    arms, n = len(experiment.arms), len(subjects.labels)
    source = np.tile(np.arange(n), arms)
    rows = xenograft_setup.Rows(subjects.keys[source], tuple(subjects.leukaemias[i] for i in source), np.repeat(np.arange(arms, dtype=np.int32), n))
    engine = experiment.engine
    grid = make_grid(days, engine.dt_hours, engine.window_hours, engine.packing_hours)
    layout = xenograft_setup.clone_layout(experiment)
    params = xenograft_setup.build_params(experiment, rows, layout.founders, grid.times)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    if carry is None:
        packets, seeded = engraftment.engraft(experiment, subjects, layout.founders, capacity or xenograft_setup.capacity_of(experiment))
        carry = start_carry(model, jax.tree.map(lambda x: np.asarray(x)[source], packets), xenograft_setup.start_rows(params, experiment, seeded[source]))
    return Batches(batches or max(1, len(source) // 2), model, engine.packets, params, xenograft_setup.param_axes(params), rows.keys, carry, grid, step=step)


def run_small(experiment: Experiment, **settings: Any) -> Carry:
    """State after four days."""
    simulation = small_simulation(experiment, **settings)
    simulation.run_to(simulation.grid.steps)
    return simulation.carry()


def chosen(carry: Carry, rows: list[int]) -> Carry:
    """Some rows of a state."""
    picked: Carry = jax.tree.map(lambda x: np.asarray(x)[rows], carry)
    return picked


def differences(one: Any, other: Any) -> list[str]:
    """Paths of the arrays that are not equal to the bit."""
    found = []
    leaves = jax.tree_util.tree_leaves_with_path(one)
    for (path, x), y in zip(leaves, jax.tree.leaves(other), strict=True):
        if x.dtype != y.dtype or x.shape != y.shape or np.asarray(x).tobytes() != np.asarray(y).tobytes():
            found.append(jax.tree_util.keystr(path))
    return found
