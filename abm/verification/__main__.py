"""`scripts/verify [names] [--list] [--quick] [--seed INT] [--out DIR]`: exit code 0 = all passed, 1 = a check failed, 2 = refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from abm.errors import EXIT_COMPLETE, EXIT_FAULT, AbmError
from abm.verification.registry import CASES, chosen
from abm.verification.runner import Runner
from abm.verification.suite import NOT_AVAILABLE, Result, run_cases


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/verify", description="Check the program against exact laws and write a page that shows how each case ended.")
    parser.add_argument("names", nargs="*", help="cases to run (default: all)")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--quick", action="store_true", help="smaller samples: minutes on two cores")
    parser.add_argument("--seed", type=int, default=Runner.seed, help="seed of all runs (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("outputs/verification"), help="folder of the page (default: %(default)s)")
    return parser.parse_args(argv)


def _tell(result: Result) -> None:
    findings = result.outcome.findings if result.outcome else []
    inside = sum(finding.passed for finding in findings)
    print(f"{result.case.name:26} {result.verdict:14} {inside:3d} of {len(findings):3d} checks {result.seconds:7.1f} s  {result.note}".rstrip(), flush=True)
    for finding in findings:
        if not finding.passed:
            how = f"p {finding.p:.2g}" if finding.p is not None else f"allowed {finding.tolerance:.3g}"
            print(f"    {finding.quantity}: exact {finding.exact:.6g}, simulated {finding.simulated:.6g}, {how}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    arguments = _arguments(argv)
    try:
        if arguments.list:
            for case in CASES.all().values():
                print(f"{case.name:26} {case.shows}" + (f" ({NOT_AVAILABLE})" if case.missing() else ""))
            return EXIT_COMPLETE
        cases = chosen(arguments.names)
        results = run_cases(cases, Runner(quick=arguments.quick, seed=arguments.seed), _tell)
    except AbmError as error:
        print(f"verify: {error}", file=sys.stderr)
        return error.exit_code
    from abm.verification.report import write_report

    page = write_report(results, arguments.out, quick=arguments.quick, seed=arguments.seed)
    bad = [result.case.name for result in results if result.is_bad]
    absent = sum(result.verdict == NOT_AVAILABLE for result in results)
    print(f"{len(results) - len(bad) - absent} passed, {len(bad)} did not, {absent} not available: {page}")
    return EXIT_FAULT if bad else EXIT_COMPLETE


if __name__ == "__main__":
    sys.exit(main())
