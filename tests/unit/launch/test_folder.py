"""Folders of runs: whether one may be used, how members of a sweep are called, and the table at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.config.build import build, stored_config, stored_yaml
from abm.config.compose import compose
from abm.errors import InputError
from abm.launch.arguments import read_arguments
from abm.launch.folder import State, check_folder, member_name, prepare_folder, state_of
from abm.launch.summary_table import summary_lines
from abm.studies.context import LineReporter

CFG = compose(["resume=true"])
EXPERIMENT = build(CFG)
CONFIG = stored_config(CFG, EXPERIMENT)


def hold(folder: Path, *names: str) -> None:
    prepare_folder(folder, State.FREE, stored_yaml(CFG, EXPERIMENT))
    for name in names:
        (folder / name).write_bytes(b"x")


def test_the_state_of_a_folder(tmp_path: Path) -> None:
    assert state_of(tmp_path / "absent") is State.FREE
    hold(tmp_path)
    assert state_of(tmp_path) is State.FREE
    (tmp_path / "checkpoint.npz").write_bytes(b"x")
    assert state_of(tmp_path) is State.STARTED
    (tmp_path / "run.h5").write_bytes(b"x")
    assert state_of(tmp_path) is State.FINISHED, "a result counts even if the last checkpoint is still there"


def test_what_does_not_change_a_result_does_not_stop_a_resume(tmp_path: Path) -> None:
    hold(tmp_path, "checkpoint.npz")
    cfg = compose(["resume=true", "engine.devices=1", "engine.chunk_days=3", "figures=false", "out=elsewhere"])
    experiment = build(cfg)
    assert check_folder(tmp_path, experiment, stored_config(cfg, experiment)) is State.STARTED


def test_another_configuration_is_not_resumed(tmp_path: Path) -> None:
    hold(tmp_path, "run.h5")
    cfg = compose(["resume=true", "cell.stress.gain=0", "~arms.everolimus"])
    experiment = build(cfg)
    with pytest.raises(InputError) as caught:
        check_folder(tmp_path, experiment, stored_config(cfg, experiment))
    assert "holds a finished result of another configuration" in str(caught.value)
    assert "cell.stress.gain:" in str(caught.value)
    assert "arms.everolimus: {'regimen': 'everolimus'} there, null now" in str(caught.value)


def test_an_unreadable_configuration_is_not_resumed(tmp_path: Path) -> None:
    hold(tmp_path, "checkpoint.npz")
    (tmp_path / "config.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(tmp_path, EXPERIMENT, CONFIG)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file, not a folder"):
            check_folder(out, EXPERIMENT, CONFIG)


def test_starting_anew_removes_what_the_run_before_wrote_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    hold(tmp_path, "run.h5", "summary.json", "checkpoint.npz", "figures/old.png", "figures/notes.txt", "notes.txt")
    prepare_folder(tmp_path, State.FREE, "seed: 1\n")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["config.yaml", "figures/notes.txt", "notes.txt"]
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "seed: 1\n"


def test_continuing_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    hold(tmp_path, "checkpoint.npz")
    before = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    prepare_folder(tmp_path, State.STARTED, "seed: 1\n")
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == before
    assert (tmp_path / "checkpoint.npz").exists()


def test_names_of_sweep_members() -> None:
    assert member_name(["seed=2", "cohort.subjects=3", "out=x", "resume=true"]) == "cohort.subjects=3,seed=2"
    assert member_name(["seed=2", "cohort.subjects=3"]) == member_name(["cohort.subjects=3", "seed=2", "figures=false"])
    assert member_name([]) == "default"
    nested = member_name(["experiment=theory/birth_death"])
    assert "/" not in nested
    assert nested.startswith("experiment=theory-birth_death-")
    assert nested != member_name(["experiment=theory birth_death"]), "names that are cleaned alike stay apart"
    long = [f"cell.stress.gain={i}" for i in range(50)]
    assert len(member_name(long)) < 150
    assert member_name(long) != member_name([*long[:-1], "cell.stress.gain=99"])


def test_flags_and_overrides_may_stand_in_any_order() -> None:
    request = read_arguments(["seed=1", "--multirun", "cohort.subjects=2", "-cd", "mine"])
    assert request.mode == "sweep"
    assert request.overrides == ("seed=1", "cohort.subjects=2")
    assert request.flags == ("--multirun", "-cd", "mine")
    assert request.config_dirs == (Path("mine"),)
    assert read_arguments(["seed=1"]).mode == "run"
    assert read_arguments(["hydra.mode=MULTIRUN"]).mode == "sweep"
    assert read_arguments(["--cfg", "job"]).mode == "show"
    assert read_arguments(["--help"]).mode == read_arguments(["--hydra-help"]).mode == "help"


def test_the_table_shows_medians_of_known_endpoints_first() -> None:
    value = {"mean": 1.0, "median": 1.25, "q05": 0.0, "q95": 2.0, "n": 6}
    endpoints = {"aaa": value, "event_day": value, "log10_reduction_at_end_of_treatment": {**value, "median": 2.5}, "platelets": {**value, "median": None}}
    summary = {"seed": 3, "device": "cpu x 2", "wall_seconds": 12.0, "arms": {"vehicle": {"bmf_null": endpoints}}, "warnings": ["look here"]}
    lines = summary_lines(summary)
    assert [line.split() for line in lines if "bmf_null" in line] == [["bmf_null", "vehicle", "6", "2.5", "1.25"]]
    assert "Warning: look here" in lines
    assert lines[-1] == "Seed 3, cpu x 2, 12.0 s"
    assert summary_lines({"seed": 3, "arms": {}})[-1] == "Seed 3, device unknown"


def test_progress_without_a_terminal_is_sparse() -> None:
    lines: list[str] = []
    reporter = LineReporter(lines.append)
    reporter.begin("Lead-in")
    for step in range(1, 101):
        reporter.update(step / 100, f"day {step}")
    assert lines == ["Lead-in ...", "Lead-in 100% day 100"]
