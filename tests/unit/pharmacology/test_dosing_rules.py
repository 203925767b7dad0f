"""Dosing rules on synthetic readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.parameters.regimen import Condition, DoseEvent, DosingRule, Regimen
from abm.pharmacology.dosing_rules import Decision, RuleSet, RuleState, carry_out, no_decisions, rule_set, visit

DRUGS = ("everolimus", "venetoclax")
LOW, RECOVERED, HIGH = Condition(readout="neutrophils", below=0.5), Condition(readout="neutrophils", above=1.0), Condition(readout="mrd", above=1e-3)


def rules_of(tracks: Sequence[str] = (), **rules: DosingRule) -> RuleSet:
    events = [DoseEvent(drug=drug, day=0.0, amount=1.0, amount_unit="mg") for drug in DRUGS]
    return rule_set(Regimen(label="", events=events, tracks=list(tracks), rules=rules), DRUGS)


def hold(**changes: Any) -> DosingRule:
    return DosingRule(**({"when": LOW, "then": "hold", "drugs": ["venetoclax"], "until": RECOVERED} | changes))


def course(rules: RuleSet, readings: Sequence[Mapping[str, float]], days: Sequence[float] | None = None) -> tuple[list[RuleState], list[list[Decision]]]:
    """States after, and decisions at, visits of one subject."""
    state, states, decisions = no_decisions(rules, 1), [], []
    for day, reading in zip(days or range(len(readings)), readings, strict=True):
        state, due = carry_out(rules, state, float(day))
        state, made = visit(rules, state, {name: np.array([value]) for name, value in reading.items()}, float(day))
        states.append(state)
        decisions.append([*due, *made])
    return states, decisions


def gates(rules: RuleSet, neutrophils: Sequence[float], **others: float) -> list[list[float]]:
    return [state.gate[0].tolist() for state in course(rules, [{"neutrophils": n, **others} for n in neutrophils])[0]]


def test_a_hold_lasts_until_recovery_and_is_followed_by_reduced_doses() -> None:
    rules = rules_of(neutropenia=hold(resume_factor=0.75))
    counts = [2.0, 0.49, 0.5, 0.99, 1.0, 0.8, 0.2, 1.5]
    assert gates(rules, counts) == [[1, 1], [1, 0], [1, 0], [1, 0], [1, 0.75], [1, 0.75], [1, 0], [1, 0.5625]]
    decisions = course(rules, [{"neutrophils": n} for n in counts])[1]
    assert decisions[1] == [Decision(0, "hold venetoclax", 0.49)]
    assert decisions[4] == [Decision(0, "resume venetoclax", 1.0)]
    assert decisions[2] == decisions[5] == []


def test_without_drugs_a_rule_is_about_all_of_the_regimen() -> None:
    assert gates(rules_of(neutropenia=hold(drugs=[])), [0.1, 1.0]) == [[0, 0], [1, 1]]


def test_a_hold_without_until_lasts() -> None:
    assert gates(rules_of(neutropenia=hold(until=None)), [0.1, 9.0]) == [[1, 0], [1, 0]]


def test_a_drug_that_two_rules_hold_is_given_when_both_have_let_go() -> None:
    other = hold(when=Condition(readout="platelets", below=25.0), until=Condition(readout="platelets", above=50.0), resume_factor=0.5)
    rules = rules_of(neutropenia=hold(), thrombopenia=other)
    readings = [{"neutrophils": n, "platelets": p} for n, p in ((0.1, 20.0), (2.0, 20.0), (2.0, 60.0))]
    states, decisions = course(rules, readings)
    assert [state.gate[0, 1] for state in states] == [0.0, 0.0, 0.5]
    assert [[one.kind for one in made] for made in decisions] == [["hold venetoclax", "hold venetoclax"], [], ["resume venetoclax"]]


def test_a_reduction_is_made_once_and_again_only_after_the_reading_was_left() -> None:
    rules = rules_of(less=DosingRule(when=LOW, then="reduce", drugs=["venetoclax"], reduce_factor=0.5))
    assert [gate[1] for gate in gates(rules, [0.1, 0.1, 0.6, 0.1, 0.1])] == [0.5, 0.5, 0.5, 0.25, 0.25]


def test_stop_wins_over_everything_after_it() -> None:
    stop = DosingRule(when=Condition(readout="mrd", above=0.5), then="stop", drugs=["venetoclax"])
    rules = rules_of(neutropenia=hold(), failure=stop)
    readings = [{"neutrophils": 0.1, "mrd": 0.0}, {"neutrophils": 0.1, "mrd": 0.9}, {"neutrophils": 5.0, "mrd": 0.0}, {"neutrophils": 0.1, "mrd": 0.9}]
    states, decisions = course(rules, readings)
    assert [state.gate[0].tolist() for state in states] == [[1, 1 - 1], [1, 0], [1, 0], [1, 0]]
    assert [[one.kind for one in made] for made in decisions] == [["hold venetoclax"], ["stop venetoclax"], [], []]


def test_resume_ends_the_holds_that_were_made_before_it() -> None:
    late = DosingRule(when=Condition(readout="platelets", above=0.0), then="resume", on_days=[2.0])
    rules = rules_of(neutropenia=hold(until=None), anyway=late)
    assert [state.gate[0, 1] for state in course(rules, [{"neutrophils": 0.1, "platelets": 9.0}] * 4)[0]] == [0.0, 0.0, 1.0, 0.0]


def test_the_last_of_two_switches_counts_and_rules_can_be_for_some_tracks() -> None:
    tracks = ("intermediate", "standard", "high")
    high = DosingRule(when=HIGH, then="switch", track="high", on_days=[1.0])
    standard = DosingRule(when=Condition(readout="mrd", above=0.0), then="switch", track="standard", on_tracks=["high"], on_days=[1.0])
    both = rules_of(tracks, high=high, standard=standard)
    states, decisions = course(both, [{"mrd": 1e-2}] * 3)
    assert [int(state.track[0]) for state in states] == [0, 1, 1]
    assert [one.kind for one in decisions[1]] == ["switch high", "switch standard"]
    states, _ = course(rules_of(tracks, standard=standard, high=high), [{"mrd": 1e-2}] * 3)
    assert [int(state.track[0]) for state in states] == [0, 2, 2]


def test_a_bound_below_is_exclusive_and_one_above_inclusive() -> None:
    high = rules_of(("a", "high"), high=DosingRule(when=HIGH, then="switch", track="high"))
    assert [int(course(high, [{"mrd": share}])[0][0].track[0]) for share in (0.999e-3, 1e-3)] == [0, 1]
    assert [gate[1] for gate in (gates(rules_of(x=hold()), [0.5])[0], gates(rules_of(x=hold()), [0.499])[0])] == [1.0, 0.0]


def test_a_late_decision_is_made_whatever_is_read_in_between() -> None:
    rules = rules_of(neutropenia=hold(delay_days=2.0))
    states, decisions = course(rules, [{"neutrophils": n} for n in (0.1, 5.0, 5.0, 5.0, 5.0, 5.0)])
    assert [state.gate[0, 1] for state in states] == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert decisions[2] == [Decision(0, "hold venetoclax", 0.1)]
    assert decisions[4] == [Decision(0, "resume venetoclax", 5.0)]


def test_a_rule_is_evaluated_between_its_days() -> None:
    rules = rules_of(neutropenia=hold(until=None, from_day=1.0, to_day=2.0))
    assert [gate[1] for gate in gates(rules, [0.1, 0.1])] == [1.0, 0.0]
    assert [gate[1] for gate in gates(rules, [0.1, 9.0, 9.0, 0.1])] == [1.0, 1.0, 1.0, 1.0]


def test_no_reading_is_no_reason() -> None:
    assert gates(rules_of(neutropenia=hold(), high=hold(when=HIGH)), [np.nan], mrd=np.nan) == [[1, 1]]


def test_subjects_do_not_know_of_each_other() -> None:
    rules = rules_of(neutropenia=hold(resume_factor=0.5), less=DosingRule(when=LOW, then="reduce", reduce_factor=0.9, delay_days=1.0))
    counts = np.random.default_rng(3).uniform(0.0, 1.5, (6, 5))
    together = no_decisions(rules, 5)
    for day, row in enumerate(counts):
        together, _ = carry_out(rules, together, float(day))
        together, _ = visit(rules, together, {"neutrophils": row}, float(day))
    for subject in range(5):
        alone = course(rules, [{"neutrophils": n} for n in counts[:, subject]])[0][-1]
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], other[subject])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=12))
def test_gates_stay_between_nothing_and_a_full_dose_and_a_decision_is_noted_wherever_one_changes(counts: list[float]) -> None:
    rules = rules_of(neutropenia=hold(resume_factor=0.75), less=DosingRule(when=Condition(readout="neutrophils", below=0.2), then="reduce", reduce_factor=0.5))
    states, decisions = course(rules, [{"neutrophils": n} for n in counts])
    before = np.ones((1, 2))
    for state, made in zip(states, decisions, strict=True):
        assert np.all((state.gate >= 0.0) & (state.gate <= 1.0))
        assert np.array_equal(state.gate, before) or made
        before = state.gate


@pytest.mark.parametrize("then", ["hold", "reduce", "resume", "stop"])
def test_a_rule_that_is_never_met_changes_nothing(then: str) -> None:
    rule = DosingRule(when=Condition(readout="neutrophils", below=0.0), then=then, reduce_factor=0.1, resume_factor=0.1)
    assert gates(rules_of(x=rule), [0.0, 1.0]) == [[1, 1], [1, 1]]
