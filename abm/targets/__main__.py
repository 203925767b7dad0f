"""`scripts/targets [names] [--list] [--quick] [--subjects INT] [--packets INT] [--out DIR] [--guide]`: exit code 0 even where targets are missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from abm.errors import EXIT_COMPLETE, EXIT_FAULT, AbmError
from abm.targets.published import read_published


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/targets", description="Show every published target beside what is simulated.")
    parser.add_argument("names", nargs="*", help="keys, numbers (V22) or themes (patients); default: all")
    parser.add_argument("--list", action="store_true", help="list the targets and stop")
    parser.add_argument("--quick", action="store_true", help="smaller samples and no patients beyond day 90: minutes on two cores")
    parser.add_argument("--subjects", type=int, default=40, help="virtual patients of a cohort (default: %(default)s)")
    parser.add_argument("--packets", type=int, default=256, help="packets per virtual patient (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20260212, help="seed of all runs (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("outputs/targets"), help="folder of the page (default: %(default)s)")
    parser.add_argument("--guide", action="store_true", help="write the guide abm/guides/targets.md too; needs all targets")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    arguments = _arguments(argv)
    if arguments.list:
        for entry in read_published().values():
            print(f"{entry.target:5} {entry.key:26} {entry.theme:11} {'fitted' if entry.fitted else '':7} {entry.title}: {entry.tolerance}")
        return EXIT_COMPLETE
    if arguments.guide and arguments.names:
        print("targets: --guide writes every target: give no names.", file=sys.stderr)
        return EXIT_FAULT
    return _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> int:
    from abm.engine.devices import configure_jax
    from abm.records import enable_pytrees
    from abm.targets.guide import GUIDE, guide_text
    from abm.targets.registry import chosen
    from abm.targets.report import summary, write_report
    from abm.targets.suite import Result, lines_of, run_targets
    from abm.targets.trials import Trials

    def tell(result: Result) -> None:
        print(f"{result.computation.name:30} {result.seconds:8.1f} s  {result.fault}".rstrip(), flush=True)
        for line in result.lines:
            print(f"    {line.published.target:5} {line.published.key:26} {line.verdict:14} {line.simulated.value:.4g}  {line.reason}".rstrip(), flush=True)

    try:
        keys = chosen(arguments.names)
        configure_jax(None)
        enable_pytrees()
        trials = Trials(subjects=arguments.subjects, packets=arguments.packets, quick=arguments.quick, seed=arguments.seed)
        results = run_targets(keys, trials, tell)
    except AbmError as error:
        print(f"targets: {error}", file=sys.stderr)
        return error.exit_code
    page = write_report(results, arguments.out, trials)
    if arguments.guide:
        GUIDE.write_text(guide_text(results, trials), encoding="utf-8")
    print(f"{summary(lines_of(results))}: {page}")
    return EXIT_FAULT if any(result.fault for result in results) else EXIT_COMPLETE


if __name__ == "__main__":
    sys.exit(main())
