"""Runs that must agree to the bit: metamorphic checks M1-M3, M5-M7, with mutation on.

A metamorphic check needs no exact answer, only two runs whose relation is known.

| check | statement | where |
|---|---|---|
| M1 | same seed, same file | here; without mutation `tests/unit/studies/test_trial.py` |
| M2 | stop and resume, looks, save interval, batches, devices | here; without mutation `test_trial.py`, `tests/unit/models/test_xenograft.py` |
| M3 | a subject alone is the subject in a batch | here; without mutation the same two files |
| M4 | neighbouring seeds and subjects have nothing in common | `test_metamorphic_laws.py`; `tests/unit/test_streams.py`, `scripts/verify noise_structure` |
| M5 | the order of the packets does not matter | here |
| M6 | a dose of nothing is no dose | here, all drugs of the library at once; `test_xenograft.py` |
| M7 | names, order and number of arms do not matter | here; without mutation the same two files |
| M8 | twice the dose: fewer leukaemic and fewer healthy cells | `test_metamorphic_laws.py` |
| M9 | split doses, split infusions, shifted schedules | `test_metamorphic_laws.py` |
| M10 | units of time and of amount | `test_metamorphic_laws.py` |
| M11 | mutants depend on cells x rate; the number of packets is not a law | `test_metamorphic_laws.py`, `test_birth_death.py` |
| M12 | books at every saved time, genealogy | `test_metamorphic_books.py` |
| M13 | order of convergence in the step | `test_metamorphic_books.py`; `scripts/verify step_size` |
| M14 | no mechanism of interaction, no interaction | `test_metamorphic_books.py` |
| M15 | the share of a neutral clone is a martingale | `test_metamorphic_books.py` |
"""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
import xarray as xr

import abm
from abm.engine.packets import total_count
from abm.engine.program import Carry
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Arm, DoseEvent, Regimen
from tests.small_trial import chosen, differences, mutating, run_small, small_experiment, small_simulation

ROOT = Path(__file__).resolve().parents[2]
# Traits and packets as in `tests.small_trial`, so that both share programs.
TINY = [
    "cohort.subjects=2",
    "cohort.leukaemias=[bmf_competent]",
    "cohort.resistance=[bmf_loss,bcl2_g101v]",
    "mechanisms.bmf_loss.mutation_per_division=0.02",
    "leukaemias.bmf_competent.subclones.bmf_null.mtorc1_response=0.8",
    "leukaemias.bmf_competent.subclones.bmf_null.death_factor=0.7",
    "leukaemias.bmf_competent.subclones.bmf_null.division_factor=0.9",
    "engine.packets=48",
    "engine.strata=4",
    "engine.clones=2",
    "host.injected_cells=3000",
    "host.seeding_fraction=1",
    "trial.start_human_cd45_percent=0",
    "trial.treatment_days=2",
    "trial.follow_up_days=3",
    "readout.cell_snapshot_days=[3]",
    "figures=false",
    "progress=false",
]


def given() -> Experiment:
    """Two subjects under vehicle and combination whose cells mutate."""
    return mutating(small_experiment(blood=True))


@pytest.fixture(scope="module")
def whole() -> Carry:
    """Its state after four days: rows vehicle 0, 1, combination 0, 1."""
    return run_small(given())


def test_mutants_arise_in_what_is_compared(whole: Carry) -> None:
    assert whole.tally.gained.sum(axis=1).min() > 5
    assert whole.stats.merges.min() > 0
    assert differences(chosen(whole, [0]), chosen(whole, [1]))


def stored(path: Path) -> dict[str, bytes]:
    """Bytes of every data set that does not tell of the machine or the clock."""
    found: dict[str, bytes] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "wall" not in name:
            value = item[()]
            found[name] = value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else repr(np.asarray(value).tolist()).encode()

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def test_m01_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    files = []
    for folder, seed in (("one", 5), ("two", 5), ("other", 6)):
        abm.simulate([*TINY, f"seed={seed}"], folder=tmp_path / folder)
        files.append(stored(tmp_path / folder / "run.h5"))
    assert len(files[0]) > 40
    assert any(name.startswith("cells/") for name in files[0])
    assert [name for name in files[0] if files[0][name] != files[1].get(name)] == []
    assert files[0].keys() == files[1].keys()
    assert files[0]["series/count"] != files[2]["series/count"]


def test_m02_stops_looks_and_batches_change_nothing(whole: Carry) -> None:
    first = small_simulation(given())
    for step in (0, 24, 24, 48):
        first.run_to(step)
        first.observe(lambda params, carry: carry.tally.cells)
    second = small_simulation(given(), carry=first.carry(), step=48)
    second.run_to(second.grid.steps)
    assert differences(second.carry(), whole) == []
    assert differences(run_small(given(), batches=1), whole) == []


def elsewhere(flags: str, like: Carry, folder: Path) -> Carry:
    """The same state from a process of its own, in which XLA has these flags."""
    code = "import sys; from tests.small_trial import *; np.savez(sys.argv[1], *jax.tree.leaves(run_small(mutating(small_experiment(blood=True)))))"
    path = folder / "state.npz"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, env=os.environ | {"XLA_FLAGS": flags}, check=True)
    with np.load(path) as stored:
        state: Carry = jax.tree.unflatten(jax.tree.structure(like), [stored[name] for name in stored.files])
    return state


def test_m02_devices_change_nothing(whole: Carry, tmp_path: Path) -> None:
    here, there = (f"--xla_force_host_platform_device_count={n}" for n in (jax.device_count(), 2 if jax.device_count() == 1 else 1))
    flags = os.environ["XLA_FLAGS"]
    assert here in flags
    assert differences(elsewhere(flags.replace(here, there), whole, tmp_path), whole) == []


