"""Tables of measured values, one value a line, read while the configuration is read.

Columns (in any case, in any order): `arm`, `time_days` (since randomisation), `variable` (a
name of `abm.parameters.measured.VARIABLES`), `value`; optional `leukaemia` (needed where a
trial has several), `subject`, `unit` (that of the series where it is left out).  A line
without a value (empty, `.` or NA) is passed over, and so is one that begins with `#`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from abm.config.schema import shown
from abm.errors import nearest
from abm.parameters.experiment import Experiment
from abm.parameters.lineage import by_readout
from abm.parameters.measured import SHARES, VARIABLES, Measurement

KEY = "measured"
NEEDED = ("arm", "time_days", "variable", "value")
COLUMNS = (*NEEDED, "leukaemia", "subject", "unit")
NO_VALUE = ("", ".", "NA", "NaN", "nan")


class _Refused(Exception):
    """A table or line that cannot be read; the text says why."""


def with_measured_files(tree: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The tree whose `measured` holds the values of its files; `problems` receives one line per file or line that is refused."""
    given = tree.get(KEY)
    paths = [given] if isinstance(given, str) else given
    if not isinstance(paths, (list, tuple)):
        return dict(tree)
    only = _only_leukaemia(tree)
    read: list[Any] = []
    for path in paths:
        read += [path] if isinstance(path, Mapping) else _read_file(str(path), only, problems)
    return {**tree, KEY: read}


def _only_leukaemia(tree: Mapping[str, Any]) -> str:
    """The leukaemia of a trial that has but one, else nothing."""
    cohort = tree.get("cohort")
    names = [str(name) for name in (cohort.get("mix") or cohort.get("leukaemias") or ())] if isinstance(cohort, Mapping) else []
    return names[0] if len(names) == 1 else ""


def _read_file(path: str, only: str, problems: list[str]) -> list[dict[str, Any]]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, line) for number, line in enumerate(csv.reader(file, skipinitialspace=True), 1) if _is_read(line)]
        if not lines:
            raise _Refused("the table is empty.")
        names = [name.strip().lower() for name in lines[0][1]]
        _check_columns(names)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{KEY} = {path}: cannot be read as a table ({error}).")
        return []
    except _Refused as refused:
        problems.append(f"{KEY} = {path}: {refused}")
        return []
    values = []
    for number, line in lines[1:]:
        try:
            cells = {name: cell.strip() for name, cell in zip(names, line, strict=True)}
            values += _value(cells, only, path, number)
        except _Refused as refused:
            problems.append(f"{KEY}: {path}, line {number}, {refused}")
        except ValueError:
            problems.append(f"{KEY}: {path}, line {number}: has {len(line)} cells, the first line has {len(names)}.")
    return values


def _is_read(line: list[str]) -> bool:
    return any(cell.strip() for cell in line) and not line[0].startswith("#")


def _check_columns(names: list[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            raise _Refused(f"there is no such column: {name}.{nearest(name, COLUMNS)} Allowed: {', '.join(COLUMNS)}.")
        if names.count(name) > 1:
            raise _Refused(f"the column {name} stands there twice.")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise _Refused(f"the column {missing[0]} is missing. Needed: {', '.join(NEEDED)}.")


def _value(cells: Mapping[str, str], only: str, path: str, number: int) -> list[dict[str, Any]]:
    """The value of a line; none where nothing was measured."""
    if cells["value"] in NO_VALUE:
        return []
    variable = cells["variable"]
    if variable not in VARIABLES:
        raise _Refused(f"column variable = {shown(variable)}: there is no such variable.{nearest(variable, VARIABLES)} Allowed: {', '.join(VARIABLES)}.")
    units = VARIABLES[variable]
    unit = cells.get("unit") or next(iter(units))
    if unit not in units:
        raise _Refused(f"column unit = {unit}: {variable} cannot be in it.{nearest(unit, units)} Allowed: {', '.join(units)}.")
    value = _number(cells, "value") * units[unit]
    if variable in SHARES and value > 1.0:
        raise _Refused(f"column value = {cells['value']}: {variable} is a share of at most 1; write % in a column unit if it is in per cent.")
    found = {"arm": cells["arm"], "leukaemia": cells.get("leukaemia") or only, "subject": cells.get("subject", ""), "day": _number(cells, "time_days")}
    return [{**found, "variable": variable, "value": value, "file": path, "line": number}]


def _number(cells: Mapping[str, str], name: str) -> float:
    try:
        number = float(cells[name])
    except ValueError:
        raise _Refused(f"column {name} = {shown(cells[name])}: a number is needed.") from None
    if not math.isfinite(number) or number < 0.0:
        raise _Refused(f"column {name} = {cells[name]}: a finite number of at least 0 is needed.")
    return number


def check_measured(experiment: Experiment, problems: list[str]) -> None:
    """Append one line for every measured value that the trial has no place for."""
    if experiment.measured and experiment.task != "trial":
        problems.append(f"{KEY}: is read by trials; task = {experiment.task} does not show it. Choose {KEY}=[].")
        return
    lineages = {name: lineage for name, lineage in experiment.lineages.items() if lineage.species == experiment.host.species}
    white = sum(lineage.white_cell_share > 0.0 for lineage in lineages.values())
    variables = [*SHARES, *by_readout(lineages), *(["leukocytes"] if white > 1 else [])]
    for value in experiment.measured:
        for column, given, allowed in (
            ("arm", value.arm, experiment.arms),
            ("leukaemia", value.leukaemia, experiment.cohort.leukaemias),
            ("variable", value.variable, variables),
        ):
            _check_name(value, column, given, allowed, problems)
        if value.day > experiment.trial.follow_up_days:
            problems.append(f"{value.place}, column time_days = {value.day:g}: trial.follow_up_days = {experiment.trial.follow_up_days:g} is the last day.")


def _check_name(value: Measurement, column: str, given: str, allowed: Iterable[str], problems: list[str]) -> None:
    names = list(allowed)
    if given not in names:
        what = f"= {given}: this trial has no such {column}.{nearest(given, names)}" if given else "is empty or missing."
        problems.append(f"{value.place}, column {column} {what} Allowed: {', '.join(names)}.")
