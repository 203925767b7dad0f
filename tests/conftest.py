"""Settings of all tests: strict numbers, no display, the same examples every time.

JAX reads its settings from the environment when it is imported, so that tests which do
not need it do not pay for it, and programs that tests start are as strict.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.optimised import WITHOUT_OPTIMISATION

ROOT = Path(__file__).resolve().parent.parent

os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
# Programs that compile in a moment are kept as well: both workers and the processes that tests start need them.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# A program is compiled for a number of devices: two in every process, whichever test of it is the first to start JAX.
# Its kernels are compiled one after another: threads cost a seventh more, and both processors are busy with tests.
# Most tests compile for longer than they compute: with the older emitters of kernels, where JAX still has them, and without
# optimisation the pieces of the program compile in a quarter of the time.  A test beside M2 holds that every cell
# is as without these flags, as users run the program.
for flag in (
    "--xla_force_host_platform_device_count=2",
    "--xla_cpu_parallel_codegen_split_count=1",
    *WITHOUT_OPTIMISATION,
):
    given = os.environ.get("XLA_FLAGS", "")
    if flag.partition("=")[0] not in given:
        os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()
os.environ["MPLBACKEND"] = "Agg"
# The matrices of the exact laws are small: threads of BLAS that wait for one another make them 70 times slower.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.pop("ABM_DEBUG", None)

settings.register_profile("abm", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("abm")

# Books of chance of the workers of a parallel run; see tests/false_alarm.py.
_books: list[dict[str, int]] = []


@pytest.fixture
def optimised() -> Iterator[None]:
    """For tests whose programs compute for longer than they compile."""
    from tests.optimised import optimised_programs

    with optimised_programs():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reseed",
        nargs="?",
        const="fresh",
        default=None,
        metavar="SEED",
        help="other seeds than the fixed ones in tests of laws: fresh ones, or with --reseed=SEED those of an earlier run",
    )


def pytest_configure(config: pytest.Config) -> None:
    from tests import seeds

    given = config.getoption("--reseed")
    if hasattr(config, "workerinput"):
        return  # a worker inherits what the process that started it has set
    os.environ.pop(seeds.VARIABLE, None)
    if given is None:
        return
    if given != "fresh" and not given.isdigit():
        raise pytest.UsageError(f"--reseed={given}: not a whole number; write --reseed=SEED, or --reseed=fresh before the name of a file")
    os.environ[seeds.VARIABLE] = str(seeds.fresh()) if given == "fresh" else given


def pytest_report_header() -> list[str]:
    session = os.environ.get("ABM_TEST_RESEED")
    return [f"seeds: --reseed={session}"] if session else []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _books.append(getattr(node, "workeroutput", {}).get("chance", {}))


def _chance() -> Any:
    """The module with the books, if a test of this run has used it: it is not worth importing for the others."""
    return sys.modules.get("tests.false_alarm")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    chance = _chance()
    books = dict(chance.ledger) if chance else {}
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["chance"] = books
        return
    _books.append(books)
    if any(_books):
        from tests import false_alarm

        if false_alarm.overspent(false_alarm.merged(_books)) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if any(_books):
        from tests import false_alarm

        books = false_alarm.merged(_books)
        terminalreporter.write_line(f"chance: {false_alarm.report(books)}")
        if false_alarm.overspent(books):
            terminalreporter.write_line("chance: more checks than their level is set for: raise MOST_CHECKS in tests/false_alarm.py", red=True)
    if os.environ.get("ABM_TEST_RESEED"):
        terminalreporter.write_line(f"seeds: repeat this run with --reseed={os.environ['ABM_TEST_RESEED']}")
