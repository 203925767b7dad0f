"""Published targets: complete, judged rightly, on a page; two cheap ones from end to end."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from abm.biology.proliferation import net_rate
from abm.endpoints.survival import kaplan_meier
from abm.engine.devices import configure_jax
from abm.errors import InputError
from abm.parameters.leukaemia import Growth
from abm.records import enable_pytrees
from abm.targets.__main__ import main
from abm.targets.cells_at_rest import deviations, largest
from abm.targets.figures import DISEASE, place
from abm.targets.findings import MET, MISSED, NOT_EVALUATED, UNKNOWN_CAUSE, Line, Simulated, absent, resampled, share
from abm.targets.guide import GUIDE, guide_text
from abm.targets.published import PATH, Published, read_published
from abm.targets.registry import COMPUTATIONS, chosen
from abm.targets.report import write_report
from abm.targets.suite import Result, lines_of, run_targets
from abm.targets.themes.patients import strata
from abm.targets.themes.resistance import mutations
from abm.targets.trials import Trials
from abm.verification.exact_mutants import lea_coulson

ENTRY = Published("key", "V0", "exposure", "a title", "1", 1.0, 0.5, 1.5, "±0.5", "a source", "unit", fitted=False, missed="A known cause.")


def line(value: float, low: float = math.nan, high: float = math.nan, n: int = 0) -> Line:
    return Line(ENTRY, Simulated(value, low, high, n, "A remark."))


# The file and the functions.


def test_every_target_has_exactly_one_computation_in_the_module_of_its_theme() -> None:
    published = read_published()
    computed = {key: c for c in COMPUTATIONS.all().values() for key in c.keys}
    assert set(computed) == set(published)
    assert sum(len(c.keys) for c in COMPUTATIONS.all().values()) == len(published)
    for key, entry in published.items():
        assert computed[key].function.__module__ == f"abm.targets.themes.{entry.theme}"


def test_the_required_targets_are_there() -> None:
    numbers = [1, 2, 3, 4, 5, 8, *range(10, 19), 20, *range(22, 28), 29, *range(31, 36)]
    assert {f"V{n}" for n in numbers} | {"V11b"} == {entry.target for entry in read_published().values()}


def test_targets_are_chosen_by_key_number_and_theme() -> None:
    assert chosen(["V3"]) == ["food_fasting", "food_high_fat"]
    assert chosen(["food_fasting", "V3"]) == ["food_fasting", "food_high_fat"]
    assert set(chosen(["exposure"])) == {key for key, entry in read_published().items() if entry.theme == "exposure"}
    assert chosen([]) == list(read_published())
    with pytest.raises(InputError, match="V3"):
        chosen(["V333"])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sauce": "x"}, "unknown"), ({"source": None}, "absent"), ({"kind": "guess"}, "kind"), ({"low": 2.0, "high": 3.0}, "band"), ({"low": 40.0}, "band")],
)
def test_a_faulty_entry_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    entry = yaml.safe_load(PATH.read_text(encoding="utf-8"))["venetoclax_auc"] | change
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump({"one": {k: v for k, v in entry.items() if v is not None or k in ("low", "high", "published")}}), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_published(path)


# Verdicts.


def test_verdicts() -> None:
    assert [line(v).verdict for v in (0.5, 1.5, 0.49, 1.51, math.inf, math.nan)] == [MET, MET, MISSED, MISSED, MISSED, NOT_EVALUATED]
    assert line(1.0).decided
    assert line(1.0, 0.6, 1.4, 9).decided
    assert not line(1.0, 0.4, 1.4, 9).decided
    assert line(2.0, 1.6, 2.4, 9).decided
    assert not line(2.0, 1.4, 2.4, 9).decided
    assert not line(math.nan).decided


def test_what_is_missed_has_a_reason_and_what_is_undecided_says_so() -> None:
    assert line(1.0).reason == "A remark."
    assert line(2.0).reason == "A known cause. A remark."
    assert "Undecided" in line(1.0, 0.4, 1.4, 9).reason
    without = Line(Published(**{**ENTRY.__dict__, "missed": ""}), Simulated(2.0))
    assert without.reason == UNKNOWN_CAUSE
    assert Line(ENTRY, absent("No such experiment.")).reason == "No such experiment."


def test_intervals() -> None:
    exact = share(0, 10)
    assert (exact.value, exact.low) == (0.0, 0.0)
    assert exact.high == pytest.approx(1.0 - 0.025**0.1, rel=1e-6)
    assert math.isnan(share(0, 0).value)
    found = resampled(np.arange(1.0, 402.0), lambda sample: float(np.mean(sample)))
    assert found.value == pytest.approx(201.0)
    half = 1.96 * 401.0 / math.sqrt(12.0) / math.sqrt(401.0)
    assert (found.high - found.low) / 2.0 == pytest.approx(half, rel=0.1)
    assert math.isnan(resampled(np.array([1.0]), lambda sample: float(np.mean(sample))).value)
    assert resampled(np.array([1.0, math.inf, math.inf]), lambda sample: float(np.median(sample))).value == math.inf


@pytest.mark.parametrize(
    ("low", "high", "value", "expected"), [(1.0, 3.0, 3.0, 1.0), (1.0, 3.0, 2.0, 0.0), (1.0, math.inf, 1.0, -1.0), (-math.inf, 2.0, 2.0, 1.0)]
)
def test_place_in_the_band(low: float, high: float, value: float, expected: float) -> None:
    entry = Published(**{**ENTRY.__dict__, "value": None, "low": low, "high": high})
    assert place(Line(entry, Simulated(value)), value) == pytest.approx(expected)
    inside, outside = value + 0.1 * (1.0 if math.isinf(high) else -1.0), value - 0.1 * (1.0 if math.isinf(high) else -1.0)
    deep = 100.0 if math.isinf(high) else -100.0 if math.isinf(low) else 2.0
    for at in (inside, outside, deep):
        assert (abs(place(Line(entry, Simulated(at)), at)) <= 1.0) == entry.holds(at)


# Pieces of the computations.


def test_risk_groups() -> None:
    first, second = np.array([0.0, 0.0, 1e-2, 0.0, 1e-4]), np.array([0.0, 1e-4, 0.0, 1e-3, 0.0])
    assert strata(first, second).tolist() == ["standard", "intermediate", "intermediate", "high", "intermediate"]


def test_rate_of_balanced_growth() -> None:
    growth = Growth(net_per_day=0.09, death_per_day=0.08, quiescent_fraction=0.4, quiescent_to_cycling_per_day=0.1)
    assert net_rate(growth, 1.0) == pytest.approx(0.09, rel=1e-9)
    assert -0.08 < net_rate(growth, 0.0) < net_rate(growth, 0.5) < 0.09


def test_mutations_from_the_median_of_the_law() -> None:
    """Lea and Coulson's estimate finds m = 200 from the median of their law to 3 %: it is an approximation."""
    law = np.cumsum(lea_coulson(200.0, 4000))
    assert mutations(float(np.searchsorted(law, 0.5))) == pytest.approx(200.0, rel=0.03)


