"""Known numbers are found again from noisy values of the twin, and the written file gives them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from abm.calibration.confirm import COLUMNS, confirm
from abm.calibration.courses import Resolution
from abm.calibration.errors import ErrorLaw
from abm.calibration.fit import Fit, fit
from abm.calibration.fitted_file import fitted_text, write_fitted
from abm.calibration.free_numbers import read_free, values_at
from abm.calibration.intervals import Interval
from abm.calibration.objective import Problem, with_numbers
from abm.calibration.outcome import outcome
from abm.calibration.report import Report, write_report
from abm.calibration.request import Request, known_numbers
from abm.config.build import build, plain, stored_config
from abm.config.compose import compose
from abm.engine.devices import configure_jax
from abm.output.provenance import gather_sources
from abm.parameters.measured import Measurement
from abm.records import enable_pytrees
from abm.targets.library import library
from tests.small_trial import shipped
from tests.unit.output.synthetic import make_result

NET, BIM = "leukaemias.bmf_competent.growth.net_per_day", "leukaemias.bmf_competent.traits.bim"
TRUTH = {NET: 0.23, BIM: 1.65}
LAWS = {"human_cd45_fraction": ErrorLaw("logit", 0.2, 1e-4, "user"), "neutrophils": ErrorLaw("log", 0.1, 1e-2, "user")}
DAYS = (3.0, 7.0, 10.0)
ARMS = ("vehicle", "combination")
# A correct fit fails a bound of this many sds, or of this probability, less often than once in a million runs with fresh noise.
SDS, ALARM = 5.0, 2e-7


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two arms of one leukaemia, 4 mice each, as the twin gives them with known numbers and noise."""
    configure_jax(None)
    enable_pytrees()
    base = shipped("cohort.leukaemias=[bmf_competent]")
    small = dataclasses.replace(base, lineages={"mouse_neutrophil": base.lineages["mouse_neutrophil"]})
    numbers = tuple(read_free([NET, BIM], known_numbers(plain(compose([])), [])))
    resolution = Resolution(levels=2, cells=4, healthy=4, dt_hours=6.0, before_days=6.0)
    empty = Problem(small, library(), numbers, (), LAWS, (), resolution, batch=6)
    scenes = [("bmf_competent", arm) for arm in ARMS]
    places = np.tile([number.place(TRUTH[number.name]) for number in numbers], (6, 1))
    courses = empty.courses(places, scenes, DAYS[-1])
    random = np.random.default_rng(11)
    measured = []
    for k, (leukaemia, arm) in enumerate(scenes):
        for variable, law in LAWS.items():
            for day in DAYS:
                middle = float(law.transformed(np.interp(day, courses.days, courses.values[variable][:, 0, k])))
                for mouse in range(4):
                    noisy = middle + law.sd * random.normal()
                    value = np.exp(noisy) if law.scale == "log" else 1.0 / (1.0 + np.exp(-noisy))
                    measured.append(Measurement(arm=arm, leukaemia=leukaemia, subject=f"m{mouse}", day=day, variable=variable, value=float(value)))
    return dataclasses.replace(empty, measured=tuple(measured))


@pytest.fixture(scope="module")
def found(problem: Problem) -> Fit:
    return fit(problem, seed=1, scan=6, starts=1)


def test_known_numbers_are_found_again_within_their_intervals(problem: Problem, found: Fit) -> None:
    assert found.intervals is not None
    assert found.converged
    assert found.cost < found.cost_before
    n = len(problem.measured)
    assert chi2.ppf(ALARM, n) < found.cost < chi2.isf(ALARM, n)
    for number, place, interval in zip(problem.numbers, found.places, found.intervals, strict=True):
        truth = number.place(TRUTH[number.name])
        assert interval.verdict == "identified"
        assert 0.0 < interval.high - interval.low < 0.25  # of the range: the data say something
        half = (interval.high - place) if truth > place else (place - interval.low)
        assert abs(truth - place) < SDS / 1.96 * half


