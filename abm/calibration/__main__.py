"""`scripts/calibrate [experiment=NAME ...] --free KEY --data CSV --targets NAME`: exit code 0 = done, 2 = refused input, 75 = stopped with the best so far."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.calibration.request import Request, known_numbers, read_arguments, read_request
from abm.config.build import plain
from abm.config.compose import compose
from abm.errors import EXIT_COMPLETE, EXIT_STOPPED, AbmError, InputError
from abm.studies.context import StopSignals, make_reporter

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from abm.calibration.fit import Fit

STOP = StopSignals()


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = read_arguments(given)
    STOP.clear()
    try:
        if arguments.list:
            _list(arguments)
            return EXIT_COMPLETE
        if (arguments.out / "experiment" / "fitted.yaml").exists():
            raise InputError(f"--out {arguments.out}: holds a fit already; name another folder.")
        request = read_request(arguments)
        with STOP.listening():
            return _run(request, arguments, shlex.join(["scripts/calibrate", *given]))
    except AbmError as error:
        print("\n".join(f"calibrate: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code


def _list(arguments: argparse.Namespace) -> None:
    from abm.calibration.tables import twin_targets_by_key

    print("Free numbers: key, value, range, kind of its source")
    tree = plain(compose(arguments.overrides, config_dirs=arguments.config_dir))
    for key, source in known_numbers(tree, arguments.overrides).items():
        low, high = source["range"]
        print(f"  {key:75} {source['value']:<10g} {low:g} to {high:g}  {source['kind']}")
    print("Targets: number, key, whether shipped numbers were chosen with it, what it is")
    for entry in twin_targets_by_key().values():
        print(f"  {entry.target:5} {entry.key:24} {'fitted' if entry.fitted else '':7} {entry.title}: {entry.tolerance}")


def _run(request: Request, arguments: argparse.Namespace, command: str) -> int:
    import dataclasses

    from abm.calibration.fit import fit
    from abm.calibration.fitted_file import fitted_text, write_fitted
    from abm.engine.devices import configure_jax
    from abm.records import enable_pytrees

    configure_jax(None)
    enable_pytrees()
    began, counter = time.monotonic(), _Counter(len(request.problem.numbers), arguments.scan, arguments.starts)
    problem = dataclasses.replace(request.problem, tell=counter.add)
    try:
        found = fit(problem, seed=arguments.seed, scan=arguments.scan, starts=arguments.starts, begin=counter.begin, should_stop=STOP)
    finally:
        counter.progress.close()
    path = write_fitted(arguments.out, fitted_text(problem, found, request.base, request.overrides, command))
    packets = _confirm(request, found.places, arguments) if arguments.subjects and not STOP() else None
    about = {"command": command, "seed": arguments.seed, "evaluations of the twin": counter.done, "seconds": round(time.monotonic() - began, 1)}
    page = _write(request, found, packets, about, arguments.out)
    print(f"Fitted numbers: {path}\nPage: {page}")
    return EXIT_STOPPED if STOP() else EXIT_COMPLETE


def _confirm(request: Request, place: np.ndarray, arguments: argparse.Namespace) -> pd.DataFrame:
    from abm.calibration.confirm import confirm

    print(f"Packets: {arguments.subjects} subjects of each leukaemia ...", file=sys.stderr, flush=True)
    size = {"subjects": arguments.subjects, "packets": arguments.packets, "seed": arguments.seed}
    return confirm(request.problem, place, arguments.out, request.overrides, arguments.config_dir, **size)


def _write(request: Request, found: Fit, packets: pd.DataFrame | None, about: dict[str, Any], folder: Path) -> Path:
    """Tables, figures and warnings of a fit; prints the numbers."""
    from abm.calibration.outcome import outcome
    from abm.calibration.report import Report, write_report

    about = {**about, "sum of squares before and after": f"{found.cost_before:.4g}, {found.cost:.4g}"}
    tables, figures, warnings = outcome(request, found, packets)
    print(tables["Numbers"].to_string(index=False, float_format=lambda x: f"{x:.4g}"))
    for warning in warnings:
        print(f"calibrate: {warning}", file=sys.stderr)
    return write_report(Report(about, tables, figures, warnings), folder)


class _Counter:
    """Counts evaluations and tells how far each phase is; the length of a phase is an estimate from above."""

    def __init__(self, numbers: int, scan: int, starts: int) -> None:
        self.progress, self.done, self._since = make_reporter(True), 0, 0
        self._expected = {"Scan": scan, "Descent": 20 * starts * (numbers + 5), "Intervals": 10 * numbers * 5 * (numbers + 5)}
        self._phase = "Scan"

    def begin(self, phase: str) -> None:
        """A phase starts."""
        self._phase, self._since = phase, 0
        self.progress.begin(phase)

    def add(self, evaluations: int) -> None:
        """So many sets of numbers were computed."""
        self.done += evaluations
        self._since += evaluations
        self.progress.update(min(self._since / self._expected[self._phase], 1.0), f"{self.done} evaluations")


if __name__ == "__main__":
    sys.exit(main())
