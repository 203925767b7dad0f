"""What the drugs of a row hand to its cells, with every kind of drug in one run."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abm.cells import Drive
from abm.config.build import plain
from abm.config.compose import compose
from abm.config.schema import read_record
from abm.models.xenograft import RowState, row_drive
from abm.models.xenograft_setup import Rows, build_params, start_rows
from abm.parameters.drug import Drug
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Arm, DoseEvent, Regimen
from abm.subject import cohort_subjects
from tests.small_trial import small_experiment

MG = {"temsirolimus": 0.01, "prednisone": 0.8, "peg_asparaginase": 33.0, "mercaptopurine": 0.8, "vincristine": 0.02}
STEPS = 12
Drives = list[tuple[RowState, Drive]]


def everything(factor: float) -> Regimen:
    events = [
        DoseEvent(drug=drug, day=0.1, amount=factor * mg, amount_unit="mg", duration_h=0.0, interval_days=0.2, additional=1, skip_days=[])
        for drug, mg in MG.items()
    ]
    return Regimen(label="", events=events)


def experiment(arms: dict[str, Regimen]) -> Experiment:
    """A mouse that handles the drugs of the clinic as a patient of its body surface would."""
    base, library = small_experiment(), plain(compose([]))["drugs"]
    drugs = dict(base.drugs)
    for name in MG:
        drug = read_record(Drug, library[name], name, [])
        assert drug is not None
        drugs[name] = dataclasses.replace(drug, pharmacokinetics={"mouse": drug.pharmacokinetics["human"]})
    host = dataclasses.replace(base.host, body_surface_m2=0.013)
    return dataclasses.replace(base, drugs=drugs, host=host, regimens=base.regimens | arms, arms={name: Arm(regimen=name) for name in ("combination", *arms)})


def drives(e: Experiment) -> Drives:
    """States and drives of twelve steps of an hour; two subjects in every arm."""
    names = tuple(e.cohort.leukaemias)
    subjects = cohort_subjects(e.seed, names, 2)
    source, arms = np.tile(np.arange(2), len(e.arms)), np.repeat(np.arange(len(e.arms), dtype=np.int32), 2)
    params = build_params(e, Rows(subjects.keys[source], tuple(subjects.leukaemias[i] for i in source), arms), 2, np.arange(STEPS + 1) / 24.0)
    rows = start_rows(params, e, np.full(len(source), 1e6))
    step = jax.jit(row_drive)
    found = []
    for k in range(STEPS):
        rows, drive = step(params, rows, jnp.asarray(k), jnp.float64(1.0 / 24.0))
        found.append((rows, drive))
    return found


@pytest.fixture(scope="module")
def together() -> Drives:
    with jax.enable_x64(True):
        return drives(experiment({"vehicle": everything(0.0), "full": everything(1.0), "zero": everything(0.0)}))


def assert_rows(one: Any, rows: slice, other: Any, others: slice) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(a)[rows].tobytes() == np.asarray(b)[others].tobytes()


def test_every_kind_of_drug_acts(together: Drives) -> None:
    last = together[-1][1]
    full = jax.tree.map(lambda x: np.asarray(x)[4:6, 0], last)
    assert together[-1][0].drug_state.shape == (8, 7, 16)
    assert np.all(full.block > 0.3)
    assert np.all(full.stress_drive > 0.2)
    assert np.all(full.bim_fold > 1.5)
    assert np.all(full.cytotoxic_cycling > full.cytotoxic_quiescent)
    assert np.all(full.thiopurine_cycling > 0.0)


def test_zero_doses_are_no_drug_to_the_bit(together: Drives) -> None:
    for rows, drive in together:
        assert_rows(drive, slice(6, 8), drive, slice(2, 4))
        assert not np.any(np.asarray(rows.drug_state)[[2, 3, 6, 7]])
        assert not np.any(np.asarray(drive.thiopurine_cycling)[[2, 3, 6, 7]])


def test_arms_with_further_kinds_of_drugs_change_no_other_arm(together: Drives) -> None:
    with jax.enable_x64(True):
        alone = drives(experiment({}))
    for (_, beside), (_, own) in zip(together, alone, strict=True):
        assert own.thiopurine_cycling is None
        assert own.progenitor_excess is None
        assert own.stem_cell_excess is None
        shared = beside._replace(thiopurine_cycling=None, thiopurine_quiescent=None, progenitor_excess=None, stem_cell_excess=None)
        assert_rows(shared, slice(0, 2), own, slice(0, 2))
