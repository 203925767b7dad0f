"""`abm-check` and `check=true`: what is printed, which exit code, and that nothing is written."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import abm
from abm.cli import check, main
from abm.config.build import build
from abm.config.compose import compose
from abm.launch.forecast_text import duration, forecast_lines, number, size, verdict_lines
from abm.studies.forecast.record import (
    ArmCourse,
    Forecast,
    Hazard,
    Memory,
    Mutants,
    PacketForecast,
    RunTime,
    Start,
    StepForecast,
    Verdict,
)

ROOT = Path(__file__).resolve().parents[3]
THEORY = ["experiment=theory/birth_death", "theory.replicates=50"]


def example(*verdicts: Verdict) -> Forecast:
    hazard = Hazard("apoptosis", 1.0, "a under b", "step", 0.0417, "exact")
    step = StepForecast(3.0, 1.5, 12.0, 24.0, (hazard,), 0.25, 0.5, 24.2, 0.029, "a under b", 0.012)
    return Forecast(
        task="trial",
        name="example",
        size="1 x 2",
        step=step,
        starts=(Start("a", 5e4, 1.5e8, 29.0, 26.0, float("nan")),),
        courses=tuple(ArmCourse("a", f"arm{i}", 1.7e9, 60.0, -1.02, 1.7e6, 600.0, 0.05) for i in range(20)),
        packets=PacketForecast(1024, 1088, 36, 9, 24, 16, 6, {"a": {"founder": 774.0, "null": 250.0}}),
        mutants=(Mutants("a", "mcl1_up", 1e-6, 167.0, 1.0, 1330.0, {"vehicle": 1870.0}),),
        memory=Memory(1 << 20, 1 << 17, 1 << 21, 1 << 22, 1 << 29, 1 << 30, 1 << 34, 1 << 33, "gpu H100", 1 << 31, 1 << 36),
        time=RunTime(1e7, 1e8, "packet-steps", 5e6, 15.0, 76.0, "the engine just now"),
        notes=("a note",),
        verdicts=verdicts,
    )


def test_the_text_has_units_and_all_parts() -> None:
    lines = forecast_lines(example())
    text = "\n".join(lines)
    for part in (
        "cells",
        "1/d",
        "log10",
        " h,",
        "day",
        "MiB",
        "GiB",
        "packet-steps",
        "15 s to 76 s",
        "asked 3 h",
        "mcl1_up",
        "on gpu H100: 2 GiB of 64 GiB",
        "26 to -",
        "a note",
    ):
        assert part in text, part
    assert "and 4 more" in text
    assert max(map(len, lines)) <= 170
    assert lines[-1] == "ok: nothing stands against this run"


def test_verdicts_come_with_advice() -> None:
    lines = verdict_lines(example(Verdict("refused", "too large", "engine.packets=64"), Verdict("warning", "coarse", "engine.dt_hours=1")))
    assert lines == ["refused: too large.  advice: engine.packets=64", "warning: coarse.  advice: engine.dt_hours=1"]
    assert example(Verdict("refused", "", "")).refused
    assert not example(Verdict("warning", "", "")).refused


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(0.0), "0"),
        (number(1.5e8), "1.50e+08"),
        (number(float("nan")), "-"),
        (size(1536), "1.5 KiB"),
        (size(2.0**40), "1 TiB"),
        (duration(90), "90 s"),
        (duration(7000), "117 min"),
        (duration(9e5), "10.4 d"),
    ],
)
def test_numbers_for_a_reader(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_check_prints_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert check([*THEORY, f"out={folder}"]) == 0
    printed = capsys.readouterr()
    assert "Forecast of birth_death" in printed.out
    assert printed.out.rstrip().splitlines()[-1].startswith("ok")
    assert not folder.exists()


def test_what_cannot_be_done_is_refused_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*THEORY, "check=true", "theory.replicates=2000000000", "engine.packets=64", f"out={tmp_path / 'out'}"]) == 2
    printed = capsys.readouterr()
    assert "advice: theory.replicates=" in printed.out
    assert "refused" in printed.err
    assert not (tmp_path / "out").exists()


def test_wrong_input_gives_the_usual_message_before_jax_is_imported() -> None:
    program = "import sys\nfrom abm.cli import check\ncode = check(['engine.packets=-5'])\nprint(code, sorted({'jax', 'xarray'} & set(sys.modules)))\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert done.stdout.splitlines()[0] == "2 []"
    assert "engine.packets = -5" in done.stderr


def test_the_forecast_is_a_public_function() -> None:
    assert abm.forecast([*THEORY]).courses[0].peak > 0.0


def test_configurations_stored_before_there_was_a_check_are_still_read() -> None:
    tree = dict(yaml.safe_load((ROOT / "conf" / "config.yaml").read_text(encoding="utf-8")))
    assert tree["check"] is False
    cfg = compose(THEORY)
    without = {key: cfg[key] for key in cfg if key not in ("check", "hydra")}
    assert build(without).check is False


def test_the_command_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"]["abm-check"] == "abm.cli:check"
