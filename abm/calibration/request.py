"""From the command line to a problem: which experiment, which data, which free numbers."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abm.calibration.errors import error_laws, read_sds
from abm.calibration.free_numbers import numbers_with_range, read_free
from abm.calibration.objective import Problem
from abm.calibration.tables import twin_targets_by_key
from abm.config.build import build, plain
from abm.config.compose import compose
from abm.config.schema import read_record
from abm.config.sources_apart import with_sources
from abm.errors import InputError, unknown_name
from abm.output.provenance import Source
from abm.parameters.experiment import Experiment
from abm.parameters.measured import Measurement
from abm.targets.published import Published

DEFAULT_EXPERIMENT = "pdx_trial"


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for, checked.

    Attributes:
        problem: What is fitted to what.
        held_out: Measured values that are shown and judged, but not fitted to.
        base: Experiment that the fitted file builds on.
        overrides: The others.
    """

    problem: Problem
    held_out: tuple[Measurement, ...]
    base: str
    overrides: tuple[str, ...]


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/calibrate", description="Fit a few free numbers to measured values and published targets.")
    parser.add_argument("overrides", nargs="*", help="experiment=NAME and other overrides as for scripts/run")
    parser.add_argument("--free", action="append", default=[], metavar="KEY[=LOW:HIGH]", help="number to fit, or several with commas; * shares one number")
    parser.add_argument("--data", action="append", default=[], metavar="CSV", help="measured values (guide 'calibration')")
    parser.add_argument("--targets", action="append", default=[], metavar="NAME", help="published targets to fit to, by key or number, or several with commas")
    parser.add_argument("--hold-out", action="append", default=[], metavar="ARM", help="arms whose measured values are not fitted to, only judged")
    parser.add_argument("--sd", action="append", default=[], metavar="VARIABLE=SD", help="sd of the errors on the scale of abm/calibration/errors.yaml")
    parser.add_argument("--seed", type=int, default=20260212, help="of the first look over the ranges and of the packets (default: %(default)s)")
    parser.add_argument("--scan", type=int, default=32, help="places of the first look (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="places from which to descend (default: %(default)s)")
    parser.add_argument("--subjects", type=int, default=6, help="virtual subjects that confirm the fit with packets; 0 = none (default: %(default)s)")
    parser.add_argument("--packets", type=int, default=256, help="packets of each of them (default: %(default)s)")
    parser.add_argument("--config-dir", action="append", default=[], metavar="DIR", help="folder with further files, as for scripts/run")
    parser.add_argument("--out", type=Path, default=Path("outputs/calibration"), help="folder of the result (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="list the free numbers and the targets, and stop")
    return parser.parse_intermixed_args(argv)


def split(texts: Sequence[str]) -> list[str]:
    """Names of options that may be repeated or hold commas."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def known_numbers(tree: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Source]:
    """Every number with a range of the whole library in a composed tree."""
    return numbers_with_range(with_sources(tree), overrides)


def read_request(arguments: argparse.Namespace) -> Request:
    """Compose, check and put together; JAX is imported but nothing is computed.

    Raises:
        InputError: One line for everything that is refused.
    """
    _check_options(arguments)
    overrides = list(arguments.overrides)
    targets, sds = _targets(split(arguments.targets)), read_sds(split(arguments.sd))
    tree = plain(compose(overrides, config_dirs=arguments.config_dir))
    numbers = tuple(read_free(split(arguments.free), known_numbers(tree, overrides)))
    given = tree.get("measured") or []
    experiment = build({**tree, "measured": [*([given] if isinstance(given, str) else given), *split(arguments.data)]})
    if experiment.task != "trial":
        raise InputError(f"task = {experiment.task}: only trials are fitted.")
    if targets and experiment.host.species != "mouse":
        raise InputError(f"--targets: these targets are of mice; host.species = {experiment.host.species}.")
    held = split(arguments.hold_out)
    for arm in held:
        if arm not in experiment.arms:
            raise unknown_name("--hold-out", arm, experiment.arms, noun="arm")
    used = tuple(m for m in experiment.measured if m.arm not in held)
    _check_amounts(len(numbers), len(used) + len(targets))
    problem = Problem(experiment, _library(tree), numbers, used, error_laws(experiment.measured, sds), targets)
    base = next((o.removeprefix("experiment=") for o in overrides if o.startswith("experiment=")), DEFAULT_EXPERIMENT)
    others = tuple(o for o in overrides if not o.startswith(("experiment=", "measured=")))
    return Request(problem, tuple(m for m in experiment.measured if m.arm in held), base, others)


def _check_options(arguments: argparse.Namespace) -> None:
    """What can be refused without reading a file."""
    if not split(arguments.free):
        raise InputError("--free: name at least one number to fit; scripts/calibrate --list shows all.")
    for name, least in (("scan", 1), ("starts", 1), ("subjects", 0), ("packets", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            raise InputError(f"--{name} {getattr(arguments, name)}: a number of at least {least} is needed.")


def _check_amounts(numbers: int, observations: int) -> None:
    if observations == 0:
        raise InputError("--data, --targets: give measured values or published targets to fit to.")
    if numbers > observations:
        raise InputError(f"--free: {numbers} numbers cannot be fitted to {observations} value{'s' if observations > 1 else ''}; free fewer.")


def _targets(names: Sequence[str]) -> tuple[Published, ...]:
    known = twin_targets_by_key()
    for name in names:
        if name not in {word for entry in known.values() for word in (entry.key, entry.target)}:
            raise unknown_name("--targets", name, [*known], noun="target of the twin")
    return tuple(entry for entry in known.values() if {entry.key, entry.target} & set(names))


def _library(tree: Mapping[str, Any]) -> Experiment:
    """The experiment with the whole library, whether it uses it or not."""
    problems: list[str] = []
    found = read_record(Experiment, {**tree, "measured": []}, "", problems)
    if found is None:
        raise InputError("\n".join(problems))
    return found
