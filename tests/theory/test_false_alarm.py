"""The bounds themselves: a right sample passes at the stated level, a wrong one fails, the books are kept."""

from __future__ import annotations

import collections
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests import false_alarm, seeds
from tests.false_alarm import LEVEL, MOST_CHECKS, SUITE, Z

ROOT = Path(__file__).resolve().parents[2]
RIGHT = np.random.default_rng(5).normal(3.0, 2.0, 500)
# A call that must pass and one that must fail, with the checks that each books.
PAIRS: dict[str, tuple[Callable[[], None], Callable[[], None], int]] = {
    "within": (lambda: false_alarm.within(0.99 * Z, 0.0, 1.0), lambda: false_alarm.within(1.01 * Z, 0.0, 1.0), 1),
    "array": (lambda: false_alarm.within([0.0, 1.0], 0.0, 1.0), lambda: false_alarm.within([0.0, -7.0], 0.0, 1.0), 2),
    "not a number": (lambda: false_alarm.within(0.0, 0.0, 0.0), lambda: false_alarm.within([np.nan], 0.0, 1.0), 1),
    "allowed": (lambda: false_alarm.within(Z + 0.9, 0.0, 1.0, allowed=1.0), lambda: false_alarm.within(Z + 1.1, 0.0, 1.0, allowed=1.0), 1),
    "student": (lambda: false_alarm.student(RIGHT, 3.0), lambda: false_alarm.student(RIGHT, 3.7), 1),
    "alike": (lambda: false_alarm.alike(RIGHT[:250], RIGHT[250:]), lambda: false_alarm.alike(RIGHT[:250], RIGHT[250:] + 1.5), 1),
    "spread": (lambda: false_alarm.spread(RIGHT, 4.0), lambda: false_alarm.spread(RIGHT, 8.0), 1),
    "greater": (lambda: false_alarm.greater(RIGHT, than=2.0), lambda: false_alarm.greater(RIGHT, than=2.6), 1),
    "proportion": (lambda: false_alarm.proportion(520, 1000, 0.5), lambda: false_alarm.proportion(620, 1000, 0.5), 1),
    "events": (lambda: false_alarm.events(102, 100.0), lambda: false_alarm.events(180, 100.0), 1),
    "p-value": (lambda: false_alarm.p_holds([2.0 * LEVEL, 1.0]), lambda: false_alarm.p_holds([0.5 * LEVEL, 1.0]), 2),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_right_number_passes_a_wrong_one_fails_and_both_are_booked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    books: collections.Counter[str] = collections.Counter()
    monkeypatch.setattr(false_alarm, "ledger", books)
    passes, fails, checks = PAIRS[name]
    passes()
    assert books.total() == checks
    with pytest.raises(AssertionError):
        fails()
    assert set(books) == {"tests/theory/test_false_alarm.py"}


def test_the_level_of_all_checks_is_that_of_the_suite() -> None:
    assert LEVEL * MOST_CHECKS == pytest.approx(SUITE) == 1e-6
    assert 2.0 * stats.norm.sf(Z) == pytest.approx(LEVEL, rel=1e-6)
    full, more = collections.Counter({"a": MOST_CHECKS - 1, "b": 1}), collections.Counter({"a": MOST_CHECKS, "b": 1})
    assert not false_alarm.overspent(full)
    assert false_alarm.overspent(more)
    assert false_alarm.merged([dict(full), {"b": 2}])["b"] == 3


def test_a_tail_is_what_it_says() -> None:
    """The binomial and Poisson bounds next to the exact tails at the edge of the level."""
    n = int(stats.binom.isf(0.5 * LEVEL, 1000, 0.1))
    false_alarm.proportion(n, 1000, 0.1)
    with pytest.raises(AssertionError):
        false_alarm.proportion(n + 2, 1000, 0.1)
    k = int(stats.poisson.isf(0.5 * LEVEL, 7.0))
    false_alarm.events(k, 7.0)
    with pytest.raises(AssertionError):
        false_alarm.events(k + 2, 7.0)


def test_seeds_are_fixed_unless_a_session_asks_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(seeds.VARIABLE, raising=False)
    assert [seeds.seed(s) for s in (1, 2)] == [1, 2]
    drawn = {}
    for session in ("7", "8"):
        monkeypatch.setenv(seeds.VARIABLE, session)
        drawn[session] = [seeds.seed(s) for s in (1, 2, 1)]
    assert drawn["7"][0] == drawn["7"][2] != drawn["7"][1]
    assert not set(drawn["7"]) & set(drawn["8"])
    assert all(0 <= s < 2**31 for s in drawn["7"])


INNER = """
from tests import false_alarm, seeds

def test_one():
    print("seed", seeds.seed(1))
    false_alarm.spend({checks})
"""


@pytest.mark.parametrize(("checks", "arguments", "code"), [(3, ["--reseed=12"], 0), (MOST_CHECKS + 1, [], 1), (1, ["--reseed"], 0), (1, ["--reseed=x"], 4)])
def test_a_session_that_spends_too_much_fails_and_fresh_seeds_are_told(tmp_path: Path, checks: int, arguments: list[str], code: int) -> None:
    inner = tmp_path / "test_inner.py"
    inner.write_text(INNER.format(checks=checks), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-s", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "-p", "tests.conftest", str(inner), *arguments], capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    if code == 4:
        assert "not a whole number" in done.stdout + done.stderr
        return
    assert f"{checks} checks with chance" in done.stdout
    assert ("raise MOST_CHECKS" in done.stdout) == (code == 1)
    if arguments:
        told = [line for line in done.stdout.splitlines() if "repeat this run with --reseed=" in line]
        number = int(told[0].rpartition("=")[2])
        assert number == 12 or arguments == ["--reseed"]
        assert "seed 1\n" not in done.stdout
    assert math.isfinite(false_alarm.spent(false_alarm.ledger))
