"""Reading plain configuration values into records, with one message per problem.

The records are the schema: their fields say which keys exist, of what kind they are,
in which unit and within which bounds.  All problems of a configuration are collected,
so that a user meets them at once.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from abm.errors import nearest
from abm.records import field_types

T = TypeVar("T")

SOURCES_KEY = "sources"
MISSING_MARK = "???"
_NUMBER_WITH_UNIT = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*([A-Za-zµ%/][\w/%µ.*-]*)\s*$")
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")


class _Refused:
    """Marks a value that was refused; the reason is among the problems."""


REFUSED = _Refused()


def is_record(hint: Any) -> bool:
    """Whether a type hint is a record class."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def unwrap_optional(hint: Any) -> tuple[Any, bool]:
    """The type hint without `None`, and whether `None` was allowed."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [item for item in typing.get_args(hint) if item is not type(None)]
        if len(inner) < len(typing.get_args(hint)):
            return (inner[0] if len(inner) == 1 else typing.Union[tuple(inner)]), True  # noqa: UP007
    return hint, False


def shown(value: Any) -> str:
    """A value as the user would write it, shortened to one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, (str, int, float)) else repr(value)
    text = text if text != "" else "''"
    return text if len(text) <= 60 else text[:57] + "..."


def read_record(cls: type[T], node: Any, where: str, problems: list[str]) -> T | None:
    """Read a mapping into the record `cls`.

    Args:
        cls: the record class.
        node: plain Python containers (no OmegaConf nodes).
        where: dotted key of the mapping, empty at the root.
        problems: receives one line per value that is refused.

    Returns:
        The record, or None if any of its values was refused.
    """
    if not isinstance(node, Mapping):
        problems.append(f"{where or 'the configuration'} = {shown(node)}: a mapping with the keys {', '.join(field_types(cls))} is needed.")
        return None
    hints = field_types(cls)
    for key in node:
        if key not in hints and key != SOURCES_KEY:
            problems.append(_unknown_key(where, key, hints))
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        key = join(where, field.name)
        if field.name not in node or node[field.name] == MISSING_MARK:
            if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
                continue
            problems.append(f"{key}: is missing. {field.metadata.get('doc', '')}".rstrip())
            values[field.name] = REFUSED
            continue
        values[field.name] = _read_field(field.metadata, hints[field.name], node[field.name], key, problems)
    if any(value is REFUSED for value in values.values()):
        return None
    return cls(**values)


def join(where: str, name: str) -> str:
    """Dotted key of `name` under `where`."""
    return f"{where}.{name}" if where else name


def _unknown_key(where: str, key: Any, allowed: Mapping[str, Any]) -> str:
    return f"{join(where, str(key))}: there is no such key.{nearest(str(key), allowed)} Allowed here: {', '.join(allowed)}."


def _read_field(meta: Mapping[str, Any], hint: Any, value: Any, key: str, problems: list[str]) -> Any:
    inner, optional = unwrap_optional(hint)
    if value is None:
        if optional:
            return None
        if meta.get("kind") == "named_parts":
            return {}
        problems.append(f"{key} = null: a value is needed. {meta.get('doc', '')}".rstrip())
        return REFUSED
    match meta.get("kind"):
        case "quantity":
            return read_number(value, key, meta, problems)
        case "count":
            return read_count(value, key, meta, problems)
        case "flag":
            return _read_flag(value, key, meta, problems)
        case "text":
            return _read_text(value, key, meta, problems)
        case "choice":
            return _read_choice(value, key, meta, problems)
        case "part":
            part = read_record(inner, value, key, problems)
            return REFUSED if part is None else part
        case "named_parts":
            return _read_named_parts(inner, value, key, problems)
        case _:
            return _read_item(inner, value, key, problems)


