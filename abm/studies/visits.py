"""Visits: between two pieces of the grid the subjects are looked at and the dosing rules of their arm decide.

A visit lies at the end of a window, where a look changes nothing.  What a decision changes,
the gates and the track of a row, holds from the step after the visit; a dose at the very
moment of the visit has been given.  Products, by rule or as planned, enter the blood or, as grafts,
the marrow after the look.  An arm without rules and transfusions costs nothing and is not touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abm.engine.batches import Batches
from abm.engine.simulate import Grid
from abm.models.donors import Gift, cells_of, give, lineage_of
from abm.models.grafts import engraft, graft_of
from abm.models.healthy import marrow_at_rest
from abm.models.observation import Observation, observe, observe_donors, observe_healthy
from abm.models.xenograft_setup import arm_tracks, clone_mechanisms, drugs_given, sanctuary_names
from abm.parameters.blood_product import BloodProduct
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Regimen, Transfusion
from abm.pharmacology.dosing_rules import Decision, Readings, RuleSet, RuleState, carry_out, is_evaluated, no_decisions, reading_name, rule_set, visit
from abm.readouts.view import View, stack_observations

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["arm", "subject", "kind", "time_days", "value"]


@dataclasses.dataclass(frozen=True)
class _Ward:
    """An arm whose regimen has rules or transfusions: its rows, and the steps at which something is due."""

    arm: int
    regimen: Regimen
    rules: RuleSet
    visits: dict[int, float]  # day of the visit at each step boundary
    due: dict[int, float]  # the same for delayed decisions
    given: dict[int, list[Transfusion]]  # transfusions that are planned at each step boundary

    @property
    def steps(self) -> tuple[int, ...]:
        """Step boundaries at which something is due."""
        return (*self.visits, *self.due, *self.given)


class Visits:
    """Visits of a trial whose rows are (arm, subject).

    Args:
        experiment: The experiment.
        labels: Names of the subjects.
        leukaemias: Leukaemia of each subject.
        keys: Keys of the subject in each row, uint32 (rows, 2).
        grid: Grid of the trial.

    Attributes:
        state: Decisions so far by arm; part of a checkpoint.
        decisions: Rows of the table of events so far: arm, subject, kind, day, value.
    """

    def __init__(self, experiment: Experiment, labels: Sequence[str], leukaemias: Sequence[str], keys: NDArray[np.uint32], grid: Grid) -> None:
        self._experiment, self._labels, self._leukaemias, self._keys, self._grid = experiment, tuple(labels), tuple(leukaemias), keys, grid
        self._arms, self._drugs = tuple(experiment.arms), tuple(drugs_given(experiment))
        self._mechanisms, self._sanctuary = clone_mechanisms(experiment), sanctuary_names(experiment)
        tracks = [arm for arm, _ in arm_tracks(experiment)]
        self._first_track = [tracks.index(arm) for arm in self._arms]
        self._wards = {name: ward for number, name in enumerate(self._arms) if (ward := self._ward(number, name)) is not None}
        self.state: dict[str, RuleState] = {name: no_decisions(ward.rules, len(self._labels)) for name, ward in self._wards.items()}
        self.decisions: list[list[Any]] = []

    def _ward(self, number: int, name: str) -> _Ward | None:
        regimen = self._experiment.regimens[self._experiment.arms[name].regimen]
        if not regimen.rules and not regimen.transfusions:
            return None
        follow_up = self._experiment.trial.follow_up_days
        last = min(self._experiment.trial.treatment_days, self._experiment.trial.follow_up_days)
        days = visit_days(regimen, last) if regimen.rules else []
        delays = {rule.delay_days for rule in regimen.rules.values()}
        due = {day + delay for day in days for delay in delays if day + delay <= follow_up}
        given: dict[int, list[Transfusion]] = {}
        for one in regimen.transfusions:
            planned = [one.day + k * one.interval_days for k in range(one.additional + 1)]
            for step in self._boundaries([day for day in planned if day <= follow_up]):
                given.setdefault(step, []).append(one)
        return _Ward(number, regimen, rule_set(regimen, self._drugs), self._boundaries(days), self._boundaries(sorted(due)), given)

    def _boundaries(self, days: Sequence[float]) -> dict[int, float]:
        """Step boundaries of days (sorted): the nearest at which the cells are drawn, so that to look changes nothing; the last of days that share one."""
        drawn = np.union1d(np.flatnonzero(self._grid.drawn), [0, self._grid.steps])
        return {int(drawn[np.argmin(np.abs(self._grid.times[drawn] - day))]): day for day in days}

    @property
    def steps(self) -> frozenset[int]:
        """Step boundaries at which something may be decided."""
        return frozenset(step for ward in self._wards.values() for step in ward.steps)

    def hold(self, step: int, simulation: Batches, look: Observation | None = None) -> None:
        """Hold the visits of a step boundary, where the simulation stands; `look` is what was seen there already, if anything."""
        due = {name: ward for name, ward in self._wards.items() if step in ward.steps}
        seen, decided, given = None, False, list[tuple[int, BloodProduct, float]]()
        for name, ward in due.items():
            day = ward.visits.get(step, ward.due.get(step, float(self._grid.times[step])))
            state, made = carry_out(ward.rules, self.state[name], max(day, ward.due.get(step, day)))
            if step in ward.visits:
                seen = self._view(simulation.observe(observe) if look is None else look, day) if seen is None else seen
                state, at_visit = visit(ward.rules, state, self._readings(ward, seen, day), day)
                made = made + at_visit
            made = made + _planned(ward.given.get(step, []), len(self._labels))
            self.state[name], decided = state, decided or any(one.product is None for one in made)
            given += [(ward.arm * len(self._labels) + one.row, self._experiment.products[one.product], one.reading) for one in made if one.product is not None]
            self.decisions += [[name, self._labels[one.row], one.kind, day, one.reading] for one in made]
        if decided:
            simulation.replace_rows(gate=self._gates(), track=self._tracks())
        self._give(simulation, given)

    def _give(self, simulation: Batches, given: Sequence[tuple[int, BloodProduct, float]]) -> None:
        """Give units of products to rows."""
        lineages, host = self._experiment.lineages, self._experiment.host
        gifts = [Gift(row, lineage_of(product, lineages), cells_of(product, units)) for row, product, units in given if not product.is_graft]
        grafts = [graft_of(product, units, row) for row, product, units in given if product.is_graft]
        if gifts:
            simulation.replace_rows(donors=give(simulation.observe(observe_donors), gifts))
        if grafts:
            at_rest = np.array(marrow_at_rest(list(lineages.values()), host.blood_volume_l))
            simulation.replace_rows(healthy=engraft(simulation.observe(observe_healthy), grafts, at_rest))

    def events(self) -> pd.DataFrame:
        """Decisions as rows of the table of events."""
        import pandas as pd

        return pd.DataFrame(self.decisions, columns=COLUMNS)

    def _gates(self) -> NDArray[np.float64]:
        gates = np.ones((len(self._arms), len(self._labels), len(self._drugs)))
        for name, ward in self._wards.items():
            gates[ward.arm] = self.state[name].gate
        return gates.reshape(-1, len(self._drugs))

    def _tracks(self) -> NDArray[np.int32]:
        tracks = np.repeat(np.array(self._first_track, np.int32)[:, None], len(self._labels), axis=1)
        for name, ward in self._wards.items():
            tracks[ward.arm] += self.state[name].track
        return tracks.reshape(-1)

    def _view(self, look: Observation, day: float) -> View:
        e = self._experiment
        seen = stack_observations([look], len(self._arms), len(self._labels))
        return View(
            self._arms, self._labels, self._leukaemias, self._mechanisms, np.array([day]), seen, self._drugs, e.lineages, e.host, sanctuary=self._sanctuary
        )

    def _readings(self, ward: _Ward, view: View, day: float) -> Readings:
        """What the laboratory reports of an arm's subjects, by the functions that the results use."""
        # Here because they import tables and statistics, and most trials have no rules.
        from abm.readouts.blood import blood_counts
        from abm.readouts.concentrations import concentrations
        from abm.readouts.laboratory import measured
        from abm.readouts.mrd import MRD

        counts, levels = blood_counts(view).isel(arm=ward.arm, time=0), concentrations(view).isel(arm=ward.arm, time=0)["concentration"]
        keys = self._keys.reshape(len(self._arms), len(self._labels), 2)[ward.arm]
        due = [rule for rule in ward.regimen.rules.values() if is_evaluated(rule, day)]
        wanted = {reading_name(condition): condition for rule in due for condition in (rule.when, rule.until) if condition is not None}
        readings = {}
        for condition in wanted.values():
            # Minimal residual disease is the leukaemic share of the nucleated marrow cells, as its assay finds it.
            name = "blast_fraction" if condition.readout == MRD else condition.readout
            true = counts[name].values if condition.drug is None else levels.sel(drug=condition.drug).values
            assay = ward.regimen.assays.get(condition.readout)
            exact = np.asarray(true, float)
            readings[reading_name(condition)] = exact if assay is None else measured(exact, assay, keys, reading_name(condition), day).reported
        return readings


def _planned(given: Sequence[Transfusion], subjects: int) -> list[Decision]:
    """Planned transfusions as decisions about every subject."""
    return [Decision(row, f"transfuse {one.product}", one.units, one.product) for one in given for row in range(subjects)]


def visit_days(regimen: Regimen, last_day: float) -> list[float]:
    """Days of all visits of a regimen until `last_day`, sorted."""
    days = {float(day) for day in regimen.visit_days if day <= last_day}
    if regimen.visit_interval_days is not None:
        number = int(np.floor((last_day - regimen.visit_start_day) / regimen.visit_interval_days + 1e-9)) + 1
        days |= {regimen.visit_start_day + k * regimen.visit_interval_days for k in range(max(number, 0))}
    return sorted(days)
