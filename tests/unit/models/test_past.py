"""Mutants among the founders of a leukaemia: the law of Luria and Delbrueck, whose draw it is, and their place in the packets and the table."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from abm.biology.proliferation import balanced_growth
from abm.config.build import build
from abm.config.compose import compose
from abm.engine.clones import CloneLayout, empty_table
from abm.engine.devices import configure_jax
from abm.errors import InputError
from abm.models.engraftment import engraft
from abm.models.past import NO_PAST, Law, Past, grown_from_one_cell, pasts_of, with_past
from abm.models.xenograft_setup import capacity_of, clone_layout
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Growth
from abm.records import enable_pytrees
from abm.studies.trial import subjects_of
from abm.subject import SubjectTable
from abm.verification.exact_mutants import resistance_at_detection
from tests import false_alarm
from tests.two_types import p_of_ks

NET, DEATH = 0.1, 0.2 / 3.0  # 1/d, d / b = 0.4
BIRTH = NET + DEATH
MANY = "host.founder_cells=1e9"


def law(u: float, fitness: float = 1.0, quiescent: float = 0.0, capacity: float = np.inf, own: int = 0) -> tuple[Law, CloneLayout]:
    """One mechanism in a leukaemia that grows at NET."""
    growth = Growth(net_per_day=NET, death_per_day=DEATH, quiescent_fraction=quiescent, quiescent_to_cycling_per_day=0.1)
    layout = CloneLayout(1, 1, own=own)
    division, leave = balanced_growth(growth)
    return Law(np.array([division, fitness * division]), np.full(2, DEATH), leave, 0.1, layout.chances([u]), capacity, growth, 1.0), layout


def mutants(past: Past) -> int:
    return sum(line.cells for line in past.lines)


@functools.cache
def played(n: int, cells: int, u: float, fitness: float = 1.0, quiescent: float = 0.0, capacity: float = np.inf) -> tuple[Past, ...]:
    generator = np.random.default_rng(11)
    numbers, layout = law(u, fitness, quiescent, capacity)
    return tuple(grown_from_one_cell(numbers, layout, cells, generator) for _ in range(n))


@functools.cache
def experiment(*overrides: str) -> Experiment:
    return build(compose(["experiment=adult_chemo", "cohort.subjects=4", "engine.packets=64", *overrides]))


# The law.


def exact_law(cells: int, u: float, fitness: float, size: int) -> np.ndarray:
    """P(0), ..., P(size - 1) mutants where the others grow as their mean: a Poisson stream of clones that are born and die by chance."""
    radius = 10.0 ** (-8.0 / size)
    z = radius * np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    oldest, b = np.log(cells) / NET, fitness * BIRTH
    nodes, weights = np.polynomial.legendre.leggauss(200)
    log_g = np.zeros_like(z)
    for age, weight in zip(0.5 * oldest * (nodes + 1.0), 0.5 * oldest * weights, strict=True):
        e = np.exp((b - DEATH) * age)
        clone = ((DEATH - b * z) - DEATH * (1.0 - z) * e) / ((DEATH - b * z) - b * (1.0 - z) * e)
        log_g += weight * u * BIRTH * cells * np.exp(-NET * age) * (clone - 1.0)
    return np.maximum(np.fft.irfft(np.conj(np.exp(log_g)), size) / radius ** np.arange(size), 0.0)


@pytest.mark.parametrize("fitness", [1.0, 0.8])
def test_the_number_of_mutants_follows_luria_and_delbruck(fitness: float) -> None:
    """250 leukaemias of 500 cells at 2e-3: the chance of none (Iwasa 2006) and the whole law. That the others grow by chance shifts both by less than 0.02."""
    found = np.array([mutants(past) for past in played(250, 500, 2e-3, fitness)])
    some = resistance_at_detection(500, 2e-3, BIRTH, DEATH, fitness * BIRTH, DEATH)
    probabilities = exact_law(500, 2e-3, fitness, 1024)
    assert probabilities[0] == pytest.approx(1.0 - some, abs=2e-3)
    false_alarm.proportion(int((found > 0).sum()), found.size, some, allowed=0.02, what="some mutant")
    false_alarm.p_holds(p_of_ks(found, probabilities), "law of the mutants")


def test_rare_mutations_of_very_many_cells_that_rest_in_part() -> None:
    """1e12 cells at 1e-9, 40 % quiescent: every origin is counted, u times the divisions on the way; windows allow 1 %."""
    found = played(12, 10**12, 1e-9, quiescent=0.4)
    division = law(1e-9, quiescent=0.4)[0].division[0]
    expected = len(found) * 1e-9 * 0.6 * division / NET * 1e12
    seen = sum(line.origins for past in found for line in past.lines)
    false_alarm.within(seen, expected, np.sqrt(expected), allowed=0.01 * expected, what="origins")
    # From one cell: exp(NET days) of them on average, given that the line lives.
    assert np.mean([past.days for past in found]) == pytest.approx(np.log(1e12) / NET, rel=0.05)


def test_crowding_takes_more_divisions() -> None:
    """Where divisions slow down while deaths go on, u b / (b room - d) mutations per cell that is added."""
    crowded, free = (sum(line.origins for past in played(6, 10**10, 1e-7, capacity=k) for line in past.lines) for k in (2.5e10, np.inf))
    n = np.linspace(0.0, 1e10, 100_001)
    room = 1.0 - n / 2.5e10
    expected = 6e-7 * float(np.trapezoid(BIRTH * room / (BIRTH * room - DEATH), n))
    assert expected > 1.05 * free
    false_alarm.within(crowded, expected, np.sqrt(expected), allowed=0.01 * expected, what="origins in a full host")


def test_without_growth_mutation_or_a_second_cell_there_is_no_past() -> None:
    generator = np.random.default_rng(1)
    numbers, layout = law(0.0)
    assert grown_from_one_cell(numbers, layout, 1000, generator) == NO_PAST
    numbers, layout = law(1e-3)
    assert grown_from_one_cell(numbers, layout, 1, generator) == NO_PAST
    numbers, layout = law(1e-3, capacity=1100.0)
    assert grown_from_one_cell(numbers, layout, 1000, generator) == NO_PAST


# Lines.


def test_lines_stand_in_rows_of_their_mechanism_and_are_younger_than_those_they_come_from() -> None:
    layout = CloneLayout(2, 2, own=3)
    growth = Growth(net_per_day=NET, death_per_day=DEATH, quiescent_fraction=0.2, quiescent_to_cycling_per_day=0.1)
    division, leave = balanced_growth(growth)
    numbers = Law(np.full(8, division), np.full(8, DEATH), leave, 0.1, layout.chances([0.02, 0.01]), np.inf, growth, 1.0)
    doubles = 0
    for seed in range(20):
        past = grown_from_one_cell(numbers, layout, 2000, np.random.default_rng(seed))
        born = {0: -past.days} | {row: min(x.day for x in past.lines if x.row == row) for row in {x.row for x in past.lines}}
        assert 0 < mutants(past) < 1.05 * 2000
        for line in past.lines:
            mechanism = int(layout.mechanism_of[line.row])
            assert layout.has(np.array(line.kind), mechanism)
            assert line.kind % layout.founders == 0
            assert born[line.parent] <= line.day < 0.0
            assert line.origins == 1 or layout.pooled[line.row]
            doubles += line.kind == 6
        own = [line.row for line in past.lines if not layout.pooled[line.row]]
        assert len(own) == len(set(own))
    assert doubles > 0


def test_a_past_belongs_to_the_subject() -> None:
    e = experiment(MANY)
    subjects, layout = subjects_of(e), clone_layout(e)
    everyone = pasts_of(e, subjects, layout)
    alone = SubjectTable(subjects.labels[1:2], subjects.leukaemias[1:2], subjects.keys[1:2])
    assert pasts_of(e, alone, layout) == everyone[1:2]
    assert len({past.days for past in everyone}) == 4


def test_nothing_is_drawn_where_nothing_mutates_or_cells_are_injected() -> None:
    for e in (experiment("cohort.resistance=[persister]"), experiment("host.founder_cells=0", "host.injected_cells=1000")):
        assert pasts_of(e, subjects_of(e), clone_layout(e)) == []


# The start.


def test_mutants_are_in_the_packets_and_in_the_table() -> None:
    configure_jax(None)
    enable_pytrees()
    e = experiment(MANY, "cohort.resistance=[bmf_loss, efflux]")
    subjects, layout = subjects_of(e), clone_layout(e)
    pasts = pasts_of(e, subjects, layout)
    packets, seeded = engraft(e, subjects, layout.founders, capacity_of(e), pasts)
    table = with_past(empty_table(layout, 4), pasts)
    cells = np.sum([np.asarray(c) for c in packets.counts], axis=0)
    clone, kind = np.asarray(packets.clone), np.asarray(packets.kind)
    np.testing.assert_array_equal(cells.sum(axis=1), seeded)
    for row, past in enumerate(pasts):
        assert mutants(past) > 100
        for line in past.lines:
            assert cells[row, (clone[row] == line.row) & (kind[row] == line.kind)].sum() == line.cells
        lost = cells[row] * layout.has(kind[row], 0) > 0.0
        assert np.all(np.asarray(packets.traits.competence)[row, lost] == 0.0)
        in_use = np.flatnonzero(np.asarray(table.origins)[row])
        assert in_use.tolist() == sorted({*range(layout.founders), *(line.row for line in past.lines)})
        assert np.asarray(table.birth_day)[row, 0] == -past.days
        assert np.asarray(table.origins)[row, layout.founders :].sum() == sum(line.origins for line in past.lines)
        # One origin is one cell: its line has one competence.
        for line in past.lines:
            own = (clone[row] == line.row) & (cells[row] > 0.0)
            if not layout.pooled[line.row]:
                assert len(set(np.asarray(packets.traits.competence)[row, own].tolist())) == 1


def test_founders_beyond_what_the_host_can_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"host.founder_cells = 5e\+12: leukaemia 'patient_typical' levels off at"):
        experiment("host.founder_cells=5e12")
    assert experiment("host.founder_cells=5e12", "cohort.resistance=[persister]").host.founder_cells == 5e12
