"""When a curve crosses a level, between the times at which it was looked at."""

from __future__ import annotations

import numpy as np


def first_crossing(times: np.ndarray, curve: np.ndarray, level: float, *, rising: bool, start: int = 0) -> float:
    """Time at which `curve` first reaches `level`, log-linear between looks; NaN if it never does.

    Args:
        times: Increasing times.
        curve: Values at these times, not negative.
        level: Level to reach.
        rising: Whether reaching means at or above the level (else at or below).
        start: First look that counts.
    """
    reached = curve >= level if rising else curve <= level
    reached = reached & (np.arange(len(times)) >= start)
    if not reached.any():
        return float("nan")
    i = int(np.argmax(reached))
    if i == start:
        return float(times[i])
    low, high = np.log(np.maximum(curve[[i - 1, i]], 1e-12))
    share = 1.0 if high == low else (np.log(max(level, 1e-12)) - low) / (high - low)
    return float(times[i - 1] + np.clip(share, 0.0, 1.0) * (times[i] - times[i - 1]))
