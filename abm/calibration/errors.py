"""The error of a measured value about the typical subject, and of a simulated value about a published one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import InputError, unknown_name
from abm.parameters.measured import Measurement
from abm.targets.published import Published
from abm.yaml_text import from_yaml

Array = NDArray[np.float64]
PATH = Path(__file__).with_name("errors.yaml")
# Degrees of freedom from which the scatter of replicates is used instead of the assumed sd.
REPLICATES = 8
# A published band is read as +-2 sd; where it is open, its edge counts and this share of the edge is one sd.
BAND_SDS = 2.0
OPEN_EDGE = 0.1
# Residuals are cut off here, so that one hopeless target does not hide the others.
LARGEST = 12.0


@dataclasses.dataclass(frozen=True)
class ErrorLaw:
    """Law of the errors of one variable.

    Attributes:
        origin: Where `sd` comes from: assumed, replicates or user.
    """

    scale: str
    sd: float
    floor: float
    origin: str = "assumed"

    def transformed(self, values: Array) -> Array:
        """Values on the scale on which errors are normal."""
        clipped = np.maximum(values, self.floor)
        if self.scale == "log":
            return np.asarray(np.log(clipped))
        inside = np.minimum(clipped, 1.0 - self.floor)
        return np.asarray(np.log(inside / (1.0 - inside)))


def error_laws(measured: Sequence[Measurement], chosen: Mapping[str, float]) -> dict[str, ErrorLaw]:
    """Law of every measured variable: the sd that the user chose, else that of replicates, else the assumed one."""
    stated: dict[str, Any] = from_yaml(PATH.read_text(encoding="utf-8"))
    laws = {}
    for name in dict.fromkeys(m.variable for m in measured):
        law = ErrorLaw(stated[name]["scale"], float(stated[name]["sd"]), float(stated[name]["floor"]))
        of = [m for m in measured if m.variable == name]
        sd, freedom = replicate_sd(of, law)
        if name in chosen:
            law = dataclasses.replace(law, sd=chosen[name], origin="user")
        elif freedom >= REPLICATES and sd > 0.0:
            law = dataclasses.replace(law, sd=sd, origin="replicates")
        laws[name] = law
    return laws


def replicate_sd(measured: Sequence[Measurement], law: ErrorLaw) -> tuple[float, int]:
    """(pooled sd of subjects of one leukaemia and arm on one day, its degrees of freedom) on the scale of the law; values at the floor are left out."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for m in measured:
        if m.value > law.floor:
            groups.setdefault((m.leukaemia, m.arm, m.day), []).append(float(law.transformed(np.array(m.value))))
    freedom = sum(len(group) - 1 for group in groups.values())
    squares = sum(len(group) * float(np.var(group)) for group in groups.values())
    return (math.sqrt(squares / freedom) if freedom else 0.0), freedom


def read_sds(texts: Sequence[str]) -> dict[str, float]:
    """Standard deviations from `VARIABLE=VALUE`.

    Raises:
        InputError: A variable is unknown, or a value is no positive number.
    """
    known = from_yaml(PATH.read_text(encoding="utf-8"))
    found = {}
    for text in texts:
        name, _, given = text.partition("=")
        if name not in known:
            raise unknown_name("--sd", name, known, noun="variable")
        try:
            found[name] = float(given)
        except ValueError:
            found[name] = math.nan
        if not (math.isfinite(found[name]) and found[name] > 0.0):
            raise InputError(f"--sd {text}: a number above 0 is needed, e.g. {name}={known[name]['sd']}.")
    return found


def target_residual(entry: Published, value: float) -> float:
    """How far a simulated value lies from a published one, in sds.

    With a published value: from that value, in quarters of the band's width.  With a band only:
    from its nearer edge, 0 inside.
    """
    low, high = entry.low, entry.high
    if math.isnan(value):
        return LARGEST
    closed = math.isfinite(low) and math.isfinite(high)
    edge = low if math.isfinite(low) else high
    sd = (high - low) / (2.0 * BAND_SDS) if closed else max(OPEN_EDGE * abs(edge), 1e-3)
    if entry.value is not None and closed:
        residual = (value - entry.value) / sd
    else:
        residual = (value - high) / sd if value > high else (value - low) / sd if value < low else 0.0
    return float(np.clip(residual, -LARGEST, LARGEST))