def test_programs_compiled_as_users_do_give_the_same_cells(whole: Carry, tmp_path: Path) -> None:
    """Without the flags of `tests/conftest.py`: no cell, packet or book differs; other numbers by a few roundings of float32."""
    users = elsewhere("", whole, tmp_path)
    for one, other in ((users.packets.counts, whole.packets.counts), (users.tally, whole.tally), (users.stats, whole.stats)):
        assert differences(one, other) == []
    for x, y in zip(jax.tree.leaves(users), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(x, y, rtol=0.0 if y.dtype.kind in "iub" else 1e-5)


@functools.cache
def saved_every(hours: int) -> xr.Dataset:
    return abm.simulate([*TINY, f"readout.interval_hours={hours}"]).series


@pytest.mark.parametrize("hours", [12, 24])
def test_m02_saving_half_as_often_leaves_the_saved_times_unchanged(hours: int) -> None:
    often, seldom = saved_every(hours), saved_every(2 * hours)
    assert set(seldom["time"].values) < set(often["time"].values)
    both = often.sel(time=seldom["time"].values)
    for name in seldom.data_vars:
        np.testing.assert_array_equal(both[name].values, seldom[name].values, err_msg=str(name))


def test_m03_a_subject_alone_is_the_subject_in_a_batch(whole: Carry) -> None:
    assert differences(run_small(mutating(small_experiment(blood=True, subjects=1))), chosen(whole, [0, 2])) == []


def test_m05_the_order_of_the_packets_changes_no_total() -> None:
    """Packets bear their numbers with them: their place in the arrays is nothing, over two days with merges.

    Only where two packets are alike to the bit, the pieces of a split, does their place decide which of them is merged first,
    and so whose numbers go on; and mutants are drawn for groups of packets, which are made of neighbours.  Neither is here.
    """
    start = small_simulation(small_experiment(blood=True)).carry()
    live = np.asarray(total_count(start.packets)) > 0
    order = np.arange(live.shape[1])
    most = int(live.sum(axis=1).max())
    order[:most] = np.random.default_rng(1).permutation(most)
    shuffled = start._replace(packets=jax.tree.map(lambda x: np.asarray(x)[:, order], start.packets))
    simulation, plain = small_simulation(small_experiment(blood=True), carry=shuffled), small_simulation(small_experiment(blood=True))
    for one in (simulation, plain):
        one.run_to(one.grid.index(2.0))
    after, other = simulation.carry(), plain.carry()
    assert other.stats.merges.min() > 0
    assert differences(shuffled.packets, start.packets)
    assert differences((after.tally, after.rows.healthy, after.stats), (other.tally, other.rows.healthy, other.stats)) == []


def nothing_of(experiment: Experiment, drugs: list[str]) -> dict[str, Regimen]:
    """Regimens that name all drugs and give nothing that acts."""

    def events(amount: float, skip_days: list[float]) -> list[DoseEvent]:
        plain = {"amount_unit": "mg", "duration_h": 0.0, "interval_days": 1.0, "additional": 2}
        return [DoseEvent(drug=name, day=0.0, amount=amount, skip_days=skip_days, **plain) for name in drugs]

    return {
        "no_event": Regimen(label="no event", events=[]),
        "zero": Regimen(label="zero", events=events(0.0, [])),
        "all_missed": Regimen(label="all missed", events=events(50.0, [0.0, 1.0, 2.0])),
        "next_to_nothing": Regimen(label="next to nothing", events=events(1e-30, [])),
    }


def test_m06_zero_dose_is_vehicle() -> None:
    """All drugs of the library that mice are given: doses of zero, doses that are all missed, doses of 1e-30 mg."""
    from abm.config.build import build
    from abm.config.compose import compose

    base = mutating(small_experiment(blood=True, subjects=1))
    cfg = compose([])
    drugs: dict[str, Any] = {}
    for name in (name for name, drug in cfg.drugs.items() if base.host.species in drug.pharmacokinetics):
        drugs[name] = build(compose(["+arms.x={regimen: navitoclax}", f"regimens.navitoclax.events.0.drug={name}"])).drugs[name]
    assert len(drugs) >= 4
    regimens = nothing_of(base, list(drugs))
    carry = run_small(dataclasses.replace(base, drugs=drugs, regimens=regimens, arms={name: Arm(regimen=name) for name in regimens}))
    vehicle = chosen(carry, [0])
    for row, name in enumerate(regimens):
        arm = chosen(carry, [row])
        same = (arm.packets, arm.tally, arm.stats, arm.rows.healthy, arm.rows.clones)
        assert differences(same, (vehicle.packets, vehicle.tally, vehicle.stats, vehicle.rows.healthy, vehicle.rows.clones)) == [], name


def test_m07_arms_may_be_renamed_reordered_and_left_out(whole: Carry) -> None:
    experiment = given()
    turned = dataclasses.replace(experiment, arms={"b": experiment.arms["combination"], "a": experiment.arms["vehicle"]})
    found = chosen(run_small(turned), [2, 3, 0, 1])
    # Where an arm's doses stand in the plan follows the order of the arms.
    assert differences(found._replace(rows=found.rows._replace(track=whole.rows.track)), whole) == []
    alone = run_small(mutating(small_experiment(blood=True, arms=("combination",))))
    there = chosen(whole, [2, 3])
    for part in ("packets", "tally", "stats"):
        assert differences(getattr(alone, part), getattr(there, part)) == [], part
    assert differences((alone.rows.healthy, alone.rows.clones), (there.rows.healthy, there.rows.clones)) == []