def test_summary_numbers_of_the_patients_rise_to_all() -> None:
    real = yaml.safe_load(DISEASE.read_text(encoding="utf-8"))
    shares, counts = np.array(real["at_most"]).T
    assert (np.diff(shares) > 0).all()
    assert (np.diff(counts) > 0).all()
    assert counts[-1] == real["patients"] == 265
    assert read_published()["mrd_day29_negative"].value == pytest.approx(counts[0] / 265, abs=0.005)
    assert read_published()["mrd_day29_high"].value == pytest.approx(32 / 265, abs=0.005)


# Cells at rest.


def test_the_largest_drift_is_that_of_the_mean_over_subjects() -> None:
    found = {"a": np.array([[0.3, 0.0], [-0.3, 0.0]]), "b": np.array([[0.0, -0.2], [0.0, 0.1]])}
    assert largest(found) == (pytest.approx(0.05), "b")


def test_mice_do_not_drift_in_two_years() -> None:
    """Half a per cent is more than 5 standard errors of any of the means (stem cells, the fewest: 0.4 % / sqrt(16))."""
    configure_jax(None)
    enable_pytrees()
    found = deviations("mouse", 16, seed=1)
    assert list(found) == ["mouse_erythrocyte", "mouse_neutrophil", "mouse_platelet", "stem cells"]
    assert largest(found)[0] < 0.005
    assert all(x.shape == (16, 4) and x.std() > 0.0 for x in found.values())


# From end to end.


@pytest.fixture(scope="module")
def results() -> list[Result]:
    """Two cheap computations, one that a quick run leaves out, and one that cannot be done."""
    keys = ["food_fasting", "venetoclax_auc", "venetoclax_peak", "adult_survival", "g101v_months"]
    return run_targets(keys, Trials(quick=True))


def test_cheap_targets_from_end_to_end(results: list[Result]) -> None:
    found = {entry.published.key: entry for entry in lines_of(results)}
    assert list(found) == [key for key in read_published() if key in found]
    assert {key for key, entry in found.items() if entry.verdict == MET} == {"food_fasting", "venetoclax_auc", "venetoclax_peak"}
    assert found["venetoclax_auc"].simulated.value == pytest.approx(400.0 / 12.2, rel=0.01)
    assert "--quick" in found["adult_survival"].reason
    assert "not modelled" in found["g101v_months"].reason
    assert not any(result.fault for result in results)


def test_page_numbers_and_guide(results: list[Result], tmp_path: Path) -> None:
    trials = Trials(quick=True)
    page = write_report(results, tmp_path / "deep", trials)
    text = page.read_text(encoding="utf-8")
    assert "3 met (2 of them used for fitting), 0 missed, 2 not evaluated, of 5" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text), "the page needs no other file"
    numbers = json.loads((page.parent / "targets.json").read_text(encoding="utf-8"))["targets"]
    assert numbers["venetoclax_auc"]["verdict"] == MET
    assert numbers["adult_survival"]["simulated_value"] is None
    assert "| V3 | `food_fasting` |" in guide_text(results, trials)


def test_a_fault_is_a_line_that_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Trials, experiment: str, *overrides: str) -> None:
        raise InputError(f"no {experiment}")

    monkeypatch.setattr(Trials, "run", broken)
    (result,) = run_targets(["packets_relapse"], Trials(quick=True))
    assert "no pdx_trial" in result.fault
    assert result.lines[0].verdict == NOT_EVALUATED


def test_the_guide_has_the_targets_of_this_version() -> None:
    rows = re.findall(r"^\| (V\w+) \| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(entry.target, key) for key, entry in read_published().items()]


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(read_published())
    assert main(["no_such_target"]) != 0
    assert "no_such_target" in capsys.readouterr().err
    assert main(["--guide", "V1"]) != 0


def test_a_median_that_is_not_reached_is_not_a_number_of_the_curve() -> None:
    """The page writes `not reached` for it (`themes.relapsed`)."""
    assert math.isnan(kaplan_meier(np.array([9.0, 9.0, 9.0]), np.array([True, False, False])).median)
