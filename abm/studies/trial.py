"""The trial: lead-in, randomisation into arms, treatment, follow-up.

After the lead-in all subjects are copied into every arm and the clock restarts: t = 0 is
randomisation, step 0, new random streams, the same for every arm.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from abm.biology.proliferation import balanced_growth
from abm.engine.batches import Batches
from abm.engine.clones import CloneLayout
from abm.engine.packets import total_count
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Grid
from abm.engine.transition import MAX_BIRTHS_PER_STEP
from abm.errors import InputError, RunFault
from abm.models.engraftment import engraft
from abm.models.healthy import without_books
from abm.models.individuals import individuals
from abm.models.observation import Observation, observe
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import (
    Rows,
    build_params,
    capacity_of,
    clone_layout,
    clone_mechanisms,
    drugs_given,
    param_axes,
    sanctuary_names,
    start_rows,
)
from abm.parameters.experiment import Experiment
from abm.readouts.view import View, stack_observations
from abm.studies.checkpointing import Keeper
from abm.studies.context import Context
from abm.studies.grids import boundaries_every, off_drug_hours, step_hours, trial_batches, trial_grid
from abm.studies.lead_in import LeadIn, run_lead_in
from abm.studies.visits import Visits
from abm.subject import SubjectTable, cohort_subjects, mixed_subjects
from abm.units import HOURS_PER_DAY, hours_to_days

if TYPE_CHECKING:
    from abm.output.result import CellSnapshot, RunResult


def run_trial(experiment: Experiment, context: Context) -> RunResult:
    """Run the trial of `experiment`.

    Raises:
        Stopped: If the run was told to stop; it continues from its checkpoint.
        RunFault: If a count, a tally or a state broke its law.
    """
    clock = {"start": time.monotonic()}
    subjects = subjects_of(experiment)
    check_draws(experiment, subjects)
    mechanisms = clone_mechanisms(experiment)
    layout = clone_layout(experiment)
    keeper = Keeper(context, experiment.engine.checkpoint_minutes)
    stored = keeper.stored("trial")
    if stored is None:
        lead_in = run_lead_in(experiment, subjects, layout, context, keeper)
        clock["lead_in"] = time.monotonic()
        trial = _Trial(experiment, subjects, layout, context, keeper)
        trial.randomise(lead_in)
    else:
        clock["lead_in"] = time.monotonic()
        trial = _Trial(experiment, subjects, layout, context, keeper)
        lead_in = trial.restore(stored)
    trial.run(lead_in)
    clock["trial"] = time.monotonic()
    # Tables and statistics are imported now that they are needed: a run starts two seconds earlier.
    from abm.studies.measured_table import measured_tables
    from abm.studies.subject_table import subject_table
    from abm.studies.trial_result import assemble

    before = _lead_in_view(experiment, subjects, mechanisms, lead_in)
    decisions = trial.visits.events()
    result = assemble(experiment, context, trial.view(mechanisms), before, lead_in, trial.snapshots, trial.simulation, clock, decisions)
    who = subject_table(experiment, trial.rows, trial.labels, lead_in.randomised_day)
    return dataclasses.replace(result, tables={**result.tables, "subjects": who, **measured_tables(experiment)})


def check_draws(experiment: Experiment, subjects: SubjectTable | None = None) -> None:
    """Draws must be close enough for the sampler to be exact, for the typical leukaemias and those of the subjects.

    Raises:
        InputError: If a cycling cell divides more than MAX_BIRTHS_PER_STEP times between two draws, half a window apart.
    """
    engine, coarse = experiment.engine, off_drug_hours(experiment.engine)
    keys = {"engine.window_hours": (engine.window_hours, max(0.5 * engine.window_hours, step_hours(experiment)))}
    if coarse is not None:
        keys["engine.off_drug_dt_hours"] = (coarse[0], coarse[0])
    fastest = {name: balanced_growth(experiment.leukaemias[name].growth)[0] for name in experiment.cohort.leukaemias}
    if subjects is not None:
        for name, subject in zip(subjects.leukaemias, individuals(experiment, subjects.keys, subjects.leukaemias), strict=True):
            fastest[name] = max(fastest[name], balanced_growth(subject.leukaemia.growth)[0])
    for key, (hours, between) in keys.items():
        for name, b_max in fastest.items():
            if b_max * hours_to_days(between) > MAX_BIRTHS_PER_STEP:
                most = HOURS_PER_DAY * MAX_BIRTHS_PER_STEP / b_max * hours / between
                raise InputError(
                    f"{key} = {hours:g}: too long for leukaemia '{name}', whose cycling cells divide {b_max:.2g} times a day; at most {most:.3g} h."
                )


def subjects_of(experiment: Experiment) -> SubjectTable:
    """Subjects of the lead-in: twins once, or in a parallel design those of all arms one after another."""
    cohort, arms = experiment.cohort, tuple(experiment.arms)

    def table(arm: str | None) -> SubjectTable:
        if cohort.mix:
            return mixed_subjects(experiment.seed, cohort.mix, cohort.subjects, arm=arm)
        return cohort_subjects(experiment.seed, tuple(cohort.leukaemias), cohort.subjects, arm=arm)

    if cohort.design == "twin":
        return table(None)
    tables = [table(arm) for arm in arms]
    return SubjectTable(
        labels=sum((t.labels for t in tables), ()), leukaemias=sum((t.leukaemias for t in tables), ()), keys=np.concatenate([t.keys for t in tables])
    )


class _Trial:
    """The program after randomisation; rows are (arm, subject)."""

    def __init__(self, experiment: Experiment, subjects: SubjectTable, layout: CloneLayout, context: Context, keeper: Keeper) -> None:
        self.experiment, self.context, self.keeper, self.layout = experiment, context, keeper, layout
        self.arms = tuple(experiment.arms)
        twins = experiment.cohort.design == "twin"
        self.n_subjects = len(subjects.labels) if twins else len(subjects.labels) // len(self.arms)
        self.labels = subjects.labels[: self.n_subjects]
        self.leukaemias = subjects.leukaemias[: self.n_subjects]
        # Row of the lead-in that each row of the trial continues.
        rows = len(self.arms) * self.n_subjects
        self.source = np.tile(np.arange(self.n_subjects), len(self.arms)) if twins else np.arange(rows)
        arm = np.repeat(np.arange(len(self.arms), dtype=np.int32), self.n_subjects)
        self.rows = Rows(subjects.keys[self.source], tuple(subjects.leukaemias[i] for i in self.source), arm)
        self.batches = trial_batches(experiment, rows)
        self.grid: Grid = trial_grid(experiment)
        self.model = Xenograft(n_clones=layout.n_clones, layout=layout)
        self.params = build_params(experiment, self.rows, layout.founders, self.grid.times)
        self.looks: list[Observation] = []
        self.snapshots: dict[str, CellSnapshot] = {}
        self.stops = sorted({*boundaries_every(self.grid, experiment.readout.interval_hours), *self._visits()})
        self.visits = Visits(experiment, self.labels, self.leukaemias, self.rows.keys, self.grid)

    def _visits(self) -> list[int]:
        """Step boundaries nearest to the visits at which to look changes nothing."""
        drawn = np.flatnonzero(self.grid.drawn)
        experiment = self.experiment
        marrow = experiment.clinic.marrow_visits(experiment.trial.follow_up_days) if experiment.host.species == "human" else []
        return [int(drawn[np.argmin(np.abs(self.grid.times[drawn] - day))]) for day in (*experiment.readout.mrd_days, *marrow) if day > 0]

    def _simulation(self, carry: Carry, step: int) -> Batches:
        engine, axes = self.experiment.engine, param_axes(self.params)
        return Batches(self.batches, self.model, engine.packets, self.params, axes, self.rows.keys, carry, self.grid, devices=engine.devices, step=step)

    def randomise(self, lead_in: LeadIn) -> None:
        """Copy every subject into its arms and restart the clock."""
        forked: Carry = jax.tree.map(lambda x: np.asarray(x)[self.source], lead_in.carry)
        burden = np.asarray(total_count(forked.packets)).sum(1)
        fresh = start_rows(self.params, self.experiment, burden)
        healthy = without_books(forked.rows.healthy)
        carry = start_carry(self.model, jax.tree.map(jax.numpy.asarray, forked.packets), fresh._replace(healthy=healthy, clones=self._clones(forked, lead_in)))
        self.simulation = self._simulation(carry, 0)
        self.looks = [self.simulation.observe(observe)]
        self._snap(0.0)
        self.visits.hold(0, self.simulation, self.looks[0])

    def _clones(self, forked: Carry, lead_in: LeadIn) -> Any:
        """Clone tables at randomisation; days count from it."""
        if not self.layout.mechanisms:
            return ()
        table = forked.rows.clones
        return table._replace(birth_day=table.birth_day - lead_in.randomised_day[self.source][:, None])

    def restore(self, header: dict[str, Any]) -> LeadIn:
        """Continue from a checkpoint made in the trial; returns what is kept of the lead-in."""
        burden = np.zeros(len(self.source))
        rows = start_rows(self.params, self.experiment, burden)
        table = SubjectTable(labels=self.rows.leukaemias, leukaemias=self.rows.leukaemias, keys=self.rows.keys)
        packets, _ = engraft(self.experiment, table, self.layout.founders, capacity_of(self.experiment))
        like = start_carry(self.model, packets, rows)
        self.simulation = self._simulation(like, 0)
        look = self.simulation.shape_of(observe)
        books = {"visits": self.visits.state, "looks": [look] * header["looks"], "lead_in": [look] * header["lead_in"]}
        tree = self.keeper.load({"carry": like, "day": burden, **books})
        self.visits.state, self.visits.decisions = tree["visits"], header["decisions"]
        self.simulation = self._simulation(tree["carry"], header["step"])
        self.looks = tree["looks"]
        return LeadIn(carry=tree["carry"], randomised_day=np.asarray(tree["day"]), looks=tree["lead_in"], times=header["times"])

    def run(self, lead_in: LeadIn) -> None:
        """Advance to the end of follow-up."""
        self.context.progress.begin("Trial")
        days, text = float(self.grid.times[-1]), ""
        for k in self._pauses():
            if k <= self.simulation.step:
                continue
            self.simulation.run_to(k)
            if k in self.stops:
                text = self._look(k)
            self.visits.hold(k, self.simulation, self.looks[-1] if k in self.stops else None)
            self.context.progress.update(self.grid.times[k] / days, f"day {self.grid.times[k]:.0f}{text}")
            header = {"looks": len(self.looks), "lead_in": len(lead_in.looks), "times": lead_in.times, "decisions": self.visits.decisions}
            self.keeper.offer("trial", self.simulation, k, header, lambda: self._books(lead_in))
        self._check_places()
        self.context.progress.update(1.0)

    def _books(self, lead_in: LeadIn) -> dict[str, Any]:
        """What a checkpoint holds beside the state of the program."""
        return {"day": lead_in.randomised_day, "lead_in": lead_in.looks, "looks": self.looks, "visits": self.visits.state}

    def _pauses(self) -> list[int]:
        """Step boundaries at which to report and to keep a checkpoint: all looks and visits, and packings, where a pause changes nothing."""
        every = max(1, round(self.experiment.engine.chunk_days * 24.0 / self.experiment.engine.packing_hours))
        return sorted({*self.stops, *(k for k in self.visits.steps if k > 0), *(int(k) for k in np.flatnonzero(self.grid.pack)[every - 1 :: every])})

    def _look(self, k: int) -> str:
        """Record the state at a step boundary; returns what is to be said of it."""
        day = float(self.grid.times[k])
        look: Observation = self.simulation.observe(observe)
        self._check(look, day)
        self.looks.append(look)
        self._snap(day)
        return f", {float(np.asarray(look.tally.cells, float).sum()):.2g} leukaemic cells in {int(np.asarray(look.stats.packets).sum())} packets"

    def _check_places(self) -> None:
        """Stop the run if a mutant found no place."""
        if self.layout.mechanisms and int(self.simulation.carry().rows.clones.unplaced.sum()) > 0:
            raise RunFault(f"there was no place for new mutants among {capacity_of(self.experiment)} packets; raise engine.packets")

    def _check(self, look: Observation, day: float) -> None:
        """Stop the run if a number is not what it must be, and name the place."""
        cells = np.asarray(look.tally.cells).sum((1, 2)).astype(float)
        broken = ~np.isfinite(np.asarray(look.lineages.cells)).all((1, 2)) | (np.asarray(look.tally.cells) < 0).any((1, 2))
        broken |= (np.asarray(look.lineages.cells) < 0).any((1, 2)) | (np.isnan(np.asarray(look.quantiles)).any((1, 2)) & (cells > 0))
        broken |= np.asarray(look.stats.packets) > capacity_of(self.experiment)
        if not isinstance(look.stem, tuple):
            stem = np.asarray(look.stem)
            broken |= ~np.isfinite(stem).all(1) | (stem < 0).any(1)
        if broken.any():
            row = int(np.argmax(broken))
            arm, subject = divmod(row, self.n_subjects)
            where = f"subject '{self.labels[subject]}', arm '{self.arms[arm]}', day {day:g}"
            raise RunFault(f"a count is negative, a state is not a number or there are more packets than places: {where}")

    def _snap(self, day: float) -> None:
        for wanted in self.experiment.readout.cell_snapshot_days:
            if abs(day - wanted) < 1e-6:
                from abm.studies.snapshots import snapshot

                packets = self.simulation.carry().packets
                self.snapshots[f"day_{wanted:g}"] = snapshot(packets, day, self.arms, self.labels)

    def view(self, mechanisms: dict[str, list[str]]) -> View:
        """The looks as arrays over (arm, subject, time)."""
        times = np.array([0.0, *(self.grid.times[k] for k in self.stops)])
        seen = stack_observations(self.looks, len(self.arms), self.n_subjects)
        e = self.experiment
        keys = np.asarray(self.rows.keys).reshape(len(self.arms), self.n_subjects, 2)
        return View(self.arms, self.labels, self.leukaemias, mechanisms, times, seen, tuple(drugs_given(e)), e.lineages, e.host, keys, sanctuary_names(e))


def _lead_in_view(experiment: Experiment, subjects: SubjectTable, mechanisms: dict[str, list[str]], lead_in: LeadIn) -> View:
    n = len(subjects.labels)
    seen = stack_observations(lead_in.looks, 1, n)
    labels = subjects.labels if experiment.cohort.design == "twin" else tuple(f"{label}-{i + 1}" for i, label in enumerate(subjects.labels))
    e, drugs, times = experiment, tuple(drugs_given(experiment)), np.array(lead_in.times)
    return View(("lead_in",), labels, subjects.leukaemias, mechanisms, times, seen, drugs, e.lineages, e.host, subjects.keys[None], sanctuary_names(e))
