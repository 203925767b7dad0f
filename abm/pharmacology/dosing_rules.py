"""Rules that change what is given: from readings at a visit to decisions.  Pure functions of NumPy arrays.

A rule acts on the subjects of one arm, each by itself.  Rules are evaluated in the order in
which they are written, each on what the ones before it have left.  A drug is given at

    0 if it was stopped or any rule holds it, else the product of all factors decided so far.

`hold` acts where the rule is not holding yet, and lets go where `until` is read; `reduce` acts
once and is ready again after a visit at which `when` is not read; `resume` ends the holds of all
rules on its drugs; `stop` is for good; `switch` moves to another track of doses; `transfuse`
gives units of a blood product at every visit at which `when` is read, whatever drugs are given.
A decision with a delay is made `delay_days` after the visit, whatever is read in between;
until then the rule is not evaluated for this subject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.parameters.regimen import Condition, DosingRule, Regimen
from abm.pharmacology.regimen import track_names

SAME_DAY = 1e-6
"""Days closer than this are the same visit."""
ACT, RELEASE = 1, 2

Readings = Mapping[str, NDArray[np.float64]]
Mask = NDArray[np.bool_]


class RuleState(NamedTuple):
    """What was decided so far for the subjects of an arm."""

    track: NDArray[np.int32]  # (rows,), number of the regimen's track
    factor: NDArray[np.float64]  # (rows, drugs)
    stopped: Mask  # (rows, drugs)
    held: Mask  # (rows, rules, drugs), by which rule
    spent: Mask  # (rows, rules), a reduction that was made and is not ready again
    pending: NDArray[np.int8]  # (rows, rules), 0, ACT or RELEASE
    due_day: NDArray[np.float64]  # (rows, rules), of what is pending
    reading: NDArray[np.float64]  # (rows, rules), behind what is pending

    @property
    def gate(self) -> NDArray[np.float64]:
        """Factor on doses (rows, drugs)."""
        return np.where(self.stopped | self.held.any(axis=1), 0.0, self.factor)


class Decision(NamedTuple):
    """One decision: row of the arm, what was decided, the reading behind it."""

    row: int
    kind: str  # e.g. 'hold venetoclax', 'switch high'
    reading: float  # units for a transfusion
    product: str | None = None  # what is transfused


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """Rules of a regimen.

    Attributes:
        names, rules: The rules in the order of evaluation.
        drugs: Names of the drugs of the run.
        concerned: Which drugs each rule is about, bool (rules, drugs).
        tracks: Names of the regimen's tracks.
    """

    names: tuple[str, ...]
    rules: tuple[DosingRule, ...]
    drugs: tuple[str, ...]
    concerned: Mask
    tracks: tuple[str, ...]


def rule_set(regimen: Regimen, drugs: Sequence[str]) -> RuleSet:
    """Rules of a regimen in a run with `drugs`."""
    given = {event.drug for event in regimen.events}
    concerned = [[drug in (rule.drugs or given) for drug in drugs] for rule in regimen.rules.values()]
    table = np.array(concerned, dtype=bool).reshape(len(regimen.rules), len(drugs))
    return RuleSet(tuple(regimen.rules), tuple(regimen.rules.values()), tuple(drugs), table, track_names(regimen))


def no_decisions(rules: RuleSet, rows: int) -> RuleState:
    """State at the start: full doses on the first track."""
    each, drugs = len(rules.rules), len(rules.drugs)
    return RuleState(
        track=np.zeros(rows, np.int32),
        factor=np.ones((rows, drugs)),
        stopped=np.zeros((rows, drugs), bool),
        held=np.zeros((rows, each, drugs), bool),
        spent=np.zeros((rows, each), bool),
        pending=np.zeros((rows, each), np.int8),
        due_day=np.zeros((rows, each)),
        reading=np.zeros((rows, each)),
    )


def reading_name(condition: Condition) -> str:
    """Name of the reading that a condition asks for."""
    return condition.readout if condition.drug is None else f"{condition.readout}/{condition.drug}"


def is_evaluated(rule: DosingRule, day: float) -> bool:
    """Whether a rule is evaluated at a visit on a day."""
    if rule.on_days and not any(abs(day - other) < SAME_DAY for other in rule.on_days):
        return False
    return rule.from_day - SAME_DAY <= day and (rule.to_day is None or day <= rule.to_day + SAME_DAY)


def is_met(condition: Condition, readings: Readings) -> Mask:
    """Where a condition is read (rows,); never where there is no reading (NaN)."""
    value = readings[reading_name(condition)]
    met = np.isfinite(value)
    if condition.above is not None:
        met = met & (value >= condition.above)
    if condition.below is not None:
        met = met & (value < condition.below)
    return met


def carry_out(rules: RuleSet, state: RuleState, day: float) -> tuple[RuleState, list[Decision]]:
    """Make the decisions that are due on a day."""
    decisions: list[Decision] = []
    for number in range(len(rules.rules)):
        due = (state.pending[:, number] != 0) & (state.due_day[:, number] <= day + SAME_DAY)
        if due.any():
            action, reading = np.where(due, state.pending[:, number], 0), state.reading[:, number]
            state = _changed(state, "pending", number, np.where(due, 0, state.pending[:, number]))
            state = _apply(rules, state, number, action, reading, decisions)
    return state, decisions


def visit(rules: RuleSet, state: RuleState, readings: Readings, day: float) -> tuple[RuleState, list[Decision]]:
    """Evaluate the rules at a visit, after what was due on the day was carried out."""
    decisions: list[Decision] = []
    for number, rule in enumerate(rules.rules):
        if not is_evaluated(rule, day):
            continue
        met = is_met(rule.when, readings)
        action = _wanted(rules, state, number, met, readings)
        reading = _reading_behind(rule, action, readings)
        state = _changed(state, "spent", number, state.spent[:, number] & met)
        if rule.delay_days > 0.0:
            state = _postpone(state, number, action, reading, day + rule.delay_days)
        else:
            state = _apply(rules, state, number, action, reading, decisions)
    return state, decisions


def _wanted(rules: RuleSet, state: RuleState, number: int, met: Mask, readings: Readings) -> NDArray[np.int8]:
    """What a rule wants for each row: 0, ACT or RELEASE."""
    rule, about = rules.rules[number], rules.concerned[number]
    on = [rules.tracks.index(track) for track in rule.on_tracks] or list(range(len(rules.tracks)))
    free = np.isin(state.track, on) & (state.pending[:, number] == 0)
    given = (about & ~state.stopped).any(axis=1)
    match rule.then:
        case "hold":
            holding = state.held[:, number].any(axis=1)
            release = holding & is_met(rule.until, readings) if rule.until is not None else np.zeros_like(holding)
            return np.where(free & release, RELEASE, np.where(free & met & given & ~holding, ACT, 0)).astype(np.int8)
        case "reduce":
            act = met & given & ~state.spent[:, number]
        case "resume":
            act = met & (state.held.any(axis=1) & about).any(axis=1)
        case "stop":
            act = met & given
        case "transfuse":
            act = met
        case _:
            act = met & (state.track != rules.tracks.index(str(rule.track)))
    return np.where(free & act, ACT, 0).astype(np.int8)


def _reading_behind(rule: DosingRule, action: NDArray[np.int8], readings: Readings) -> NDArray[np.float64]:
    value = readings[reading_name(rule.when)]
    return value if rule.until is None else np.where(action == RELEASE, readings[reading_name(rule.until)], value)


def _changed(state: RuleState, field: str, number: int, column: NDArray[np.generic]) -> RuleState:
    """The state with one rule's column of a field replaced."""
    whole = getattr(state, field).copy()
    whole[:, number] = column
    return state._replace(**{field: whole})


