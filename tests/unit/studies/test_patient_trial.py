"""A trial in patients from founder cells to the result, with stem cells, a sanctuary and an assay."""

from __future__ import annotations

import functools

import numpy as np

import abm
from abm.config.build import build
from abm.output.result import RunResult
from abm.readouts.blood import blast_fraction

# A relapse that is treated at a burden which its founders reach within weeks.
SMALL = [
    "experiment=relapsed_combination",
    "~arms.supportive",
    "~arms.venetoclax",
    "~arms.everolimus",
    "cohort.subjects=2",
    "cohort.resistance=[persister,cns]",
    # Often enough that cells become persisters inside the sanctuary.
    "mechanisms.persister.switch_on_per_day=0.1",
    "mechanisms.cns.switch_on_per_day=0.05",
    "engine.packets=16",
    "engine.strata=4",
    "engine.washout_days=1",
    "host.founder_cells=1e5",
    "trial.start_burden_cells=4e5",
    "trial.treatment_days=4",
    "trial.follow_up_days=6",
    "readout.interval_hours=24",
    "readout.mrd_days=[2]",
]


@functools.cache
def trial() -> RunResult:
    return abm.simulate(SMALL)


def test_every_cell_is_accounted_for_stem_cells_too() -> None:
    """The books restart with the clock of the trial: the run itself stops where they do not balance."""
    series = trial().series
    assert {"stem_cells", "leukaemia_cns", "leukaemia_persister"} <= set(series["population"].values.tolist())
    for name in ("births", "deaths", "gained", "lost"):
        assert int(series[name].isel(time=0).sum()) == 0
    assert int(series["deaths"].sel(population="stem_cells").isel(time=-1).min()) >= 0
    assert int(series["count"].sel(population="stem_cells").min()) > 0


def test_cells_of_the_sanctuary_are_not_in_the_marrow() -> None:
    series = trial().series
    count = series["count"]
    parts = [count.sel(population=f"leukaemia_{part}") for part in ("marrow", "blood", "cns")]
    np.testing.assert_array_equal(sum(part.values for part in parts), count.sel(population="leukaemia").values)
    of_kinds = [count.sel(population=f"leukaemia_{kind}") for kind in ("persister", "cns")]
    assert bool((sum(of_kinds) <= count.sel(population="leukaemia")).all())
    clones, last = trial().clones, count.isel(time=-1)
    joined_last = {kind: int(clones.loc[clones["mechanism"] == kind, "count"].sum()) for kind in ("persister", "cns")}
    found = {kind: int(last.sel(population=f"leukaemia_{kind}").sum()) for kind in joined_last}
    nested = found["cns"] - joined_last["cns"]
    assert nested == joined_last["persister"] - found["persister"] > 0
    host = build(abm.compose(SMALL)).host
    np.testing.assert_allclose(series["mrd"].values, blast_fraction(parts[0].values.astype(float), host), rtol=1e-12)


def test_each_patient_has_a_competence_of_its_own() -> None:
    who, result = trial().tables["subjects"], trial()
    assert who["bmf_competence"].nunique() == len(result.series["subject"])
    assert set(result.endpoints["mrd_negative_day_2"].values.ravel().tolist()) <= {0.0, 1.0}
