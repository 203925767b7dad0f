"""Figures and terminal table of a dose matrix, from surfaces that are known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from abm.config.build import build, stored_yaml
from abm.config.compose import compose
from abm.endpoints.synergy import DoseResponse
from abm.errors import InputError
from abm.figures.draw import FIGURES, applicable, draw_all
from abm.launch.summary_table import summary_lines
from abm.output.result import RunResult
from abm.studies.dose_matrix_surfaces import summarise, surfaces
from abm.studies.dose_matrix_wells import make_wells
from tests.unit.output.synthetic import make_result

EXCESS = 0.1
A, B = DoseResponse(1.0, 0.05, 100.0, 1.0), DoseResponse(1.0, 0.4, 3.0, 2.0)


@pytest.fixture(scope="module")
def result() -> RunResult:
    """Plates in which one leukaemia has EXCESS fewer cells than Bliss expects in one well, and all others none."""
    cfg = compose(["experiment=dose_matrix", "cohort.subjects=2"])
    experiment = build(cfg)
    wells = make_wells(experiment)
    plate = np.outer([A.survival(d) for d in wells.doses[0]], [B.survival(d) for d in wells.doses[1]])
    viability = np.broadcast_to(plate[:, :, None, None], wells.shape).copy()
    viability[4, 4, :, 0] -= EXCESS
    matrix, single = surfaces(wells, {"viability": viability.reshape(len(wells.experiment.arms), -1)})
    summary = {"dose_matrix": summarise(matrix, single)}
    made = make_result(subjects=1, interval=20.0)
    return dataclasses.replace(made, config_yaml=stored_yaml(cfg, experiment), dose_matrix=matrix, tables={"single_drugs": single}, summary=summary)


def test_a_known_excess_is_found_where_it_is(result: RunResult) -> None:
    found = result.summary["dose_matrix"]
    bliss = found["bmf_competent"]["excess"]["bliss"]
    assert bliss["largest"] == pytest.approx(EXCESS, rel=1e-9)
    assert bliss["at_nm"] == {"venetoclax": 100.0, "everolimus": 3.0}
    assert found["etp_like"]["excess"]["bliss"]["largest"] == pytest.approx(0.0, abs=1e-12)
    assert found["etp_like"]["excess"]["zip"]["largest"] == pytest.approx(0.0, abs=2e-3)
    ic50 = found["bmf_null"]["ic50_nm"]
    assert ic50["venetoclax"]["mean"] == pytest.approx(A.dose(0.5), rel=0.1)
    assert ic50["venetoclax"]["reached"] == ic50["venetoclax"]["n"] == 2


def test_it_is_drawn_in_two_figures(result: RunResult, tmp_path: Path) -> None:
    assert applicable(result) == ["dose_matrix", "dose_response"]
    paths = draw_all(result, tmp_path)
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)
    figure = FIGURES["dose_matrix"](result)
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert {"Viability", "Bliss excess", "HSA excess", "Loewe excess", "ZIP excess"} <= titles
    assert any("experiment=claim_robustness" in text.get_text() for text in figure.texts)
    labels = [text.get_text() for axes in FIGURES["dose_response"](result).axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert sum("IC50" in label for label in labels) == 6


def test_a_run_without_a_dose_matrix_is_refused(result: RunResult) -> None:
    with pytest.raises(InputError, match="no dose matrix"):
        FIGURES["dose_matrix"](dataclasses.replace(result, dose_matrix=None))


def test_the_terminal_shows_a_line_per_leukaemia_and_none_per_well(result: RunResult) -> None:
    lines = summary_lines({**result.summary, "seed": 1, "arms": {"untreated": {}}})
    table = [line for line in lines if line.startswith(("bmf_competent", "bmf_null", "etp_like"))]
    assert len(table) == 3
    assert "venetoclax 100 nM + everolimus 3 nM" in table[0]
