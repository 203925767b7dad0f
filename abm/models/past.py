"""Growth of a leukaemia from one cell to the founders of a run, and the mutants that arose on the way.

The law is that of Luria and Delbrueck with chance in all cells, death, fitness and quiescence,
given that the leukaemia did not die out.  Cells cycle or rest; a cycling cell divides at
b f (1 - N / K), any cell dies at d f', with factors of the mechanisms that its line has; a division
makes one daughter with mechanism m with probability u_m.  It is played in windows, births and
deaths by their exact law on either side of moves and mutation, as the engine does
(`abm.models.xenograft`), all cells of a line being alike, in double precision and whole numbers.

Left out: cells in the blood, which do not divide, and switching mechanisms.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.biology.proliferation import balanced_growth, net_rate
from abm.engine.clones import CloneLayout, CloneTable
from abm.models.individuals import Individual, individuals
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Growth
from abm.parameters.mechanism import Mechanism
from abm.streams import subject_generator
from abm.subject import SubjectTable

EVENTS_PER_WINDOW = 0.2  # most of one cell and kind of event; the error is of second order
_NO_NET = 1e-12  # 1/d, for a balance of births and deaths
_SHORTEST = 0.02  # of a window, when the founders are nearly there


class Line(NamedTuple):
    """Mutants of one row of the clone table and one kind."""

    row: int
    parent: int
    kind: int
    cells: int
    day: float  # of the first origin, negative
    origins: int


class Past(NamedTuple):
    """What a leukaemia went through before its founders were there."""

    days: float  # since its first cell
    lines: tuple[Line, ...]  # mutants, and lines without a cell from which some of them descend


NO_PAST = Past(0.0, ())


@dataclasses.dataclass(frozen=True)
class Law:
    """Numbers of the growth; arrays (kinds,) unless said, 1/d.

    Attributes:
        division: Of cycling cells, without crowding.
        death: Of all cells.
        leave, enter: Hazards of leaving and entering the cycle, scalars.
        chances: Probability of each mechanism at a division, (mechanisms, kinds).
        capacity: Cells at which division stops.
        growth: Of the cells without a mechanism.
        pace: Factor on their division.
    """

    division: NDArray[np.float64]
    death: NDArray[np.float64]
    leave: float
    enter: float
    chances: NDArray[np.float64]
    capacity: float
    growth: Growth
    pace: float

    @functools.cached_property
    def into_own_kind(self) -> NDArray[np.float64]:
        """Hazard of divisions without mutation, (kinds,)."""
        unmutated: NDArray[np.float64] = self.division * (1.0 - self.chances.sum(axis=0))
        return unmutated

    @functools.cached_property
    def window_days(self) -> float:
        """Longest window."""
        return EVENTS_PER_WINDOW / float(max(self.division.max(), self.death.max(), self.leave, self.enter))

    def net_rate(self, cells: float) -> float:
        """Rate of growth among so many cells, 1/d."""
        return net_rate(self.growth, self.pace * max(1.0 - cells / self.capacity, 0.0))


def law_of(subject: Individual, mechanisms: list[Mechanism], layout: CloneLayout, capacity: float) -> Law:
    """Law of a subject's leukaemia, whose mutants arise from the founder clone."""
    growth, kinds = subject.leukaemia.growth, np.arange(layout.kinds)

    def product(factors: list[float]) -> NDArray[np.float64]:
        table = [np.where(layout.has(kinds, m), factor, 1.0) for m, factor in enumerate(factors)]
        return np.prod(np.array(table), axis=0)

    return Law(
        division=subject.division_per_day * product([m.division_factor for m in mechanisms]),
        death=growth.death_per_day * product([m.baseline_death_factor for m in mechanisms]),
        leave=balanced_growth(growth)[1],
        enter=growth.quiescent_to_cycling_per_day,
        chances=layout.chances([m.mutation_per_division for m in mechanisms]),
        capacity=capacity,
        growth=growth,
        pace=subject.division,
    )


def pasts_of(experiment: Experiment, subjects: SubjectTable, layout: CloneLayout) -> list[Past]:
    """Past of every subject whose host has founders of a leukaemia of its own; a function of the subject's key alone."""
    cells, mechanisms = experiment.host.founder_cells, [experiment.mechanisms[name] for name in experiment.cohort.resistance]
    if cells <= 1.0 or not any(m.mutation_per_division > 0.0 for m in mechanisms):
        return []
    found = []
    for key, subject in zip(subjects.keys, individuals(experiment, subjects.keys, subjects.leukaemias), strict=True):
        founders = round(cells * (1.0 - sum(s.fraction for s in subject.leukaemia.subclones.values())))
        law = law_of(subject, mechanisms, layout, experiment.host.carrying_capacity)
        found.append(grown_from_one_cell(law, layout, founders, subject_generator(key, "growth from one cell")))
    return found


def with_past(table: CloneTable, pasts: Sequence[Past]) -> CloneTable:
    """The empty table of the start with the lines of each subject's past; the founder is as old as its first cell."""
    parent, day, origins = (np.array(x) for x in (table.parent, table.birth_day, table.origins))
    for row, past in enumerate(pasts):
        day[row, 0] -= past.days
        for line in past.lines:  # of several kinds in a row the first came first
            if origins[row, line.row] == 0 or line.day < day[row, line.row]:
                parent[row, line.row], day[row, line.row] = line.parent, line.day
            origins[row, line.row] += line.origins
    fields: dict[str, Any] = {"parent": parent, "birth_day": day, "origins": origins}
    return table._replace(**fields)


