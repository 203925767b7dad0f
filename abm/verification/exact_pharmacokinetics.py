"""Concentrations of linear one- and two-compartment models: sums of exponentials, one term per dose and phase.

Gibaldi & Perrier 1982, Pharmacokinetics, ch. 1 and 2.  Shares no code with the program, which
multiplies matrix exponentials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from abm.verification.findings import FloatArray

Doses = Sequence[tuple[float, float, float]]
"""(time (h), amount, duration (h)) of each dose; duration 0 = instantaneous."""


class Drug(NamedTuple):
    """Parameters: L/h, L, 1/h, h; q = 0 is one compartment; ka None puts doses into the central compartment."""

    cl: float
    v1: float
    q: float = 0.0
    v2: float = 0.0
    ka: float | None = None
    f: float = 1.0
    lag: float = 0.0


def disposition(drug: Drug) -> tuple[FloatArray, FloatArray]:
    """(A, rate) with C(t) = sum A exp(-rate t) after an instantaneous amount of 1."""
    if drug.q == 0.0:
        return np.array([1.0 / drug.v1]), np.array([drug.cl / drug.v1])
    out, there, back = drug.cl / drug.v1, drug.q / drug.v1, drug.q / drug.v2
    total = out + there + back
    fast = 0.5 * (total + np.sqrt(total**2 - 4.0 * out * back))
    slow = out * back / fast
    return np.array([fast - back, back - slow]) / ((fast - slow) * drug.v1), np.array([fast, slow])


def concentration(drug: Drug, doses: Doses, hours: FloatArray | float) -> FloatArray:
    """Amount/L at `hours`, of its shape; a dose at that very time has entered."""
    a, rate = disposition(drug)
    hours = np.asarray(hours, np.float64)
    total: FloatArray = np.zeros(hours.shape)
    for start, amount, duration in doses:
        since = hours - start - drug.lag
        t = np.maximum(since, 0.0)[..., None]
        if duration > 0.0:
            one = a / (rate * duration) * (np.exp(-rate * np.maximum(t - duration, 0.0)) - np.exp(-rate * t))
        elif drug.ka is not None:
            one = a * drug.ka / (drug.ka - rate) * (np.exp(-rate * t) - np.exp(-drug.ka * t))
        else:
            one = a * np.exp(-rate * t)
        total += np.where(since > -1e-12, drug.f * amount * one.sum(axis=-1), 0.0)
    return total


def peak(drug: Drug, doses: Doses, start: float, stop: float) -> tuple[float, float]:
    """(hour, concentration) of the highest concentration between two times with one peak."""
    found = minimize_scalar(lambda t: -float(concentration(drug, doses, t)), bounds=(start, stop), method="bounded", options={"xatol": 1e-10})
    return float(found.x), -float(found.fun)
