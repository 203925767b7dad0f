"""Which dotted keys a configuration can have, read off the records."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterator
from typing import Any

from abm.config.schema import SOURCES_KEY, is_record, unwrap_optional
from abm.parameters.experiment import Experiment
from abm.records import field_types

_INDEX = re.compile(r"^\d+$")


def split_key(key: str) -> list[str]:
    """Parts of a dotted key; `events[0].day` and `events.0.day` are the same."""
    return [part for part in re.split(r"[.\[\]]+", key) if part]


def unknown_key_problem(key: str) -> str | None:
    """What is wrong with a dotted key, or None if the records declare it.

    Names below a mapping that the user fills (arms, drugs, subclones, ...) are free.
    """
    hint: Any = Experiment
    parts = split_key(key)
    for depth, part in enumerate(parts):
        where = ".".join(parts[:depth])
        if is_record(hint):
            hints = field_types(hint)
            if part not in hints:
                return _problem(where, part, list(hints))
            hint, _ = unwrap_optional(hints[part])
        elif typing.get_origin(hint) is dict:
            hint, _ = unwrap_optional(typing.get_args(hint)[1])
        elif typing.get_origin(hint) in (list, tuple) and _INDEX.match(part):
            hint = typing.get_args(hint)[0]
        elif hint is Any:
            return None
        else:
            return f"{key}: '{where}' is a single value and has no key '{part}'."
    return None


def _problem(where: str, part: str, allowed: list[str]) -> str:
    given = f"{where}.{part}" if where else part
    if part == SOURCES_KEY:
        return f"{given}: sources are stated in the files of conf/, not by an override; an override is recorded as one."
    meant = _nearest_key(part, where, allowed)
    hint = f" Did you mean '{meant}'?" if meant else ""
    return f"{given}: there is no such key.{hint} Allowed {'here' if where else 'at the top'}: {', '.join(allowed)}."


def _nearest_key(part: str, where: str, allowed: list[str]) -> str | None:
    """The key here, or the dotted key elsewhere, whose name resembles `part` most; here wins a tie."""
    names = {name: name for name in allowed}
    for key in leaf_keys():
        names.setdefault(key.rsplit(".", 1)[-1], key)
    close = difflib.get_close_matches(part, names, n=1, cutoff=0.8) or difflib.get_close_matches(part, allowed if where else names, n=1, cutoff=0.5)
    return names[close[0]] if close else None


def leaf_keys(cls: type = Experiment, prefix: str = "") -> Iterator[str]:
    """Dotted keys of all single values that do not lie below a name chosen by the user."""
    hints = field_types(cls)
    for field in dataclasses.fields(cls):
        inner, _ = unwrap_optional(hints[field.name])
        if is_record(inner):
            yield from leaf_keys(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"