def test_a_fit_that_is_stopped_keeps_the_best_so_far(problem: Problem) -> None:
    asked = iter([False, True])
    stopped = fit(problem, seed=1, scan=12, starts=1, should_stop=lambda: next(asked, True))
    assert stopped.intervals is None
    assert stopped.cost <= float(np.sum(problem.residuals(problem.start[None]) ** 2)) + 1e-6


def test_a_number_without_effect_changes_no_residual(problem: Problem) -> None:
    values = {"drugs.navitoclax.targets.bcl2_ki_nm": 1.0, NET: 0.3}
    changed = with_numbers(problem.experiment, values)
    assert changed.leukaemias["bmf_competent"].growth.net_per_day == 0.3
    assert "navitoclax" not in changed.drugs


def make_fit(problem: Problem, *, bounded: bool = True) -> Fit:
    places = np.array([0.4, 0.6])
    ends = np.array([0.0, 0.3, 0.7, 1.0])
    interval = Interval(0.3 if bounded else 0.0, 0.7 if bounded else 1.0, bounded, bounded, 1.0, ends, np.array([50.0, 4.0, 4.0, 50.0]))
    return Fit(places, 40.0, 900.0, [interval, interval], True)


def test_the_written_file_gives_the_numbers_with_their_source(problem: Problem, tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    data.write_text("arm,time_days,variable,value\n", encoding="utf-8")
    known = dataclasses.replace(problem, measured=tuple(dataclasses.replace(m, file=str(data)) for m in problem.measured))
    made = make_fit(problem)
    write_fitted(tmp_path, fitted_text(known, made, "pdx_trial", ["cohort.subjects=3"], "scripts/calibrate ..."))
    cfg = compose(["experiment=fitted"], config_dirs=[tmp_path])
    experiment = build(cfg)
    values = values_at(problem.numbers, made.places)
    leukaemia = experiment.leukaemias["bmf_competent"]
    assert [leukaemia.growth.net_per_day, leukaemia.traits.bim] == pytest.approx([values[NET], values[BIM]], rel=1e-4)
    source = gather_sources(stored_config(cfg, experiment))[NET]
    assert source["kind"] == "fitted"
    assert source["range"] == [0.139, 0.462]
    assert source["interval"] == pytest.approx([problem.numbers[0].at(0.3), problem.numbers[0].at(0.7)], rel=1e-4)
    assert "mine.csv" in source["ref"]


def test_packets_stand_beside_the_twin(problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = dataclasses.replace(problem, measured=tuple(dataclasses.replace(m, file="") for m in problem.measured))
    result = make_result(subjects=2, interval=1.0)
    monkeypatch.setattr("abm.calibration.confirm.simulate", lambda cfg: result)
    text = (Path(__file__).parents[3] / "conf" / "experiment" / "pdx_trial.yaml").read_text(encoding="utf-8")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "fitted.yaml").write_text(text, encoding="utf-8")
    table = confirm(known, problem.start, tmp_path, [], [], subjects=2, packets=8, seed=1)
    assert list(table.columns) == COLUMNS
    assert list(table["day"]) == [*DAYS] * len(ARMS) * len(LAWS)
    of = result.series["leukaemia"].values == "bmf_competent"
    seen = result.series["human_cd45_fraction"].sel(arm="vehicle", time=7.0).values[of]
    assert float(table["packets"].iloc[1]) == pytest.approx(float(np.median(seen)))


def test_the_page_says_what_was_fitted_and_what_was_not_identified(problem: Problem, tmp_path: Path) -> None:
    human = dataclasses.replace(problem.experiment, host=dataclasses.replace(problem.experiment.host, species="human"))  # targets are of mice
    shown = dataclasses.replace(problem, experiment=human)
    held = tuple(dataclasses.replace(m, arm="combination") for m in problem.measured[:2])
    tables, figures, warnings = outcome(Request(shown, held, "pdx_trial", ()), make_fit(problem, bounded=False), None)
    assert sum("not identified" in warning for warning in warnings) == 2
    assert any("no test" in warning for warning in warnings)
    page = write_report(Report({"seed": 1}, tables, figures, warnings), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "not identified: the interval covers the range" in text
    assert "held out" in text
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "calibration.json", "fit.png", "profiles.png"}
