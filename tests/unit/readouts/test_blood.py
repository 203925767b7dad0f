"""Blood counts from cells: marginal pools, counts shared by several lineages, leukocytes."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from abm.config.cross_checks import cross_check
from abm.parameters.lineage import Lineage, by_readout
from abm.readouts.blood import blood_counts, human_cd45_fraction, leukocyte_baseline
from abm.readouts.populations import healthy_populations
from abm.readouts.view import View
from tests.reference_parameters import parameters
from tests.unit.endpoints.test_blood_toxicity import everything, of_species


def view(lineages: dict[str, Lineage], blood: list[float]) -> View:
    """One subject at one time with blood cells and no leukaemia."""
    cells = np.zeros((1, 1, 1, len(blood), 3))
    cells[..., 2] = blood
    seen = SimpleNamespace(
        tally=SimpleNamespace(cells=np.zeros((1, 1, 1, 1, 3))),
        stem=(),
        lineages=SimpleNamespace(cells=cells, births=cells, deaths=cells, gained=cells, lost=cells),
    )
    return View(("arm",), ("subject",), ("none",), {"none": ["founder"]}, np.zeros(1), cast(Any, seen), (), lineages, parameters().host)


def at_rest(lineages: dict[str, Lineage], litres: float) -> list[float]:
    return [x.baseline * x.cells_per_unit * litres / x.circulating_fraction for x in lineages.values()]


def test_healthy_human_cells_give_the_healthy_counts() -> None:
    lineages = of_species("human")
    dataset = blood_counts(view(lineages, at_rest(lineages, parameters().host.blood_volume_l)))
    for name, value in {"neutrophils": 4.0, "platelets": 250.0, "haemoglobin": 140.0, "monocytes": 0.4, "lymphocytes": 2.0}.items():
        assert float(dataset[name].values.item()) == pytest.approx(value), name
    assert float(dataset["leukocytes"].values.item()) == pytest.approx(cast(Any, leukocyte_baseline(lineages)))
    assert dataset["lymphocytes"].attrs["units"] == "1e9/L"
    assert dataset["haemoglobin"].attrs["units"] == "g/L"


def test_mice_have_no_count_of_leukocytes() -> None:
    lineages = of_species("mouse")
    assert "leukocytes" not in blood_counts(view(lineages, at_rest(lineages, 0.0018)))


def test_only_circulating_leukocytes_stand_against_blasts() -> None:
    lineage = dataclasses.replace(parameters().lineage, white_cell_share=0.5, circulating_fraction=0.25)
    assert human_cd45_fraction(np.array(50.0), np.array([100.0]), {"n": lineage}) == pytest.approx(0.5)


def test_populations_keep_names_of_their_own() -> None:
    lineages = of_species("human")
    names = list(healthy_populations(view(lineages, at_rest(lineages, 5.0))))
    assert len(set(names)) == 3 * len(lineages)
    assert {"b_lymphocytes", "t_lymphocytes", "neutrophils_progenitors"} <= set(names)
    assert [len(members) for readout, members in by_readout(lineages).items() if readout == "lymphocytes"] == [2]


def test_lineages_that_cannot_be_told_apart_are_refused() -> None:
    experiment = everything()
    twin = dataclasses.replace(experiment.lineages["mouse_neutrophil"], readout_units="1e6/L")
    problems: list[str] = []
    cross_check(dataclasses.replace(experiment, lineages={**experiment.lineages, "again": twin}), problems)
    assert len(problems) == 2
    assert "lineages.again.readout_units" in problems[0]
    assert "lineages.again.population" in problems[1]
