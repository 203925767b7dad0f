"""The command line: bad input is refused with exit code 2 before anything happens; jobs, sweeps, signals."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from abm.cli import main
from abm.errors import RunFault, Stopped
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.studies.context import Context
from tests.unit.output.synthetic import make_result

ROOT = Path(__file__).resolve().parents[2]

BAD_INPUT = [
    (["sede=3"], "sede", "'seed'"),
    (["+typo=3"], "typo", "no such key"),
    (["++engine.b=1"], "engine.b", "Allowed here: packets"),
    (["+arms.x={regimn: venetoclax}"], "arms.x.regimn", "'regimen'"),
    (["trial=[pdx,padua]"], "trial=[pdx,padua]", "choose one option"),
    (["seed=abc"], "seed = abc", "whole number"),
    (["seed=1.5"], "seed = 1.5", "whole number"),
    (["engine.packets=-5"], "engine.packets = -5", "at least 1"),
    (["cohort.subjects=0"], "cohort.subjects = 0", "at least 1"),
    (["engine.dt_hours=nan"], "engine.dt_hours = nan", "finite number"),
    (["trial.treatment_days=inf"], "trial.treatment_days = inf", "finite number"),
    (["host.weight_kg=-0.02"], "host.weight_kg = -0.02", "above 0"),
    (["host.weight_kg=25g"], "host.weight_kg = 25g", "unit is fixed by the key (kg)"),
    (["cell.stress.gain=5%"], "cell.stress.gain = 5%", "write the bare number"),
    (["cohort.design=twins"], "cohort.design = twins", "Allowed: twin, parallel"),
    (["figures=maybe"], "figures = maybe", "true or false"),
    (["experiment=padova"], "experiment=padova", "Did you mean 'padua'?"),
    (["drugs.venetoklax.label=x"], "drugs.venetoklax", "'venetoclax'"),
    (["+arms.x={regimen: venetoclx}"], "arms.x.regimen", "'venetoclax'"),
    (["regimens.combination.events.0.drug=venetoklax"], "unknown drug 'venetoklax'", "'venetoclax'"),
    (["regimens.combination.events.0.amount_unit=g"], "amount_unit = g", "Allowed: mg, mg_per_kg"),
    (["regimens.combination.events.0.day=-3"], "events[0].day = -3", "day 0 is randomisation"),
    (["arms.vehicel.regimen=vehicle"], "arms.vehicel", "'vehicle'"),
    (["~arms.nobody"], "arms.nobody", "does not exist"),
    (["cohort.leukaemias=bmf_null"], "cohort.leukaemias = bmf_null", "a list is needed"),
    (["seed=1,2"], "seed=1,2", "--multirun"),
    (["--multirun", "seed=1,x"], "seed = x", "whole number"),
    (["--multirun", "trial=pdx,paduaa"], "paduaa", "'padua'"),
    (["--multirun", "engine.packets=4,-4", "seed=1,2"], "engine.packets = -4", "at least 1"),
    (["--frobnicate"], "--frobnicate", "key=value"),
    (["--config-dir", "nowhere"], "nowhere", "no such folder"),
    (["hydra.searchpath=[file:///x]"], "hydra.searchpath", "--config-dir"),
    (["resume=true", "overwrite=true"], "resume = true", "choose one"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


Study = Callable[[Experiment, Context], RunResult]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Experiment, Context]]:
    """Replaces the simulation by a made-up result; lists the calls."""
    calls: list[tuple[Experiment, Context]] = []

    def run(experiment: Experiment, context: Context) -> RunResult:
        calls.append((experiment, context))
        context.progress.begin("Arms")
        context.progress.update(1.0, "done")
        return made_up(context)

    replace_study(monkeypatch, run)
    return calls


def made_up(context: Context) -> RunResult:
    """A result that says it was made from the configuration of the context."""
    return dataclasses.replace(make_result(subjects=1, days=30.0, interval=1.0), config_yaml=context.config_yaml)


def replace_study(monkeypatch: pytest.MonkeyPatch, run: Study) -> None:
    """Let `run` stand in for the simulation, without importing the real one."""
    import abm.studies.dispatch

    monkeypatch.setattr(abm.studies.dispatch, "run_experiment", run)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("argv", "names", "allowed"), BAD_INPUT, ids=[" ".join(case[0]) for case in BAD_INPUT])
def test_bad_input_is_refused(here: Path, capsys: pytest.CaptureFixture[str], argv: list[str], names: str, allowed: str) -> None:
    assert main([*argv, "out=result"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("abm: input refused, nothing was run or written.\n")
    assert names in said.err
    assert allowed in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) <= 20
    assert list(here.iterdir()) == []


def test_the_traceback_is_there_when_asked_for(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABM_DEBUG", "1")
    assert main(["seed=abc"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_job_writes_exactly_into_out(here: Path, study: list[tuple[Experiment, Context]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["out=a/b", "seed=7", "figures=false", "progress=false"]) == 0
    assert files(here) == ["a/b/config.yaml", "a/b/run.h5", "a/b/summary.json"]
    (experiment, context) = study[0]
    assert experiment.seed == 7
    assert context.folder == Path("a/b")
    assert context.overrides == ("out=a/b", "seed=7", "figures=false", "progress=false")
    assert yaml.safe_load(context.config_yaml)["seed"] == 7
    said = capsys.readouterr().out
    assert "Result: a/b/run.h5" in said
    assert "log10 kill" in said
    assert "combination" in said


def test_without_out_the_folder_is_named_by_experiment_and_time(here: Path, study: list[tuple[Experiment, Context]]) -> None:
    assert main(["experiment=padua", "figures=false", "progress=false"]) == 0
    assert main(["experiment=padua", "figures=false", "progress=false"]) == 0
    folders = sorted(path.parent.relative_to(here) for path in here.rglob("run.h5"))
    assert len(folders) == 2, "a second run in the same second gets a folder of its own"
    assert all(folder.parts[:2] == ("outputs", "padua") and len(folder.parts) == 3 for folder in folders)


def test_a_folder_in_use_is_refused_kept_or_replaced(here: Path, study: list[tuple[Experiment, Context]], capsys: pytest.CaptureFixture[str]) -> None:
    common = ["out=r", "figures=false", "progress=false"]
    assert main(common) == 0
    before = (here / "r" / "run.h5").read_bytes()
    assert main(common) == 2
    assert "out = r: holds a finished result; resume=true keeps it, overwrite=true replaces it" in capsys.readouterr().err
    assert main([*common, "resume=true"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert (here / "r" / "run.h5").read_bytes() == before
    assert main([*common, "resume=true", "seed=99"]) == 2
    assert "seed: 20260212 there, 99 now" in capsys.readouterr().err
    assert len(study) == 1
    assert main([*common, "overwrite=true", "seed=99"]) == 0
    assert len(study) == 2
    assert not study[1][1].resume


def test_a_stopped_run_exits_75_and_is_continued(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[bool] = []

    def run(experiment: Experiment, context: Context) -> RunResult:
        seen.append(context.resume)
        assert context.checkpoint is not None
        if not context.resume:
            assert not context.should_stop()
            os.kill(os.getpid(), signal.SIGTERM)
            assert context.should_stop()
            context.checkpoint.write_bytes(b"state")
            raise Stopped("A checkpoint was written on day 3.")
        return made_up(context)

    replace_study(monkeypatch, run)
    common = ["out=r", "figures=false", "progress=false"]
    assert main(common) == 75
    said = capsys.readouterr().err
    assert "SIGTERM: stopping at the next checkpoint" in said
    assert "abm: stopped. A checkpoint was written on day 3. Continue with the same command and out=r resume=true." in said
    assert files(here) == ["r/checkpoint.npz", "r/config.yaml"]
    assert main(common) == 2
    assert "holds an unfinished run" in capsys.readouterr().err
    assert main([*common, "resume=true"]) == 0
    assert seen == [False, True]
    assert files(here) == ["r/config.yaml", "r/run.h5", "r/summary.json"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "handlers are given back"


def test_faults_exit_with_1(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def lose(experiment: Experiment, context: Context) -> RunResult:
        raise RunFault("7 cells were lost in arm vehicle.")

    replace_study(monkeypatch, lose)
    assert main(["out=r", "progress=false"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "abm: RunFault: 7 cells were lost in arm vehicle."
    assert files(here) == ["r/config.yaml"], "a failed run leaves no result behind"

    def break_(experiment: Experiment, context: Context) -> RunResult:
        raise ZeroDivisionError("here")

    replace_study(monkeypatch, break_)
    assert main(["out=r", "progress=false"]) == 1
    assert "ZeroDivisionError: here" in capsys.readouterr().err


def test_a_second_interrupt_stops_at_once(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(experiment: Experiment, context: Context) -> RunResult:
        os.kill(os.getpid(), signal.SIGINT)
        assert context.should_stop()
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    replace_study(monkeypatch, run)
    assert main(["out=r", "progress=false"]) == 1
    assert "interrupted" in capsys.readouterr().err


SWEEP = ["--multirun", "seed=1", "trial=pdx,padua", "figures=false", "progress=false", "out=s"]
MEMBERS = ["seed=1,trial=padua", "seed=1,trial=pdx"]


def test_each_member_of_a_sweep_has_its_folder_and_is_run_once(here: Path, study: list[tuple[Experiment, Context]]) -> None:
    assert main(SWEEP) == 0
    assert sorted(path.parent.name for path in here.rglob("run.h5")) == MEMBERS
    assert all((here / "s" / name / "run.h5").exists() for name in MEMBERS)
    starts = {(experiment.seed, experiment.trial.start_human_cd45_percent) for experiment, _ in study}
    assert starts == {(1, 5.0), (1, 30.0)}
    stored = yaml.safe_load((here / "s" / MEMBERS[0] / "config.yaml").read_text(encoding="utf-8"))
    assert (stored["seed"], stored["trial"]["event_human_cd45_percent"]) == (1, 60.0)
    assert stored["trial"]["sources"]["event_human_cd45_percent"]["range"] == [45.0, 80.0]

    (here / "s" / MEMBERS[1] / "run.h5").unlink()
    assert main([*SWEEP, "resume=true"]) == 0
    assert len(study) == 3, "finished members are kept"
    assert study[2][0].trial.start_human_cd45_percent == 5.0


def test_a_sweep_runs_in_other_processes(here: Path, study: list[tuple[Experiment, Context]], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (here / "mine" / "drug").mkdir(parents=True)
    (here / "mine" / "drug" / "own.yaml").write_text("defaults: [venetoclax, _self_]\nlabel: Own\n", encoding="utf-8")
    common = ["--multirun", "seed=1,2", "regimens.venetoclax.events.0.drug=own", "figures=false", "progress=false", "out=s", "--config-dir", "mine"]
    assert main(common) == 0
    assert len(study) == 2
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert main([*common, *joblib, "resume=true"]) == 0
    assert main([*common, *joblib]) == 2
    assert "holds a finished result" in capsys.readouterr().err
    assert len(list((here / "s").rglob("run.h5"))) == 2


def test_the_rest_of_a_sweep_is_not_started_after_a_signal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def run(experiment: Experiment, context: Context) -> RunResult:
        calls.append(experiment.seed)
        os.kill(os.getpid(), signal.SIGTERM)
        raise Stopped("day 1")

    replace_study(monkeypatch, run)
    assert main(["--multirun", "seed=1,2", "figures=false", "progress=false", "out=s"]) == 75
    assert calls == [1]


@pytest.mark.parametrize(
    ("argv", "expected"), [(["--help"], "diagnosis, padua, pdx, relapsed"), (["--cfg", "job", "seed=5", "--package", "seed"], "5"), (["--version"], "abm ")]
)
def test_what_shows_something_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str], argv: list[str], expected: str) -> None:
    assert main(argv) == 0
    assert expected in capsys.readouterr().out
    assert list(here.iterdir()) == []


def test_the_module_is_the_command(tmp_path: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "abm", "sede=1"], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False)
    assert done.returncode == 2
    assert "Did you mean 'seed'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
