"""The central nervous system as a sanctuary: drugs reach it in part, cells leave it only by their hazard."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.packets import total_count
from abm.engine.program import Carry
from abm.errors import InputError
from abm.models.sanctuary import penetrations
from abm.models.xenograft_setup import clone_layout
from abm.parameters.experiment import Experiment
from tests.small_trial import mutating, run_small, small_experiment


@functools.cache
def experiment(penetration: float) -> Experiment:
    """One subject on the combination, a tenth of whose cells is in the sanctuary within days."""
    base = mutating(small_experiment(subjects=1, arms=("combination",)), {"cns": 0.0})
    # A tenth of the cells leave tissue in two days.
    host = dataclasses.replace(base.host, egress_at_half_cd45_per_day=0.05, burden_at_half_cd45=2000.0)
    cns = dataclasses.replace(base.mechanisms["cns"], switch_on_per_day=0.1, switch_off_per_day=0.01, default_penetration=penetration)
    return dataclasses.replace(base, engine=dataclasses.replace(base.engine, devices=1), host=host, mechanisms={"cns": cns})


@functools.cache
def end(penetration: float) -> Carry:
    return run_small(experiment(penetration), days=2.0)


def inside(carry: Carry) -> tuple[np.ndarray, np.ndarray]:
    """(in the sanctuary, in the marrow), bool (rows, packets), of packets with cells."""
    layout = clone_layout(experiment(0.0))
    live, within = np.asarray(total_count(carry.packets)) > 0, layout.has(np.asarray(carry.packets.kind), layout.sanctuary)
    return live & within, live & ~within


def relative_activity(carry: Carry, which: np.ndarray) -> np.ndarray:
    """mTORC1 activity over the set point of some packets."""
    found: np.ndarray = np.asarray(carry.packets.fast.mtorc1)[which] / np.asarray(carry.packets.traits.set_point)[which]
    return found


def test_drugs_that_do_not_enter_do_nothing_inside() -> None:
    carry = end(0.0)
    here, there = inside(carry)
    assert here.sum() > 3
    assert there.sum() > 3
    assert np.asarray(carry.rows.occupied_inside).max() == 0.0
    assert np.asarray(carry.rows.occupied).max() > 0.5
    # Cells that came in lately have nearly recovered: activity returns within an hour.
    assert relative_activity(carry, here) == pytest.approx(1.0, abs=1e-3)
    assert relative_activity(carry, there).max() < 0.6


def test_drugs_that_enter_freely_do_inside_what_they_do_outside() -> None:
    carry = end(1.0)
    here, there = inside(carry)
    np.testing.assert_array_equal(carry.rows.occupied_inside, carry.rows.occupied)
    # Two founders, one of which feels four fifths of the block.
    seen = [set(np.round(relative_activity(carry, which), 4).tolist()) for which in (here, there)]
    assert len(seen[0]) == 2
    assert seen[0] == seen[1]


def test_cells_of_the_sanctuary_do_not_go_to_the_blood() -> None:
    tally, layout = end(0.0).tally, clone_layout(experiment(0.0))
    rows = layout.mechanism_of == layout.sanctuary
    assert tally.moves[:, rows, :2, 2].sum() == 0
    assert tally.moves[:, ~rows, :2, 2].sum() > 0
    assert tally.arrived[:, rows, :2].sum() > 10


def test_a_drug_may_say_how_far_it_reaches() -> None:
    given = experiment(0.05)
    kinetics = [drug.pharmacokinetics["mouse"] for drug in given.drugs.values()]
    stated = [dataclasses.replace(kinetics[0], cns_penetration=0.3), *kinetics[1:]]
    assert penetrations(given.mechanisms["cns"], stated).tolist() == [0.3] + [0.05] * (len(kinetics) - 1)


def test_one_sanctuary_can_act_in_a_run() -> None:
    with pytest.raises(InputError, match="bmf_loss and cns are compartments of their own"):
        build(compose(["cohort.resistance=[bmf_loss,cns]", "+mechanisms.bmf_loss.compartment=cns"]))
