"""The table of contrasts between every two arms, per leukaemia."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from abm.endpoints.contrasts import Contrast, paired_t, refused, sign_test, sign_test_of_times, welch
from abm.endpoints.registry import ROW, Material, cohort_table, groups, took_part
from abm.endpoints.survival import kaplan_meier, log_rank, schoenfeld_power
from abm.errors import InputError

TIMES = {"event_free_survival": ("event_day", "event_observed"), "overall_survival": ("overall_survival_day", "overall_survival_observed")}
REDUCTION = "log10_reduction_at_end_of_treatment"
TWINS = "the arms are twins of the same subjects, not independent groups: see the sign test"
# Hazard ratio for which the power is given; the ratio that was seen says nothing on what could have been found.
POWER_FOR_RATIO = 0.5


@cohort_table
def contrasts(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """One line per leukaemia, pair of arms and method: `arm` against `reference`, the earlier of the two."""
    twins = material.experiment.cohort.design == "twin"
    arms, known = [str(a) for a in endpoints["arm"].values], took_part(endpoints)
    rows = []
    for group, members in groups(endpoints).items():
        for first, second in itertools.combinations(range(len(arms)), 2):
            keep = [members[known[arm, members]] for arm in (first, second)]
            if twins:
                keep = [np.intersect1d(*keep)] * 2
            if min(len(k) for k in keep) == 0:
                continue
            found = _twins(endpoints, (first, second), keep[0]) if twins else _independent(endpoints, (first, second), keep)
            if not material.human and arms[first] == material.twin:
                found = itertools.chain(found, _treated_over_control(material, endpoints, (first, second), keep[0]))
            rows += [{"endpoint": name, "group": group, "arm": arms[second], "reference": arms[first], **contrast._asdict()} for name, contrast in found]
    return {"contrasts": pd.DataFrame(rows)}


def _values(endpoints: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(endpoints[name].transpose(*ROW).values)


def _twins(endpoints: xr.Dataset, pair: tuple[int, int], members: np.ndarray) -> Iterator[tuple[str, Contrast]]:
    first, second = (_values(endpoints, REDUCTION)[arm, members] for arm in pair)
    yield REDUCTION, paired_t(first, second)
    yield REDUCTION, sign_test(first, second)
    for name, (day, observed) in TIMES.items():
        if day in endpoints:
            times, seen = _values(endpoints, day), _values(endpoints, observed)
            yield name, sign_test_of_times(times[pair[0], members], seen[pair[0], members], times[pair[1], members], seen[pair[1], members])
            yield name, refused("hazard ratio (log-rank)", TWINS, len(members))


def _independent(endpoints: xr.Dataset, pair: tuple[int, int], members: list[np.ndarray]) -> Iterator[tuple[str, Contrast]]:
    yield REDUCTION, welch(*(_values(endpoints, REDUCTION)[arm, m] for arm, m in zip(pair, members, strict=True)))
    for name, (day, observed) in TIMES.items():
        if day in endpoints:
            times, seen = (np.concatenate([_values(endpoints, v)[arm, m] for arm, m in zip(pair, members, strict=True)]) for v in (day, observed))
            group = np.repeat([False, True], [len(m) for m in members])
            yield from ((name, contrast) for contrast in hazard_ratio(times, seen, group))


def hazard_ratio(time: np.ndarray, observed: np.ndarray, group: np.ndarray) -> list[Contrast]:
    """Hazard ratio of the second of two independent groups by Peto with the log-rank test, and the power for `POWER_FOR_RATIO`."""
    method, n, events = "hazard ratio (log-rank)", len(time), int(observed.sum())
    note = f"to find a hazard ratio of {POWER_FOR_RATIO:g} with these {events} events at 5 %"
    power = Contrast("power of the log-rank test", schoenfeld_power(events, float(group.mean()), POWER_FOR_RATIO), np.nan, np.nan, np.nan, n, note)
    try:
        test = log_rank(time, observed, group)
    except InputError as error:
        return [refused(method, str(error), n), power]
    low, high = test.interval()
    return [Contrast(method, test.hazard_ratio, low, high, test.p, n), power]


def _treated_over_control(material: Material, endpoints: xr.Dataset, pair: tuple[int, int], members: np.ndarray) -> Iterator[tuple[str, Contrast]]:
    """T/C of xenograft practice: median burden at the end of treatment, and median day of the event, over the vehicle's."""
    series = material.series
    end = int(np.abs(series["time"].values - material.experiment.trial.treatment_days).argmin())
    burden = series["count"].sel(population="leukaemia").transpose(*ROW, "time").values[:, members, end]
    yield "burden_at_end_of_treatment", _ratio(float(np.median(burden[pair[1]])), float(np.median(burden[pair[0]])), len(members))
    days, seen = _values(endpoints, "event_day"), _values(endpoints, "event_observed")
    medians = [kaplan_meier(days[arm, members], seen[arm, members]).median for arm in pair]
    yield "event_free_survival", _ratio(medians[1], medians[0], len(members))


def _ratio(treated: float, control: float, n: int) -> Contrast:
    method = "T/C of medians"
    if not (np.isfinite(treated) and control > 0.0):
        return refused(method, "a median was not reached", n)
    return Contrast(method, treated / control, np.nan, np.nan, np.nan, n)
