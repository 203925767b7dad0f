"""Reference of a healthy lineage in plain NumPy: one array entry is one cell.

Progenitors divide, die of what exceeds their resting apoptosis and mature; a maturing
cell passes three transit stages and releases blood cells.  Without drugs the mean
follows Friberg et al. 2002 (doi:10.1200/JCO.2002.02.140).  Times in days.

Cells that join from upstream and released blood cells live in the same exposure as the
others: they start with the share of mTORC1 activity that the exposure has left and with
the stress and BMF that belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from abm.parameters.lineage import Lineage
from tests.reference_machinery import FAST, Array, Cells, Clone, Concentrations, Machinery, Recorder, Trajectory, compete, in_batches, join, take
from tests.reference_parameters import Parameters

PROGENITOR, TRANSIT, BLOOD = 0, (1, 2, 3), 4
DEATH, DIVISION, MATURATION = 0, 1, 2
STAGES = ("progenitor", "transit_1", "transit_2", "transit_3", "blood")

Crowding = Callable[[float], float]


def no_crowding(time_days: float) -> float:
    """Crowding factor of a marrow without leukaemia."""
    return 1.0


class LineageReference:
    """One lineage in independent subjects that share their exposure; `baseline_cells` blood cells at rest."""

    def __init__(self, given: Parameters, concentrations: Concentrations, baseline_cells: float, crowding: Crowding, rng: np.random.Generator):
        self.lineage: Lineage = given.lineage
        kinds = [Clone(given.lineage.progenitors)]
        if given.lineage.blood_cells is not None:
            kinds.append(Clone(given.lineage.blood_cells))
        self.blood_kind = len(kinds) - 1
        self.inside = Machinery(given.cell, kinds, given.drugs, concentrations, rng)
        self.baseline_cells, self.crowding_at, self.rng = baseline_cells, crowding, rng
        self.transit_per_day = 4.0 / given.lineage.transit_time_days
        self.progenitors = baseline_cells / (given.lineage.blood_life_days * self.transit_per_day * given.lineage.yield_per_cell)
        self.feedback, self.crowding = np.zeros(0), 1.0

    def new_cells(self, subject: Array, state: int) -> Cells:
        """Cells with fresh traits, adapted to the present exposure."""
        n = subject.size
        kind = np.full(n, self.blood_kind if state == BLOOD else 0)
        cells = self.inside.new_cells(subject, kind, np.full(n, state), self.inside.activity)
        cells["rest"] = self.inside.resting_apoptosis(cells)
        return cells

    def found(self, subjects: int) -> Cells:
        """The steady state of every subject, rounded to whole cells."""
        sizes = [round(self.progenitors)] * 4 + [round(self.baseline_cells)]
        return join([self.new_cells(np.repeat(np.arange(subjects), n), state) for state, n in enumerate(sizes)])

    def advance(self, cells: Cells, until_h: float) -> None:
        """Advance the fast states of the cells whose traits matter: progenitors, and blood cells that have traits."""
        feels = cells["state"] == PROGENITOR
        if self.blood_kind:
            feels |= cells["state"] == BLOOD
        changing = take(cells, feels)
        self.inside.advance(changing, until_h)
        for name in (*FAST, "phi"):
            cells[name][feels] = changing[name]

    def hazards(self, cells: Cells) -> Array:
        """Hazards (1/d) of death, division and maturation, (3, n)."""
        lin, state = self.lineage, cells["state"]
        progenitor, blood = state == PROGENITOR, state == BLOOD
        excess = np.maximum(self.inside.apoptosis(cells) - cells["rest"], 0.0)
        out = np.zeros((3, state.size))
        out[DEATH] = np.where(progenitor, excess + self.inside.cytotoxic_to_progenitors(), 0.0)
        out[DEATH] += np.where(blood, 1.0 / lin.blood_life_days + (excess if lin.blood_cells is not None else 0.0), 0.0)
        slowing = 1.0 - self.inside.cell.proliferation.slowing_max * cells["phi"]
        division = self.transit_per_day * (1.0 - lin.upstream_fraction) * slowing * self.feedback[cells["subject"]] * self.crowding
        out[DIVISION] = np.where(progenitor, division, 0.0)
        out[MATURATION] = np.where(blood, 0.0, self.transit_per_day)
        return out

    def apply(self, recorder: Recorder) -> Callable[[Cells, Array, Array], tuple[Cells, Array]]:
        """What events leave behind; a release adds to `lost` the maturing cell and to `gained` its blood cells."""

        def leave(cells: Cells, kind: Array, left: Array) -> tuple[Cells, Array]:
            recorder.tally("deaths", cells["subject"][kind == DEATH])
            recorder.tally("births", cells["subject"][kind == DIVISION])
            both = np.repeat(np.flatnonzero(kind == DIVISION), 2)
            daughters = take(cells, both)
            self.inside.redraw(daughters)
            daughters["rest"] = self.inside.resting_apoptosis(daughters)
            last = cells["state"] == TRANSIT[-1]
            steps = (kind == MATURATION) & ~last
            moved = take(cells, steps)
            moved["state"] = moved["state"] + 1
            leaving = np.flatnonzero((kind == MATURATION) & last)
            released = np.floor(self.lineage.yield_per_cell + self.rng.random(leaving.size)).astype(np.int64)
            mothers = np.repeat(leaving, released)
            blood = self.new_cells(cells["subject"][mothers], BLOOD) if self.blood_kind else take(cells, mothers) | {"state": np.full(mothers.size, BLOOD)}
            recorder.tally("gained", cells["subject"][mothers])
            recorder.tally("lost", cells["subject"][leaving])
            return join([daughters, moved, blood]), np.concatenate([left[both], left[steps], left[mothers]])

        return leave

    def run(self, cells: Cells, times_days: Sequence[float], subjects: int, step_hours: float = 0.05) -> Trajectory:
        """Trajectory at `times_days`, the first of which is the start; quantiles are those of the progenitors."""
        lin = self.lineage
        recorder = Recorder(subjects, len(STAGES), self.blood_kind + 1)
        recorder.record(times_days[0], cells, cells["state"] == PROGENITOR)
        for start, end in pairwise(times_days):
            steps = max(1, round((end - start) * 24.0 / step_hours))
            dt = (end - start) / steps
            for i in range(steps):
                now = start + (i + 0.5) * dt
                self.advance(cells, 24.0 * now)
                blood = np.bincount(cells["subject"][cells["state"] == BLOOD], minlength=subjects)
                self.feedback = np.minimum((self.baseline_cells / np.maximum(blood, 1e-9)) ** lin.feedback_exponent, lin.feedback_max)
                dividing = np.bincount(cells["subject"][cells["state"] == PROGENITOR], minlength=subjects)
                self.feedback = self.feedback * np.minimum((self.progenitors / np.maximum(dividing, 1e-9)) ** lin.niche_exponent, lin.feedback_max)
                self.crowding = self.crowding_at(now)
                expected = self.transit_per_day * lin.upstream_fraction * self.progenitors * self.crowding * dt
                joining = self.new_cells(np.repeat(np.arange(subjects), self.rng.poisson(expected, subjects)), PROGENITOR)
                recorder.tally("gained", joining["subject"])
                left = np.concatenate([np.full(cells["clone"].size, dt), dt * self.rng.random(joining["clone"].size)])
                cells = compete(join([cells, joining]), left, self.hazards, self.apply(recorder), self.rng)
            recorder.record(end, cells, cells["state"] == PROGENITOR)
        return recorder.trajectory()


def simulate_lineage(
    given: Parameters,
    concentrations: Concentrations,
    *,
    baseline_cells: float,
    subjects: int,
    times_days: Sequence[float],
    seed: int,
    crowding: Crowding = no_crowding,
    step_hours: float = 0.05,
    batch: int = 25,
) -> Trajectory:
    """`subjects` independent subjects that start at rest with `baseline_cells` blood cells each."""

    def part(size: int, rng: np.random.Generator) -> Trajectory:
        model = LineageReference(given, concentrations, baseline_cells, crowding, rng)
        return model.run(model.found(size), times_days, size, step_hours)

    return in_batches(part, subjects, batch, seed)