def _read_named_parts(hint: Any, value: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{key} = {shown(value)}: a mapping from names to values is needed.")
        return REFUSED
    arguments = typing.get_args(hint)
    item_hint = arguments[1] if len(arguments) == 2 else Any
    read: dict[str, Any] = {}
    for name, item in value.items():
        if name == SOURCES_KEY:
            continue
        if not isinstance(name, str) or not _NAME.match(name):
            problems.append(f"{key}: the name '{name}' is not allowed. Use letters, digits, '_' and '-'.")
            read[str(name)] = REFUSED
            continue
        read[name] = _read_item(item_hint, item, join(key, name), problems)
    return REFUSED if any(item is REFUSED for item in read.values()) else read


def _read_item(hint: Any, value: Any, key: str, problems: list[str]) -> Any:
    """Read a value for which there is only a type hint: an entry of a list or of a free mapping."""
    hint, optional = unwrap_optional(hint)
    if value is None and (optional or hint is Any):
        return None
    if is_record(hint):
        part = read_record(hint, value, key, problems)
        return REFUSED if part is None else part
    if hint is float:
        return read_number(value, key, {}, problems)
    if hint is int:
        return read_count(value, key, {}, problems)
    if hint is str:
        return _read_text(value, key, {}, problems)
    if hint is bool:
        return _read_flag(value, key, {}, problems)
    if typing.get_origin(hint) in (list, tuple):
        return _read_list(typing.get_args(hint), value, key, problems)
    return _read_free(value, key, problems)


def _read_list(arguments: tuple[Any, ...], value: Any, key: str, problems: list[str]) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        problems.append(f"{key} = {shown(value)}: a list is needed, e.g. {key}=[{shown(value)}].")
        return REFUSED
    fixed = len(arguments) > 1 and arguments[1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        problems.append(f"{key} = {shown(value)}: {len(arguments)} entries are needed, {len(value)} are given.")
        return REFUSED
    hints = list(arguments) if fixed else [arguments[0] if arguments else Any] * len(value)
    read = tuple(_read_item(hint, item, f"{key}[{index}]", problems) for index, (hint, item) in enumerate(zip(hints, value, strict=True)))
    return REFUSED if any(item is REFUSED for item in read) else read


def _read_free(value: Any, key: str, problems: list[str]) -> Any:
    """Accept anything finite; lists become tuples so that the result is hashable."""
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(f"{key} = {shown(value)}: a finite number is needed.")
        return REFUSED
    if isinstance(value, Mapping):
        return _read_named_parts(dict[str, Any], value, key, problems)
    if isinstance(value, (list, tuple)):
        return _read_list((Any,), value, key, problems)
    return value


def read_number(value: Any, key: str, meta: Mapping[str, Any], problems: list[str]) -> Any:
    """Read a finite real number within the bounds of `meta`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        problems.append(_not_a_number(value, key, meta, f"a number{_bounds(meta)}"))
        return REFUSED
    number = float(value)
    if not math.isfinite(number) or not _within(number, meta):
        problems.append(f"{key} = {shown(value)}: a finite number{_bounds(meta)} is needed. {meta.get('doc', '')}{_unit(meta)}".rstrip())
        return REFUSED
    return number


def read_count(value: Any, key: str, meta: Mapping[str, Any], problems: list[str]) -> Any:
    """Read a whole number within the bounds of `meta`; an integral float such as 1e6 is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        problems.append(_not_a_number(value, key, meta, f"a whole number{_bounds(meta)}"))
        return REFUSED
    if (isinstance(value, float) and not value.is_integer()) or not _within(value, meta):
        problems.append(f"{key} = {shown(value)}: a whole number{_bounds(meta)} is needed. {meta.get('doc', '')}".rstrip())
        return REFUSED
    return int(value)


def _within(number: float, meta: Mapping[str, Any]) -> bool:
    low, high, above = meta.get("low"), meta.get("high"), meta.get("above")
    return (low is None or number >= low) and (high is None or number <= high) and (above is None or number > above)


def _bounds(meta: Mapping[str, Any]) -> str:
    parts = []
    if meta.get("above") is not None:
        parts.append(f"above {_bound(meta['above'])}")
    if meta.get("low") is not None:
        parts.append(f"of at least {_bound(meta['low'])}")
    if meta.get("high") is not None:
        parts.append(f"of at most {_bound(meta['high'])}")
    return (" " + " and ".join(parts)) if parts else ""


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _unit(meta: Mapping[str, Any]) -> str:
    unit = meta.get("unit")
    return f" Unit: {unit}." if unit and unit != "1" else ""


def _not_a_number(value: Any, key: str, meta: Mapping[str, Any], needed: str) -> str:
    match = _NUMBER_WITH_UNIT.match(value) if isinstance(value, str) else None
    if match and match.group(3).lower() not in ("inf", "nan"):
        unit = meta.get("unit", "1")
        fixed = f"the unit is fixed by the key ({unit})" if unit not in (None, "1") else "the key has no unit"
        return f"{key} = {shown(value)}: {fixed}; write the bare number, {needed}. {meta.get('doc', '')}".rstrip()
    return f"{key} = {shown(value)}: {needed} is needed. {meta.get('doc', '')}{_unit(meta)}".rstrip()


def _read_flag(value: Any, key: str, meta: Mapping[str, Any], problems: list[str]) -> Any:
    if not isinstance(value, bool):
        problems.append(f"{key} = {shown(value)}: true or false is needed. {meta.get('doc', '')}".rstrip())
        return REFUSED
    return value


def _read_text(value: Any, key: str, meta: Mapping[str, Any], problems: list[str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a folder may be called 2026
    if not isinstance(value, str):
        problems.append(f"{key} = {shown(value)}: a text is needed. {meta.get('doc', '')}".rstrip())
        return REFUSED
    return value


def _read_choice(value: Any, key: str, meta: Mapping[str, Any], problems: list[str]) -> Any:
    allowed = meta["allowed"]
    if value not in allowed:
        problems.append(f"{key} = {shown(value)}: is not a choice.{nearest(str(value), allowed)} Allowed: {', '.join(allowed)}.")
        return REFUSED
    return value
