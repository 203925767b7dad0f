"""Reversible states in the xenograft model: cells, books and populations; files of the library."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.packets import total_count
from abm.engine.program import Carry
from abm.models.mutation import means_of_kinds, mutation_params
from abm.models.xenograft_setup import capacity_of, clone_layout, clone_means, clone_mechanisms
from abm.parameters.experiment import Experiment
from tests.small_trial import mutating, small_experiment, small_simulation

NAME = "bmf_competent"


@functools.cache
def experiment() -> Experiment:
    """One subject, left untreated, whose cells switch often between the persister state and the other."""
    base = mutating(small_experiment(subjects=1, arms=("vehicle",)), {"persister": 0.0})
    persister = dataclasses.replace(base.mechanisms["persister"], switch_on_per_day=0.2, switch_off_per_day=0.3, bmf_competence_factor=0.5)
    return dataclasses.replace(base, engine=dataclasses.replace(base.engine, devices=1), mechanisms={"persister": persister})


@functools.cache
def course() -> tuple[Carry, Carry]:
    """State at the start and after four days."""
    simulation = small_simulation(experiment())
    start = simulation.carry()
    simulation.run_to(simulation.grid.steps)
    return start, simulation.carry()


def test_every_cell_that_switches_is_accounted_for_in_its_column() -> None:
    start, end = course()
    tally, layout = end.tally, clone_layout(experiment())
    net = tally.moves.sum(axis=2) - tally.moves.sum(axis=3)
    born = np.zeros_like(tally.cells)
    born[:, :, 0] = tally.births + tally.gained - tally.lost
    np.testing.assert_array_equal(start.tally.cells + born - tally.deaths + net + tally.arrived - tally.left, tally.cells)
    assert tally.gained.sum() == tally.lost.sum() == 0
    assert np.all(tally.arrived.sum(axis=1)[:, :2] > 0)
    np.testing.assert_array_equal(tally.arrived.sum(axis=1), tally.left.sum(axis=1))
    assert end.rows.clones.unplaced.sum() == 0
    names = np.array(clone_mechanisms(experiment())[NAME])
    persisters = tally.cells.sum(axis=2)[0, names == "persister"].sum()
    assert persisters == np.where(np.asarray(end.packets.kind)[0] >= layout.founders, np.asarray(total_count(end.packets))[0], 0).sum() > 100


def test_a_cell_that_has_switched_back_is_what_it_was() -> None:
    """Factors are those of the kind, to the bit; the competence, which is never redrawn, is one of the founders' or half of it."""
    start, end = (carry.packets for carry in course())
    layout, given = clone_layout(experiment()), experiment()
    params = mutation_params(list(given.mechanisms.values()), layout)
    means = means_of_kinds(clone_means(given.leukaemias[NAME], given.cell.amounts.reference_nm, layout.founders), params, layout)
    live = np.asarray(total_count(end)) > 0
    kind = np.asarray(end.kind)[live]
    assert len(set(kind.tolist())) == 4
    for name in ("division_factor", "death_factor", "cytotoxic_factor", "bcl2_ki_factor", "mtorc1_response"):
        assert np.array_equal(np.asarray(getattr(end.traits, name))[live], getattr(means, name)[kind]), name
    assert isinstance(end.traits.bim_response, tuple)
    competence = np.asarray(end.traits.competence)[live] / np.where(kind >= layout.founders, np.float32(0.5), np.float32(1.0))
    assert set(competence.tolist()) <= set(np.asarray(start.traits.competence)[np.asarray(total_count(start)) > 0].tolist())


def test_a_mechanism_without_hazards_of_switching_is_one_that_does_not_switch() -> None:
    """Nothing of switching is in its program: same layout, same places, same numbers."""
    switched = experiment()
    still = dataclasses.replace(switched.mechanisms["persister"], switch_on_per_day=0.0, switch_off_per_day=0.0)
    off = dataclasses.replace(switched, mechanisms={"persister": still})
    assert clone_layout(switched).switching == (0,)
    assert clone_layout(off).switching == ()
    assert capacity_of(off) < capacity_of(switched)
    assert jax.tree.leaves(mutation_params([still], clone_layout(off)).on)[0].size == 0


@pytest.mark.parametrize(
    ("name", "trait"),
    [("persister", "cytotoxic_factor"), ("persister", "baseline_death_factor"), ("nr3c1_loss", "bim_response"), ("nt5c2", "thiopurine_response")],
)
def test_files_of_the_library_carry_their_factor(name: str, trait: str) -> None:
    mechanism = build(compose([f"cohort.resistance=[{name}]"])).mechanisms[name]
    assert getattr(mechanism, trait) < 1.0
    assert mechanism.switches == (name == "persister")


def test_persisters_are_a_small_share_of_a_growing_leukaemia() -> None:
    """Share in balance: the eigenvector of growth and switching, at the growth of the mouse and of a slower leukaemia."""
    persister = build(compose(["cohort.resistance=[persister]"])).mechanisms["persister"]
    for net, share in ((0.277, 0.00048), (0.05, 0.00152)):
        division, death = net + 0.02, 0.02
        on, off = persister.switch_on_per_day, persister.switch_off_per_day
        growth = np.array([[division - death - on, off], [on, division * persister.division_factor - death * persister.baseline_death_factor - off]])
        values, vectors = np.linalg.eig(growth)
        leading = np.abs(vectors[:, np.argmax(values)])
        assert leading[1] / leading.sum() == pytest.approx(share, rel=0.05)
