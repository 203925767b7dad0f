"""Tables of dose events in the way of NONMEM, read while the configuration is read.

A regimen with `events_file` gets the events of that table; what a run stores holds the
events themselves and needs the file no more.

Columns (in any case, in any order): TIME, AMT, and DRUG (a name) or CMT (a number, see
`compartments`); optional ID, EVID, II, ADDL, SS, RATE or DUR, AMT_UNIT, TRACK.  Lines with
EVID 0 or 2 are no doses and are passed over; resets (EVID 3, 4) are refused.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.config.schema import read_record
from abm.errors import nearest
from abm.parameters.regimen import AMOUNT_UNITS, EventFile
from abm.units import HOURS_PER_DAY

COLUMNS = ("ID", "TIME", "AMT", "DRUG", "CMT", "EVID", "II", "ADDL", "SS", "RATE", "DUR", "AMT_UNIT", "TRACK")
PASSED_OVER = (0, 2)

Event = dict[str, Any]


class _Refused(Exception):
    """A line that cannot be read; the text says why."""


def with_event_files(tree: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The tree whose regimens hold the events of their files; `problems` receives one line per file or line that is refused."""
    regimens = tree.get("regimens")
    if not isinstance(regimens, Mapping):
        return dict(tree)
    read = {name: _with_events(node, f"regimens.{name}", problems) for name, node in regimens.items()}
    return {**tree, "regimens": read}


def _with_events(node: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(node, Mapping) or node.get("events_file") is None:
        return node
    key = f"{where}.events_file"
    given = node["events_file"]
    table = read_record(EventFile, {"path": given} if isinstance(given, str) else given, key, problems)
    events = [] if table is None else _read_file(table, key, problems)
    return {**node, "events_file": None, "events": [*(node.get("events") or []), *events]}


def _read_file(table: EventFile, key: str, problems: list[str]) -> list[Event]:
    try:
        with Path(table.path).open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{key}.path = {table.path}: cannot be read as a table ({error}).")
        return []
    names = [name.strip().upper() for name in lines[0]] if lines else []
    try:
        _check_columns(names, table)
    except _Refused as refused:
        problems.append(f"{key}.path = {table.path}: {refused}")
        return []
    numbered = [(number, dict(zip(names, line, strict=False))) for number, line in enumerate(lines[1:], 2) if any(cell.strip() for cell in line)]
    return _of_subject(numbered, table, key, problems)


def _check_columns(names: list[str], table: EventFile) -> None:
    for name in names:
        if name not in COLUMNS:
            raise _Refused(f"there is no such column: {name}.{nearest(name, COLUMNS)} Allowed: {', '.join(COLUMNS)}.")
    for name in {name for name in names if names.count(name) > 1}:
        raise _Refused(f"the column {name} stands there twice.")
    missing = [name for name in ("TIME", "AMT") if name not in names]
    if missing:
        raise _Refused(f"the column {missing[0]} is missing.")
    if "DRUG" not in names and not ("CMT" in names and table.compartments):
        raise _Refused("which drug is given is not said: a column DRUG is needed, or a column CMT and the key compartments, e.g. [venetoclax, everolimus].")


def _of_subject(lines: list[tuple[int, dict[str, str]]], table: EventFile, key: str, problems: list[str]) -> list[Event]:
    """Events of one subject: all subjects of an arm get the same doses."""
    subjects = list(dict.fromkeys(line.get("ID", "").strip() for _, line in lines))
    if table.subject is not None and table.subject not in subjects:
        problems.append(f"{key}.subject = {table.subject}: the table has no such ID; it has {', '.join(subjects)}.")
        return []
    if table.subject is None and len(subjects) > 1:
        problems.append(f"{key}.path = {table.path}: the table has {len(subjects)} IDs; name one with {key}.subject, e.g. {subjects[0]}.")
        return []
    events = []
    for number, line in lines:
        if table.subject is None or line.get("ID", "").strip() == table.subject:
            try:
                event = _event(line, table)
            except _Refused as refused:
                problems.append(f"{key}.path = {table.path}, line {number}: {refused}")
                continue
            events += [] if event is None else [event]
    return events


def _number(line: Mapping[str, str], name: str, otherwise: float) -> float:
    """Number in a column; '.' and nothing mean `otherwise`."""
    text = line.get(name, "").strip()
    if text in ("", "."):
        return otherwise
    try:
        number = float(text)
    except ValueError:
        raise _Refused(f"{name} = {text}: a number is needed.") from None
    if not math.isfinite(number) or (number < 0.0 and name != "RATE"):
        raise _Refused(f"{name} = {text}: a finite number of at least 0 is needed.")
    return number


def _whole(line: Mapping[str, str], name: str, otherwise: int) -> int:
    number = _number(line, name, float(otherwise))
    if not number.is_integer():
        raise _Refused(f"{name} = {number:g}: a whole number is needed.")
    return int(number)


def _event(line: Mapping[str, str], table: EventFile) -> Event | None:
    evid = _whole(line, "EVID", 1)
    if evid in PASSED_OVER:
        return None
    if evid != 1:
        raise _Refused(f"EVID = {evid}: only doses (1) and lines without a dose (0, 2) can be read.")
    steady = _whole(line, "SS", 0)
    if steady not in (0, 1):
        raise _Refused(f"SS = {steady}: 0 or 1 is needed.")
    amount, interval, additional = _number(line, "AMT", 0.0), _number(line, "II", 0.0), _whole(line, "ADDL", 0)
    if interval == 0.0 and (additional > 0 or steady == 1):
        raise _Refused("II is needed where ADDL or SS is above 0.")
    to_days = 1.0 if table.time_unit == "days" else 1.0 / HOURS_PER_DAY
    event: Event = {
        "drug": _drug(line, table),
        "day": _number(line, "TIME", 0.0) * to_days,
        "amount": amount,
        "amount_unit": _amount_unit(line, table),
        "duration_h": _duration(line, amount) * to_days * HOURS_PER_DAY,
        "additional": additional,
        "steady_state": steady == 1,
    }
    track = line.get("TRACK", "").strip()
    return event | ({"interval_days": interval * to_days} if interval > 0.0 else {}) | ({"tracks": [track]} if track not in ("", ".") else {})


def _drug(line: Mapping[str, str], table: EventFile) -> str:
    if "DRUG" in line:
        return line["DRUG"].strip()
    compartment = _whole(line, "CMT", 1)
    if not 1 <= compartment <= len(table.compartments):
        raise _Refused(f"CMT = {compartment}: is not among the compartments 1 to {len(table.compartments)}.")
    return table.compartments[compartment - 1]


def _amount_unit(line: Mapping[str, str], table: EventFile) -> str:
    unit = line.get("AMT_UNIT", "").strip()
    if unit in ("", "."):
        return table.amount_unit
    if unit not in AMOUNT_UNITS:
        raise _Refused(f"AMT_UNIT = {unit}: is not a choice.{nearest(unit, AMOUNT_UNITS)} Allowed: {', '.join(AMOUNT_UNITS)}.")
    return unit


def _duration(line: Mapping[str, str], amount: float) -> float:
    """Time of an infusion in the unit of TIME: AMT / RATE, or DUR."""
    rate, duration = _number(line, "RATE", 0.0), _number(line, "DUR", 0.0)
    if rate < 0.0:
        raise _Refused(f"RATE = {rate:g}: rates that a model estimates (below 0) cannot be read; write DUR.")
    if rate > 0.0 and duration > 0.0:
        raise _Refused("RATE and DUR are both given; one is enough.")
    return amount / rate if rate > 0.0 else duration
