"""Commands and overrides that the README and the guide of the model show are accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from abm.config.build import build
from abm.config.compose import compose

ROOT = Path(__file__).resolve().parents[2]


def readme_commands() -> list[list[str]]:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("scripts/run ")]
    return [[first_of_sweep(word) for word in words if not word.startswith("--")] for words in commands]


def guide_overrides() -> list[list[str]]:
    text = (ROOT / "abm" / "guides" / "model.md").read_text(encoding="utf-8")
    return [match.split() for match in re.findall(r"`((?:cell|drugs|leukaemias|regimens)\.[\w.]+=[^`]+)`", text)]


def first_of_sweep(word: str) -> str:
    return word if any(bracket in word for bracket in "[{") else word.split(",")[0]


def composed_alone(overrides: list[str]) -> bool:
    """Whether a command changes what there is; the rest only set values and can be checked in one go."""
    return any(word.startswith(("experiment=", "+", "~")) for word in overrides)


@pytest.mark.parametrize("overrides", [command for command in readme_commands() if composed_alone(command)], ids=" ".join)
def test_documented_command_is_accepted(overrides: list[str]) -> None:
    build(compose(overrides))


def test_documented_values_are_accepted() -> None:
    words = [word for command in (*readme_commands(), *guide_overrides()) if not composed_alone(command) for word in command]
    build(compose(words))


def test_there_are_commands_to_check() -> None:
    assert len(readme_commands()) > 15
    assert len(guide_overrides()) > 8
    assert first_of_sweep("seed=1,2,3") == "seed=1"
    assert first_of_sweep("cohort.leukaemias=[a,b]") == "cohort.leukaemias=[a,b]"


def test_files_that_the_readme_links_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
