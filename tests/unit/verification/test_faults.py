"""Faults put into the engine's random numbers: the program still runs, and the verification sees each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from abm import streams
from abm.engine import pieces, program
from abm.verification.exact_branching import branching_law
from abm.verification.findings import LEVEL
from abm.verification.noise import noise_findings
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_variance

BIRTH, DEATH, DAYS, INTERVALS = 0.5, 0.5, 0.1, 30


@pytest.fixture
def fresh_programs() -> Iterator[None]:
    """Programs are kept once compiled: those with a fault must not survive."""
    pieces.compiled.cache_clear()
    yield
    pieces.compiled.cache_clear()


def trajectories(packets: int = 16) -> np.ndarray:
    keys: dict[str, Any] = {"n0": 2000, "phases": [[INTERVALS * DAYS, BIRTH, DEATH]], "replicates": 20}
    series = Runner(seed=1).run("birth_death", {"dt_hours": 2.4, "packets": packets, "packing_hours": 1e6, "devices": 1}, save_hours=24.0 * DAYS, **keys)
    values: np.ndarray = series["count"].sel(arm="theory", population="cells").values
    return values


def verdicts(counts: np.ndarray) -> dict[str, bool]:
    return {finding.quantity: finding.passed for finding in noise_findings(counts, BIRTH, DEATH, DAYS)}


def same_step(key0: Any, key1: Any, phase: int, step: Any, stream: Any, high: Any, low: Any) -> Any:
    """One key for all steps."""
    return streams.stacked_words(key0, key1, phase, step * np.uint32(0), stream, high, low)


def same_cell(key0: Any, key1: Any, phase: int, step: Any, stream: Any, high: Any, low: Any) -> Any:
    """One number for all packets of a subject."""
    return streams.stacked_words(key0, key1, phase, step, stream, high * np.uint32(0), low * np.uint32(0))


def same_subject(key0: Any, key1: Any, phase: int, step: Any, stream: Any, high: Any, low: Any) -> Any:
    """One key for all subjects."""
    return streams.stacked_words(key0 * np.uint32(0), key1 * np.uint32(0), phase, step, stream, high, low)


@pytest.mark.usefixtures("fresh_programs")
def test_a_right_program_passes() -> None:
    assert all(verdicts(trajectories()).values())


@pytest.mark.usefixtures("fresh_programs")
@pytest.mark.parametrize(
    ("fault", "seen_by"),
    [
        (same_step, "correlation between intervals"),
        (same_cell, "variance of the residuals"),
        (same_subject, "replicates that repeat another"),
    ],
)
def test_a_fault_is_seen(fault: Callable[..., Any], seen_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "stacked_words", fault)
    assert not verdicts(trajectories())[seen_by]


def test_rounding_in_place_of_chance_and_a_weak_coupling_are_seen() -> None:
    rng = np.random.default_rng(1)
    smooth = np.rint(2000.0 * np.ones((20, INTERVALS + 1)) + np.arange(20)[:, None])
    found = {f.quantity: f for f in noise_findings(smooth, BIRTH, DEATH, DAYS)}
    assert found["variance of the residuals"].p < LEVEL
    # 2 % of all cells share one number at each step.
    x = np.full((40, INTERVALS + 1), 5000.0)
    for k in range(INTERVALS):
        own = rng.normal(0.0, np.sqrt(0.1 * 0.98 * x[:, k]))
        shared = 0.02 * x[:, k] * rng.normal(0.0, np.sqrt(0.1), 40)
        x[:, k + 1] = np.rint(x[:, k] + own + shared)
    assert not verdicts(x)["variance of the residuals"]


def test_shared_numbers_fail_the_law_as_well() -> None:
    law = branching_law([(3.0, BIRTH, DEATH)], 50)
    rng = np.random.default_rng(2)
    p = law.probabilities / law.probabilities.sum()
    independent = rng.choice(len(p), 3000, p=p)
    assert check_variance("variance", independent, law.probabilities, law.lost).passed
    assert not check_variance("variance", 50 + 2 * (independent - 50), law.probabilities, law.lost).passed
