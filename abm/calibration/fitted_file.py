"""`fitted.yaml`: the fitted numbers as an experiment that can be run, each with its unit and its source."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abm.calibration.fit import Fit
from abm.calibration.free_numbers import FreeNumber, values_at
from abm.calibration.intervals import LEVEL, Interval
from abm.calibration.objective import Problem
from abm.output.atomic import complete_or_absent

NAME = "fitted"
PLACE = Path("experiment") / f"{NAME}.yaml"


def data_text(problem: Problem) -> str:
    """What was fitted to, with a digest of each file of measured values."""
    files = dict.fromkeys(m.file for m in problem.measured)
    parts = [f"{Path(f).name} ({sum(m.file == f for m in problem.measured)} values, sha256 {_digest(f)})" for f in files]
    parts += [f"{entry.target} {entry.key} ({entry.source})" for entry in problem.targets]
    return "; ".join(parts)


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def interval_values(problem: Problem, fit: Fit) -> list[tuple[float, float] | None]:
    """Interval of every number in its own unit; None where none was computed."""
    if fit.intervals is None:
        return [None] * len(problem.numbers)
    pairs = zip(problem.numbers, fit.intervals, strict=True)
    return [(n.at(i.low), n.at(i.high)) for n, i in pairs]


def fitted_text(problem: Problem, fit: Fit, base: str, overrides: Sequence[str], command: str) -> str:
    """Text of the file.

    Args:
        problem: What was fitted to what.
        fit: What was found.
        base: Experiment that it builds on.
        overrides: What else the user set; it is named, not repeated.
        command: As given.
    """
    values = values_at(problem.numbers, fit.places)
    others = f"#\n# Fitted under these overrides, which are not repeated here: {shlex.join(overrides)}\n" if overrides else ""
    state = "" if fit.intervals is not None else "#\n# The fit was stopped early: the best numbers so far, without intervals.\n"
    head = (
        "# @package _global_\n"
        f"# Written by `{command}`.\n"
        "# Use it with  scripts/run --config-dir FOLDER experiment=fitted  where FOLDER holds experiment/fitted.yaml.\n"
        f"#\n# Fitted to: {data_text(problem)}.\n"
        "# What a number was fitted to is no test of it.  Not medical advice and not a dosing tool.\n"
        f"{others}{state}"
    )
    lines = [head, "defaults:", f"  - {base}", "  - _self_", "", f"experiment_name: {NAME}", ""]
    lines += _tree_lines({key: _leaf(values[key], number) for number in problem.numbers for key in number.keys})
    lines += ["", "sources:"]
    intervals: Sequence[Interval | None] = fit.intervals or [None] * len(problem.numbers)
    for number, interval, ends in zip(problem.numbers, intervals, interval_values(problem, fit), strict=True):
        verdict = "interval not computed" if interval is None else interval.verdict
        entry = _source(problem, number, verdict, ends)
        lines += [f"  {key}: {json.dumps(entry, ensure_ascii=False)}" for key in number.keys]
    return "\n".join(lines) + "\n"


def write_fitted(folder: Path, text: str) -> Path:
    """Write the file below `folder`; its path."""
    path = folder / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_or_absent(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _source(problem: Problem, number: FreeNumber, verdict: str, ends: tuple[float, float] | None) -> dict[str, Any]:
    before = f"was {number.value:g} ({number.source.get('kind', 'unsourced')})"
    entry: dict[str, Any] = {"ref": f"scripts/calibrate: {data_text(problem)}", "where": "mean-field twin, least squares", "kind": "fitted"}
    entry["range"] = [float(f"{number.low:.5g}"), float(f"{number.high:.5g}")]
    if ends is not None:
        entry["interval"] = [float(f"{end:.5g}") for end in ends]
    entry["note"] = f"{verdict}; interval: profile likelihood at {LEVEL:.0%}; {before}"
    return entry


def _leaf(value: float, number: FreeNumber) -> str:
    return f"{value:.5g}  # {number.unit}  {number.meaning}"


def _tree_lines(leaves: Mapping[str, str]) -> list[str]:
    """Lines of nested YAML from dotted keys."""
    tree: dict[str, Any] = {}
    for key, text in leaves.items():
        here = tree
        *parents, last = key.split(".")
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = text

    def lines(node: Mapping[str, Any], depth: int) -> list[str]:
        found = []
        for name, below in node.items():
            if isinstance(below, str):
                found.append(f"{'  ' * depth}{name}: {below}")
            else:
                found += [f"{'  ' * depth}{name}:", *lines(below, depth + 1)]
        return found

    return lines(tree, 0)
