"""The numbers that can be fitted: every number of a configuration that stands with a range, by its dotted key."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.config.keys import split_key
from abm.config.schema import is_record, unwrap_optional
from abm.errors import InputError, nearest
from abm.output.provenance import Source, gather_sources
from abm.parameters.experiment import Experiment
from abm.records import field_types

ROOTS = ("cell", "leukaemias", "host", "lineages", "drugs")


@dataclasses.dataclass(frozen=True)
class FreeNumber:
    """One number that is fitted.

    Attributes:
        name: As the user wrote it; with `*` it stands for several keys that share the number.
        keys: Dotted keys that it sets.
        value: As configured.
        low, high: Range within which it is sought.
        unit, meaning: Of the record.
        source: Of the first key, before the fit.
    """

    name: str
    keys: tuple[str, ...]
    value: float
    low: float
    high: float
    unit: str
    meaning: str
    source: Mapping[str, Any]

    @property
    def logarithmic(self) -> bool:
        """Whether places are even on a log scale, which they are in a range above 0."""
        return self.low > 0.0

    def at(self, place: float) -> float:
        """Value at a place in [0, 1] of the range."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** place)
        return float(self.low + (self.high - self.low) * place)

    def place(self, value: float) -> float:
        """Place of a value in the range, within [0, 1]."""
        if self.logarithmic:
            found = np.log(value / self.low) / np.log(self.high / self.low) if value > 0.0 else 0.0
        else:
            found = (value - self.low) / (self.high - self.low)
        return float(np.clip(found, 0.0, 1.0))


def numbers_with_range(config: Mapping[str, Any], overrides: Sequence[str] = ()) -> dict[str, Source]:
    """Sources of all numbers that have a range, by dotted key; an overridden number keeps the range of what it replaces."""
    found: dict[str, Source] = {}
    for key, source in gather_sources(config, overrides).items():
        stated = {**source, **source["replaces"], "value": source["value"]} if "replaces" in source else source
        limits = stated.get("range")
        if key.split(".")[0] in ROOTS and stated["kind"] != "setting" and limits and float(limits[0]) < float(limits[1]):
            found[key] = stated
    return found


def read_free(wanted: Sequence[str], known: Mapping[str, Source]) -> list[FreeNumber]:
    """Free numbers from `KEY`, `KEY=LOW:HIGH` or, for several keys that share one number, `leukaemias.*.growth.net_per_day`.

    Raises:
        InputError: A key is unknown, named twice or has no range, a range is none or leaves out the value, or keys that share a number differ in it.
    """
    problems: list[str] = []
    numbers = []
    for text in wanted:
        try:
            numbers.append(_read(text, known))
        except InputError as error:
            problems.append(str(error))
    keys = [key for number in numbers for key in number.keys]
    problems += [f"--free {key}: is named twice." for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise InputError("\n".join(problems))
    return numbers


def _read(text: str, known: Mapping[str, Source]) -> FreeNumber:
    name, _, limits = text.partition("=")
    keys = tuple(key for key in known if fnmatchcase(key, name))
    if not keys:
        raise InputError(f"--free {name}: there is no such number with a range.{nearest(name, known)} scripts/calibrate --list shows all {len(known)}.")
    values = {float(known[key]["value"]) for key in keys}
    if len(values) > 1:
        listed = ", ".join(f"{key} = {known[key]['value']:g}" for key in keys)
        raise InputError(f"--free {name}: these cannot share one number, because they differ: {listed}.")
    first = known[keys[0]]
    low, high = _limits(name, limits) if limits else (float(first["range"][0]), float(first["range"][1]))
    meta = _field_of(keys[0])
    least, most = meta.get("above", None), meta.get("high", None)
    least = meta.get("low") if least is None else least
    if (least is not None and low < least) or (most is not None and high > most):
        raise InputError(f"--free {text}: the range reaches beyond what {keys[0]} may be ({least} to {most}).")
    value = next(iter(values))
    if not low <= value <= high:
        raise InputError(f"--free {text}: the configured {value:g} lies outside the range from {low:g} to {high:g}; give another range, or {keys[0]}=VALUE.")
    return FreeNumber(name, keys, value, low, high, str(meta.get("unit", "1")), str(meta.get("doc", "")), first)


def _limits(name: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise InputError(f"--free {name}={text}: a range is needed, e.g. {name}=0.1:0.5.") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"--free {name}={text}: the lower end must be finite and below the upper one.")
    return low, high


def _field_of(key: str) -> Mapping[str, Any]:
    """Metadata of the record's field at a dotted key: unit, doc, low, high, above."""
    hint: Any = Experiment
    meta: Mapping[str, Any] = {}
    for part in split_key(key):
        if is_record(hint):
            meta = next(field.metadata for field in dataclasses.fields(hint) if field.name == part)
            hint, _ = unwrap_optional(field_types(hint)[part])
        elif typing.get_origin(hint) in (dict, list, tuple):
            hint, _ = unwrap_optional(typing.get_args(hint)[-1])
    return meta


def has_key(record: Any, key: str) -> bool:
    """Whether records and mappings of records have a dotted key."""
    here = record
    for part in key.split("."):
        if isinstance(here, Mapping):
            if part not in here:
                return False
            here = here[part]
        elif here is None or not hasattr(here, part):
            return False
        else:
            here = getattr(here, part)
    return True


def values_at(numbers: Sequence[FreeNumber], places: NDArray[np.float64]) -> dict[str, float]:
    """Value of every key at one place (numbers,)."""
    return {key: number.at(float(place)) for number, place in zip(numbers, places, strict=True) for key in number.keys}
