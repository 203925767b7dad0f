"""Run cases one after the other and keep what each found."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable

from abm.errors import FAULTS, in_a_line
from abm.verification.findings import MOST_CHECKS, Execution, Outcome
from abm.verification.registry import Case
from abm.verification.runner import Runner

PASSED, FAILED, FAULT, NOT_AVAILABLE = "passed", "FAILED", "FAULT", "not available"


@dataclasses.dataclass(frozen=True)
class Result:
    """How a case ended."""

    case: Case
    verdict: str
    outcome: Outcome | None
    executions: list[Execution]
    seconds: float
    cpu_seconds: float
    note: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether the suite must not pass."""
        return self.verdict in (FAILED, FAULT)


def run_cases(cases: Iterable[Case], runner: Runner, tell: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """Run all cases; a fault in one is its verdict and does not stop the others."""
    results = []
    for case in cases:
        results.append(_run(case, runner))
        tell(results[-1])
    chances = sum(finding.p is not None for result in results if result.outcome for finding in result.outcome.findings)
    if chances > MOST_CHECKS:
        raise AssertionError(f"{chances} checks with chance, but the level of each is set for {MOST_CHECKS}: raise MOST_CHECKS")
    return results


def _run(case: Case, runner: Runner) -> Result:
    missing = case.missing()
    if missing:
        return Result(case, NOT_AVAILABLE, None, [], 0.0, 0.0, f"this version has no experiment {', '.join(f'theory/{name}' for name in missing)}")
    began, cpu = time.perf_counter(), time.process_time()
    outcome, note = None, ""
    try:
        outcome = case.function(runner)
        verdict = PASSED if outcome.passed else FAILED
    except FAULTS as error:
        verdict, note = FAULT, in_a_line(error)
    return Result(case, verdict, outcome, runner.taken(), time.perf_counter() - began, time.process_time() - cpu, note)