def grown_from_one_cell(law: Law, layout: CloneLayout, cells: int, generator: np.random.Generator) -> Past:
    """Mutants among `cells` that grew from one; none where nothing mutates, there is one cell, or it could not have grown."""
    if cells <= 1 or law.net_rate(cells) <= 0.0 or not law.chances.any():
        return NO_PAST
    while True:
        history = _History(law, layout, generator)
        while 0 < history.size < cells:
            history.advance(cells)
        if history.size:
            return history.at_the_start()


class _History:
    """Lines of a leukaemia that grows from one cell; the first is the founder clone."""

    def __init__(self, law: Law, layout: CloneLayout, generator: np.random.Generator) -> None:
        self.law, self.layout, self.generator = law, layout, generator
        self.cycling, self.quiescent = np.array([1], np.int64), np.array([0], np.int64)
        self.row, self.kind, self.parent, self.born, self.origins = [0], np.array([0]), [-1], [0.0], [1]
        self.now, self.size, self.fastest = 0.0, 1, law.net_rate(0.0)

    def advance(self, target: int) -> None:
        """One window, shortened where the target is near."""
        law = self.law
        room = max(1.0 - self.size / law.capacity, 0.0)
        near = float(np.log(target / self.size) / self.fastest)
        h = law.window_days * min(1.0, max(near / law.window_days, _SHORTEST))
        self._live(room, 0.5 * h)
        self._move(h)
        mutants = self.generator.poisson(law.chances[:, self.kind] * (law.division[self.kind] * self.cycling * (room * h)))
        if mutants.any():
            for m, line in np.argwhere(mutants):
                self._arise(int(m), int(line), int(mutants[m, line]), self.now + 0.5 * h)
        self._live(room, 0.5 * h)
        self.now += h
        self.size = int(self.cycling.sum() + self.quiescent.sum())

    def _live(self, room: float, h: float) -> None:
        """Births and deaths by their exact law: survivors binomial, descendants negative binomial, a Poisson number of gamma mean."""
        draw, death = self.generator, self.law.death[self.kind]
        division = self.law.into_own_kind[self.kind] * room
        net = division - death
        net[net == 0.0] = _NO_NET
        e = np.expm1(net * h) / net
        survivors = draw.binomial(self.cycling, 1.0 - death * e / (1.0 + division * e))
        self.cycling = survivors + draw.poisson(draw.standard_gamma(survivors) * division * e)
        self.quiescent = draw.binomial(self.quiescent, np.exp(-death * h))

    def _move(self, h: float) -> None:
        leave, enter = self.law.leave, self.law.enter
        if leave + enter == 0.0:
            return
        moved = -np.expm1(-(leave + enter) * h) / (leave + enter)
        out = self.generator.binomial(self.cycling, leave * moved)
        back = self.generator.binomial(self.quiescent, enter * moved)
        self.cycling, self.quiescent = self.cycling + back - out, self.quiescent + out - back

    def _arise(self, mechanism: int, mother: int, number: int, day: float) -> None:
        """Mutants of a line: own rows of the clone table while some are free, else the pooled one, as `abm.engine.clones`."""
        kind = int(self.kind[mother]) + (self.layout.founders << mechanism)
        first = self.layout.start(mechanism)
        alive = self.cycling + self.quiescent > 0
        parents = {p for p, lives in zip(self.parent, alive, strict=True) if lives}
        taken = {r for r, lives in zip(self.row, alive, strict=True) if lives} | parents
        free = [r for r in range(first, first + self.layout.own) if r not in taken]
        if number <= len(free):
            for row in free[:number]:
                self._add(row, kind, mother, 1, day)
        else:
            self._add(int(self.layout.pooled_row[self.row[mother], mechanism]), kind, mother, number, day)

    def _add(self, row: int, kind: int, mother: int, number: int, day: float) -> None:
        pooled = bool(self.layout.pooled[row])
        same = [i for i, r in enumerate(self.row) if r == row and (not pooled or self.kind[i] == kind)]
        if same and pooled:
            self.cycling[same[0]] += number
            self.origins[same[0]] += number
            return
        parent = self.row[mother]
        if same:  # an own row whose line died out begins anew
            i = same[0]
            self.cycling[i], self.quiescent[i], self.kind[i] = number, 0, kind
            self.parent[i], self.born[i], self.origins[i] = parent, day, number
            return
        self.cycling, self.quiescent = np.append(self.cycling, number), np.append(self.quiescent, 0)
        self.kind = np.append(self.kind, kind)
        self.row, self.parent, self.born, self.origins = [*self.row, row], [*self.parent, parent], [*self.born, day], [*self.origins, number]

    def at_the_start(self) -> Past:
        """Lines that live or from which a line that lives arose; days count from now."""
        cells = (self.cycling + self.quiescent).tolist()
        above = dict(zip(reversed(self.row), reversed(self.parent), strict=True))
        kept: set[int] = set()
        for of_line, n in zip(self.row, cells, strict=True):
            row = of_line
            while n and row > 0 and row not in kept:
                kept.add(row)
                row = above[row]
        columns = zip(self.row, self.parent, self.kind.tolist(), cells, self.born, self.origins, strict=True)
        lines = [Line(row, parent, kind, n, born - self.now, origins) for row, parent, kind, n, born, origins in columns if row in kept]
        return Past(self.now, tuple(lines))
