"""Records: one frozen dataclass per concept, the truth for names, units, bounds and meaning.

Once `enable_pytrees` was called a record is a JAX pytree whose numbers are leaves
(so a sweep of values never recompiles) and whose names, switches and structure are
static.  JAX is not imported before that: a mistyped override is refused in a second.
The configuration checks user input against the same records, and the parameter
table is printed from them.  Records carry no default for a scientific number:
values live in `conf/`.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_RECORDS: list[type] = []
_PYTREES_ENABLED = False


def _field(metadata: dict[str, Any], default: Any) -> Any:
    """A dataclass field; a default is for a value whose absence has a natural meaning (null, [], 1.0), never for a guess."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def quantity(
    unit: str, doc: str, *, low: float | None = None, high: float | None = None, above: float | None = None, default: Any = dataclasses.MISSING
) -> Any:
    """Declare a real number with its unit, meaning and bounds (`above` is exclusive)."""
    return _field({"kind": "quantity", "unit": unit, "doc": doc, "low": low, "high": high, "above": above}, default)


def count(doc: str, *, low: int = 0, high: int | None = None, default: Any = dataclasses.MISSING) -> Any:
    """Declare a whole number; `1e6` is accepted where it is integral.  Static."""
    return _field({"kind": "count", "unit": "1", "doc": doc, "low": low, "high": high, "static": True}, default)


def text(doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a free text.  Static."""
    return _field({"kind": "text", "doc": doc, "static": True}, default)


def choice(doc: str, allowed: tuple[str, ...], *, default: Any = dataclasses.MISSING) -> Any:
    """Declare one of a few names.  Static."""
    return _field({"kind": "choice", "doc": doc, "allowed": allowed, "static": True}, default)


def flag(doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a switch.  Static.  A default is for switches that stored configurations may lack."""
    return _field({"kind": "flag", "doc": doc, "static": True}, default)


def part(doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a nested record."""
    return _field({"kind": "part", "doc": doc}, default)


def named_parts(doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a mapping from names that the user chooses to records of one type."""
    return _field({"kind": "named_parts", "doc": doc}, default)


def listing(doc: str, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a list of numbers, names or records.  Static.  A default is a tuple, which cannot be changed."""
    return _field({"kind": "listing", "doc": doc, "static": True}, default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(quantity, count, text, choice, flag, part, named_parts, listing))
def record(cls: type[T]) -> type[T]:
    """Turn a class into a frozen, keyword-only dataclass that can be a JAX pytree."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    _RECORDS.append(made)
    if _PYTREES_ENABLED:
        _register(made)
    return made


def _register(cls: type) -> None:
    import jax

    fields = dataclasses.fields(cls)
    static = [f.name for f in fields if f.metadata.get("static", False)]
    leaves = [f.name for f in fields if f.name not in static]
    jax.tree_util.register_dataclass(cls, data_fields=leaves, meta_fields=static)


def enable_pytrees() -> None:
    """Register every record, present and future, as a JAX pytree.  Imports JAX."""
    global _PYTREES_ENABLED
    if _PYTREES_ENABLED:
        return
    _PYTREES_ENABLED = True
    for cls in _RECORDS:
        _register(cls)


def field_types(cls: type) -> dict[str, Any]:
    """Resolved annotation of every field of a record class."""
    return _resolved(cls)


_resolved = functools.cache(typing.get_type_hints)
