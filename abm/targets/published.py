"""The published targets as data: `published.yaml` read into records."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from abm.errors import InputError
from abm.yaml_text import from_yaml

PATH = Path(__file__).with_name("published.yaml")
KINDS = ("unit", "calibration", "direction", "trial")


@dataclasses.dataclass(frozen=True)
class Published:
    """One number that a run should reproduce.

    Attributes:
        key: Name, that of the entry in the file.
        target: Number of the target; several entries can belong to one.
        theme: Module that computes it.
        unit: Unit of `value`, `low` and `high`; "1" for a plain number.
        value: As published; None where the source gives a direction or a band only.
        low, high: Band in which a simulated value is met; infinite where open.
        tolerance: The band in words.
        kind: One of KINDS.
        fitted: Whether numbers of the model were chosen with this target in view.
        missed: Known cause if it is missed, or empty.
    """

    key: str
    target: str
    theme: str
    title: str
    unit: str
    value: float | None
    low: float
    high: float
    tolerance: str
    source: str
    kind: str
    fitted: bool
    missed: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value lies in the band; NaN does not."""
        return self.low <= value <= self.high


@functools.cache
def read_published(path: Path = PATH) -> Mapping[str, Published]:
    """All targets by key, in the order of the file; read once in a process.

    Raises:
        InputError: An entry lacks a key, has an unknown one, or its band does not hold its own published value.
    """
    entries = from_yaml(path.read_text(encoding="utf-8"))
    return MappingProxyType({key: _entry(key, dict(entry)) for key, entry in entries.items()})


def _entry(key: str, entry: dict[str, Any]) -> Published:
    fields = {field.name for field in dataclasses.fields(Published)} - {"key", "value"} | {"published"}
    wrong, absent = set(entry) - fields, fields - {"missed"} - set(entry)
    if wrong or absent:
        raise InputError(f"published.yaml, {key}: unknown {sorted(wrong)}, absent {sorted(absent)}.")
    value = entry.pop("published")
    low, high = entry.pop("low"), entry.pop("high")
    found = Published(key=key, value=value, low=-math.inf if low is None else float(low), high=math.inf if high is None else float(high), **entry)
    if found.kind not in KINDS:
        raise InputError(f"published.yaml, {key}: kind = {found.kind}; one of {', '.join(KINDS)} is needed.")
    if found.low >= found.high or (value is not None and not found.holds(float(value))):
        raise InputError(f"published.yaml, {key}: the band from {found.low:g} to {found.high:g} is empty or does not hold the published {value}.")
    return found