def _postpone(state: RuleState, number: int, action: NDArray[np.int8], reading: NDArray[np.float64], due_day: float) -> RuleState:
    new = action != 0
    state = _changed(state, "pending", number, np.where(new, action, state.pending[:, number]))
    state = _changed(state, "due_day", number, np.where(new, due_day, state.due_day[:, number]))
    return _changed(state, "reading", number, np.where(new, reading, state.reading[:, number]))


def _apply(rules: RuleSet, state: RuleState, number: int, action: NDArray[np.integer], reading: NDArray[np.float64], decisions: list[Decision]) -> RuleState:
    """Carry out one rule's actions (rows,) and note the decisions."""
    rule, act = rules.rules[number], action == ACT
    about = rules.concerned[number] & ~state.stopped
    if not action.any():
        return state
    match rule.then:
        case "hold":
            held = state.held.copy()
            held[:, number] = (held[:, number] | (act[:, None] & about)) & (action != RELEASE)[:, None]
            _note(decisions, "hold", rules, act[:, None] & about, reading)
            return _released(rules, state._replace(held=held), state, rule, state.held[:, number] & ~held[:, number], reading, decisions)
        case "resume":
            let_go = act[:, None] & rules.concerned[number] & state.held.any(axis=1)
            return _released(rules, state._replace(held=state.held & ~let_go[:, None, :]), state, rule, let_go, reading, decisions)
        case "reduce":
            _note(decisions, "reduce", rules, act[:, None] & about, reading)
            state = _changed(state, "spent", number, state.spent[:, number] | act)
            return state._replace(factor=np.where(act[:, None] & about, state.factor * float(rule.reduce_factor or 0.0), state.factor))
        case "stop":
            _note(decisions, "stop", rules, act[:, None] & about, reading)
            return state._replace(stopped=state.stopped | (act[:, None] & about))
        case "transfuse":
            decisions += [Decision(int(row), f"transfuse {rule.product}", float(rule.units or 0.0), rule.product) for row in np.flatnonzero(act)]
            return state
        case _:
            decisions += [Decision(int(row), f"switch {rule.track}", float(reading[row])) for row in np.flatnonzero(act)]
            return state._replace(track=np.where(act, rules.tracks.index(str(rule.track)), state.track).astype(np.int32))


def _released(
    rules: RuleSet, state: RuleState, before: RuleState, rule: DosingRule, let_go: Mask, reading: NDArray[np.float64], decisions: list[Decision]
) -> RuleState:
    """Apply the factor of the drugs (rows, drugs) that a rule lets go of; a drug is given again where nothing else keeps it back."""
    given_again = let_go & (state.gate > 0.0) & before.held.any(axis=1) & ~state.held.any(axis=1)
    _note(decisions, "resume", rules, given_again, reading)
    return state._replace(factor=np.where(let_go, state.factor * rule.resume_factor, state.factor))


def _note(decisions: list[Decision], verb: str, rules: RuleSet, where: Mask, reading: NDArray[np.float64]) -> None:
    decisions += [Decision(int(row), f"{verb} {rules.drugs[drug]}", float(reading[row])) for row, drug in zip(*np.nonzero(where), strict=True)]
