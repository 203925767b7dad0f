"""The command: list, refusals, one page with every case, verdicts and exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from abm.config.library import read_catalogue
from abm.verification import registry
from abm.verification.__main__ import main
from abm.verification.findings import CurvePanel, Execution, Finding, LawPanel, Outcome, PValuePanel, SlopePanel
from abm.verification.registry import CASES, Case
from abm.verification.report import write_report
from abm.verification.runner import Runner
from abm.verification.suite import FAILED, FAULT, NOT_AVAILABLE, PASSED, Result, run_cases


def made(name: str, outcome: Outcome | Exception, needs: tuple[str, ...] = ()) -> Case:
    def function(runner: Runner) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Case(name, f"what {name} shows", "a source", "a reading", needs, function)


X = np.arange(1.0, 6.0)
PANELS = [
    LawPanel("law", np.array([0, 1, 1, 2, 4]), np.full(6, 1 / 6), "cells"),
    CurvePanel("curve", X, {"exact": X}, {"program": X + 0.1}, "day", "cells", spread={"program": 0.2 * np.ones(5)}),
    PValuePanel("p-values", {"one": np.array([0.1, 0.5, 0.9])}),
]
GOOD = Outcome([Finding("a mean", 1.0, 1.1, p=0.3, half_width=0.5, basis="a law"), Finding("a number", 2.0, 2.0, tolerance=0.1)], PANELS, "a remark")
BAD = Outcome([Finding("<a mean>", 1.0, 9.0, p=1e-30)], [SlopePanel("slope", X, X**-0.5, -0.5, "cells", "error")])


def test_the_page_has_every_case_with_figure_numbers_and_verdict(tmp_path: Path) -> None:
    cases = [made("good", GOOD), made("bad", BAD), made("broken", ValueError("no")), made("absent", GOOD, needs=("no_such_experiment",))]
    results = run_cases(cases, Runner(quick=True))
    assert [result.verdict for result in results] == [PASSED, FAILED, FAULT, NOT_AVAILABLE]
    page = write_report(results, tmp_path / "deep" / "page", quick=True, seed=1)
    text = page.read_text(encoding="utf-8")
    for case in cases:
        assert f'id="{case.name}"' in text
        assert f'href="#{case.name}"' in text
    assert text.count("data:image/png;base64,") == 2
    assert "2 of 3 cases did not pass" in text
    assert "&lt;a mean&gt;" in text
    assert "ValueError: no" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text), "the page needs no other file"
    numbers = json.loads((page.parent / "results.json").read_text(encoding="utf-8"))
    assert numbers["cases"]["bad"]["checks"][0]["passed"] is False
    assert numbers["about"]["false_alarm"] == 1e-6


def test_runs_of_the_program_are_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["friberg_equations", "synergy_references", "--quick", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "all 2 cases passed" in text
    assert "scripts/run experiment=theory/myelosuppression" in text
    assert "2 passed, 0 did not, 0 not available" in capsys.readouterr().out


def test_step_and_packets_of_a_run_are_stated(tmp_path: Path) -> None:
    run = Execution("birth_death", ("experiment=theory/birth_death", "theory.phases=[[1,2,3]]"), "cpu x 2", 4.0, 64, 90, 1.5)
    result = Result(made("good", GOOD), PASSED, GOOD, [run], 1.0, 1.0)
    text = write_report([result], tmp_path, quick=False, seed=1).read_text(encoding="utf-8")
    assert "cpu x 2, dt 4 h, 90 steps, at most 64 packets a subject, 1.5 s" in text
    assert "device cpu x 2" in text
    assert "&#x27;theory.phases=[[1,2,3]]&#x27;" in text


def test_a_failed_check_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    CASES.all()
    monkeypatch.setitem(registry.CASES.entries, "bad", made("bad", BAD))
    assert main(["bad", "--out", str(tmp_path)]) == 1
    assert "exact 1, simulated 9" in capsys.readouterr().out


def test_list_names_all_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == list(CASES.all())
    assert len(CASES.all()) >= 25


def test_an_unknown_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["frieberg_cells", "--out", str(tmp_path / "none")]) == 2
    assert "Did you mean 'friberg_cells'?" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_cases_of_experiments_that_do_not_exist_yet_are_not_available() -> None:
    options = read_catalogue().options["experiment"]
    for case in CASES.all().values():
        assert case.missing() == tuple(name for name in case.needs if f"theory/{name}" not in options)
        assert case.shows
        assert case.source
        assert case.reading
    assert {name for name, case in CASES.all().items() if "resistance" in case.needs} == {"resistance_phases", "resistance_melanoma"}


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="two cases"):
        registry.case("pk_areas", shows="", source="", reading="")(lambda runner: GOOD)
