"""Mechanisms of resistance in the xenograft model: numbers, cells, books, populations, refused choices."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.clones import CloneLayout
from abm.engine.packets import sum_by_clone, total_count
from abm.engine.program import Carry
from abm.errors import InputError
from abm.models.mutation import means_of_kinds, mutation_params
from abm.models.xenograft_setup import capacity_for, capacity_of, clone_layout, clone_means, clone_mechanisms
from abm.parameters.experiment import Experiment
from tests.false_alarm import z_bound
from tests.small_trial import MUTATION as RATES
from tests.small_trial import chosen, mutating, small_experiment, small_simulation


@functools.cache
def experiment() -> Experiment:
    """One subject with a subclone, left untreated, whose cells mutate often."""
    base = mutating(small_experiment(subjects=1, arms=("vehicle",)))
    return dataclasses.replace(base, engine=dataclasses.replace(base.engine, devices=1))


@functools.cache
def whole() -> tuple[Carry, Carry]:
    """State at the start and after four days, of the first arm of a trial whose compiled program other tests use as well."""
    simulation = small_simulation(mutating(small_experiment(subjects=1)))
    start = simulation.carry()
    simulation.run_to(simulation.grid.steps)
    return chosen(start, [0]), chosen(simulation.carry(), [0])


def test_every_cell_is_accounted_for() -> None:
    start, end = whole()
    tally, n_clones = end.tally, clone_layout(experiment()).n_clones
    columns = np.stack([np.asarray(sum_by_clone(c, end.packets.clone, n_clones)) for c in end.packets.counts], axis=2)
    np.testing.assert_array_equal(columns, tally.cells)
    net = tally.moves.sum(axis=2) - tally.moves.sum(axis=3)
    arrived = np.zeros_like(tally.cells)
    arrived[:, :, 0] = tally.births + tally.gained - tally.lost
    np.testing.assert_array_equal(start.tally.cells + arrived - tally.deaths + net, tally.cells)
    assert tally.births.min() >= 0
    assert tally.lost.sum() == tally.gained[:, :2].sum() == 0
    assert end.rows.clones.unplaced.sum() == end.rows.clones.joined.sum() == 0


def test_divisions_mutate_as_often_as_they_should() -> None:
    """Of n divisions of cells without mechanisms a share u mutates: binomial, cells of mutants may acquire the other mechanism."""
    tally, layout = whole()[1].tally, clone_layout(experiment())
    by_mechanism = [int(tally.gained[:, layout.mechanism_of == m].sum()) for m in range(2)]
    divisions = int(tally.births.sum() + tally.gained.sum())
    for gained, (name, rate) in zip(by_mechanism, RATES.items(), strict=True):
        # Cells that have it already divide without acquiring it: at most the share of mutants, which is below 8 % after four days.
        assert gained > divisions * rate * 0.92 - z_bound() * np.sqrt(divisions * rate), name
        assert gained < divisions * rate + z_bound() * np.sqrt(divisions * rate), name


def test_cells_have_the_traits_of_their_mechanisms() -> None:
    packets, layout = whole()[1].packets, clone_layout(experiment())
    live = np.asarray(total_count(packets)) > 0
    kind, clone = np.asarray(packets.kind)[live], np.asarray(packets.clone)[live]
    lost, mutated = layout.has(kind, 0), layout.has(kind, 1)
    assert lost.any()
    assert mutated.any()
    assert (kind >= 2).sum() > 5
    assert np.array_equal(np.asarray(packets.traits.competence)[live] == 0.0, lost)
    founder = np.where(kind % 2 == 1, 30.0, 1.0)
    assert np.asarray(packets.traits.bcl2_ki_factor)[live] == pytest.approx(founder * np.where(mutated, 180.0, 1.0))
    assert np.array_equal(layout.mechanism_of[clone] < 0, kind < 2)


def test_clones_of_single_mutations_tell_their_mother() -> None:
    table, layout = whole()[1].rows.clones, clone_layout(experiment())
    own = (layout.mechanism_of >= 0) & ~layout.pooled
    assert table.origins[:, own].max() == 1
    assert np.all((table.birth_day > 0.0) == (table.origins > 0)[:, :] & (layout.mechanism_of >= 0)[None, :])
    np.testing.assert_array_equal(table.origins[:, layout.pooled], whole()[1].tally.gained[:, layout.pooled])


def test_rows_of_the_table_by_name() -> None:
    layout = clone_layout(experiment())
    names = clone_mechanisms(experiment())["bmf_competent"]
    assert (layout.founders, layout.mechanisms, len(names)) == (2, 2, layout.n_clones)
    assert names[:2] == ["founder", "resistant"]
    assert [names.count(name) for name in RATES] == [5, 5]
    without = dataclasses.replace(experiment(), cohort=dataclasses.replace(experiment().cohort, resistance=[]))
    assert clone_layout(without).n_clones == 2
    assert capacity_of(without) == capacity_for(48) < capacity_of(experiment())


def test_means_of_kinds_are_products_of_factors() -> None:
    given = experiment()
    layout = CloneLayout(2, 2)
    params = mutation_params(list(given.mechanisms.values()), layout)
    founders = clone_means(given.leukaemias["bmf_competent"], 100.0, 2)
    means = means_of_kinds(founders, params, layout)
    assert means.bcl2_ki_factor.tolist() == [1.0, 30.0, 1.0, 30.0, 180.0, 5400.0, 180.0, 5400.0]
    assert (means.competence > 0.0).tolist() == [True, True, False, False, True, True, False, False]
    assert params.unmutated == pytest.approx([0.94, 0.94, 0.98, 0.98, 0.96, 0.96, 1.0, 1.0])
    assert means.bcl2 == pytest.approx(np.tile(founders.bcl2, 4))


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["cohort.resistance=[bmf_los]"], "unknown mechanism of resistance 'bmf_los'. Did you mean 'bmf_loss'"),
        (["cohort.resistance=[bmf_loss,bmf_loss]"], "'bmf_loss' is listed twice"),
        (["cohort.resistance=[bmf_loss,bax_loss]", *(f"mechanisms.{m}.mutation_per_division=0.7" for m in ("bmf_loss", "bax_loss"))], "add up to 1.4"),
        (["cohort.resistance=[bmf_loss]", "mechanisms.bmf_loss.mutation_per_division=1.5"], "at most 1"),
        (["experiment=claim_robustness", "cohort.resistance=[bmf_loss]"], "without mutation"),
    ],
)
def test_choices_that_cannot_be_run_are_refused(overrides: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        build(compose(overrides))


def test_only_the_chosen_mechanisms_are_kept() -> None:
    assert list(build(compose(["cohort.resistance=[mcl1_up]"])).mechanisms) == ["mcl1_up"]
    assert build(compose([])).mechanisms == {}
