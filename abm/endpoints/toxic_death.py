"""Deaths of low blood counts: hazards from publications on the simulated counts.

Every day on which a count is below a limit adds a hazard of death (`clinic.toxic_death`).  The
counts are simulated, the hazards are not: whatever is made from these deaths is called external.
A death is drawn from the key of the subject, so that twins differ by their counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from abm.endpoints.registry import ROW, Material
from abm.parameters.clinic import CountHazard
from abm.streams import subject_uniforms


class ToxicDeaths(NamedTuple):
    """Deaths of all subjects in all arms, (arms, subjects)."""

    day: np.ndarray  # infinite where nobody died
    cause: np.ndarray  # name of the hazard, empty where nobody died


def daily_hazards(counts: Mapping[str, np.ndarray], hazards: Mapping[str, CountHazard]) -> np.ndarray:
    """Hazard of every cause at every look, 1/d, (causes, ..., times); 0 where the host does not have the count."""
    shape = next(iter(counts.values())).shape
    return np.stack([np.where(counts[h.readout] < h.below, h.per_day, 0.0) if h.readout in counts else np.zeros(shape) for h in hazards.values()])


def death_of(times: np.ndarray, hazards: np.ndarray, when: float, which: float) -> tuple[float, int]:
    """Day of death and its cause for one subject; (infinity, -1) if it survives.

    Args:
        times: Days of the looks, (times,); each stands for the time to the next.
        hazards: Hazard of every cause, 1/d, (causes, times).
        when, which: Uniform numbers in (0, 1) that decide when it dies and of what.
    """
    total = hazards[:, :-1].sum(axis=0)
    cumulated = np.concatenate([[0.0], np.cumsum(total * np.diff(times))])
    needed = -np.log(when)
    if cumulated[-1] < needed:
        return np.inf, -1
    look = int(np.searchsorted(cumulated, needed)) - 1
    shares = np.cumsum(hazards[:, look]) / total[look]
    return float(times[look] + (needed - cumulated[look]) / total[look]), int(np.searchsorted(shares, which))


def toxic_deaths(material: Material) -> ToxicDeaths:
    """Deaths in a trial of patients; nobody dies where the clinic states no hazard."""
    series, stated = material.series, material.experiment.clinic.toxic_death
    shape = (series.sizes["arm"], series.sizes["subject"])
    day, cause = np.full(shape, np.inf), np.full(shape, "", dtype=object)
    counts = {h.readout: series[h.readout].transpose(*ROW, "time").values for h in stated.values() if h.readout in series}
    if not counts:
        return ToxicDeaths(day, cause)
    hazards, names = daily_hazards(counts, stated), list(stated)
    for index in np.ndindex(*shape):
        when, which = subject_uniforms(material.view.keys[index], "toxic death", 2)
        day[index], number = death_of(series["time"].values, hazards[(slice(None), *index)], float(when), float(which))
        cause[index] = names[number] if number >= 0 else ""
    return ToxicDeaths(day, cause)
