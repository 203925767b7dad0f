"""Reference simulator in plain NumPy: one array entry is one cell, nothing is lumped.

It says the same model as `abm` with other means, so that the packet engine can be
checked on the full mechanism where no formula exists.  It shares no code with the
engine: it imports NumPy and the records that hold parameters.

Time advances in micro-steps.  The fast states (mTORC1, stress, BMF, BH3 balance) of
every cell are advanced to the middle of the micro-step and its hazards are held over
it; each cell then meets events with P(event) = 1 - exp(-hazard x time left), the kind
drawn in proportion to the competing hazards, and the cells that an event leaves live
through the time that is left.  With constant hazards this is exact for any step; the
error of the full model is first order in the step through crowding and second order
otherwise.

Times are in days unless a name says hours, concentrations in nmol/L (free, at the
cell).  Regenerate the stored trajectories with `python -m tests.reference`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from abm.parameters.host import Host
from abm.parameters.leukaemia import Growth, Leukaemia, Subclone
from tests.reference_machinery import (
    AMOUNTS,
    QUANTILES,
    Array,
    Cells,
    Clone,
    Concentrations,
    Machinery,
    Recorder,
    Trajectory,
    compete,
    constant,
    in_batches,
    join,
    take,
)
from tests.reference_parameters import Parameters, parameters, subclone

CYCLING, QUIESCENT, BLOOD = 0, 1, 2
DEATH, DIVISION, SWITCH, MOVE = 0, 1, 2, 3
STATES = ("cycling", "quiescent", "blood")
GOLDEN = Path(__file__).parent / "golden" / "reference_full_mechanism.json"
GOLDEN_SEED = 20260213


def clones_of(leukaemia: Leukaemia) -> list[Clone]:
    """Founder and subclones; factors multiply the founder's traits."""
    rest = 1.0 - sum(s.fraction for s in leukaemia.subclones.values())
    found = [Clone(traits=leukaemia.traits, fraction=rest)]
    for s in leukaemia.subclones.values():
        t = leukaemia.traits
        changed = {name: getattr(t, name) * getattr(s, f"{name}_factor") for name in (*AMOUNTS, "bmf_competence", "set_point")}
        found.append(Clone(dataclasses.replace(t, **changed), s.bcl2_ki_factor, s.mtorc1_response, s.death_factor, s.division_factor, s.fraction))
    return found


def balanced_growth(growth: Growth) -> tuple[float, float]:
    """Division hazard and cycling-to-quiescent hazard (1/d) of balanced growth without apoptosis."""
    rho = growth.quiescent_fraction / (1.0 - growth.quiescent_fraction)
    to_quiescent = (growth.net_per_day + growth.quiescent_to_cycling_per_day + growth.death_per_day) * rho
    return growth.net_per_day + growth.death_per_day + to_quiescent - growth.quiescent_to_cycling_per_day * rho, to_quiescent


class LeukaemiaReference:
    """Leukaemic cells of independent subjects that share their exposure."""

    def __init__(self, given: Parameters, concentrations: Concentrations, rng: np.random.Generator):
        self.host: Host = given.host
        self.growth = given.leukaemia.growth
        self.clones = clones_of(given.leukaemia)
        self.inside = Machinery(given.cell, self.clones, given.drugs, concentrations, rng)
        self.rng = rng
        self.division_per_day, self.to_quiescent_per_day = balanced_growth(self.growth)
        self.total = np.zeros(0)

    def found(self, subjects: int, cells: int) -> Cells:
        """`cells` founders per subject, split over clones and over cycling and quiescent by largest remainder."""
        per_clone = _apportion(cells, [c.fraction for c in self.clones])
        share = [1.0 - self.growth.quiescent_fraction, self.growth.quiescent_fraction]
        state = np.concatenate([np.repeat([CYCLING, QUIESCENT], _apportion(n, share)) for n in per_clone])
        clone = np.repeat(np.arange(len(per_clone)), per_clone)
        return self.inside.new_cells(np.repeat(np.arange(subjects), cells), np.tile(clone, subjects), np.tile(state, subjects))

    def hazards(self, cells: Cells) -> Array:
        """Hazards (1/d) of death, division, switch and move, (4, n)."""
        h, g, state = self.host, self.growth, cells["state"]
        cycling, blood = state == CYCLING, state == BLOOD
        burden = self.total[cells["subject"]]
        cytotoxic = self.inside.cytotoxic()
        out = np.empty((4, state.size))
        out[DEATH] = g.death_per_day + self.inside.apoptosis(cells) + np.where(cycling, cytotoxic[0], cytotoxic[1])
        slowing = 1.0 - self.inside.cell.proliferation.slowing_max * cells["phi"]
        room = np.maximum(0.0, 1.0 - burden / h.carrying_capacity)
        out[DIVISION] = np.where(cycling, self.division_per_day * self.inside.clone_values(cells, "division_factor") * slowing * room, 0.0)
        out[SWITCH] = np.array([self.to_quiescent_per_day, g.quiescent_to_cycling_per_day, 0.0])[state]
        leave = h.egress_at_half_cd45_per_day * (burden / h.burden_at_half_cd45) ** h.egress_exponent
        out[MOVE] = np.where(blood, 1.0 / h.blood_residence_days, leave)
        return out

    def apply(self, recorder: Recorder) -> Callable[[Cells, Array, Array], tuple[Cells, Array]]:
        """What events leave behind."""

        def leave(cells: Cells, kind: Array, left: Array) -> tuple[Cells, Array]:
            recorder.tally("deaths", cells["subject"][kind == DEATH])
            recorder.tally("births", cells["subject"][kind == DIVISION])
            stays = (kind == SWITCH) | (kind == MOVE)
            moved, how = take(cells, stays), kind[stays]
            quiescent = self.rng.random(how.size) < self.growth.quiescent_fraction
            back = np.where(quiescent, QUIESCENT, CYCLING)
            moves = np.where(moved["state"] == BLOOD, back, BLOOD)
            moved["state"] = np.where(how == SWITCH, 1 - moved["state"], moves)
            both = np.repeat(np.flatnonzero(kind == DIVISION), 2)
            daughters = take(cells, both)
            self.inside.redraw(daughters)
            return join([moved, daughters]), np.concatenate([left[stays], left[both]])

        return leave

    def run(self, cells: Cells, times_days: Sequence[float], subjects: int, step_hours: float = 0.05) -> Trajectory:
        """Trajectory at `times_days`, the first of which is the start; steps end on output times."""
        recorder = Recorder(subjects, len(STATES), len(self.clones))
        recorder.record(times_days[0], cells)
        for start, end in pairwise(times_days):
            steps = max(1, round((end - start) * 24.0 / step_hours))
            dt = (end - start) / steps
            for i in range(steps):
                self.inside.advance(cells, 24.0 * (start + (i + 0.5) * dt))
                self.total = np.bincount(cells["subject"], minlength=subjects).astype(float)
                cells = compete(cells, np.full(cells["clone"].size, dt), self.hazards, self.apply(recorder), self.rng)
            recorder.record(end, cells)
        return recorder.trajectory()


def _apportion(total: int, shares: Sequence[float]) -> Array:
    """Whole numbers that add up to `total`, by largest remainder."""
    exact = np.asarray(shares) * total / np.sum(shares)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
    return np.asarray(whole)


def simulate_leukaemia(
    given: Parameters,
    concentrations: Concentrations,
    *,
    cells: int,
    subjects: int,
    times_days: Sequence[float],
    seed: int,
    step_hours: float = 0.05,
    batch: int = 25,
) -> Trajectory:
    """`subjects` independent subjects with `cells` founders each, in batches that fit the processor's cache."""

    def part(size: int, rng: np.random.Generator) -> Trajectory:
        model = LeukaemiaReference(given, concentrations, rng)
        return model.run(model.found(size, cells), times_days, size, step_hours)

    return in_batches(part, subjects, batch, seed)


@dataclasses.dataclass(frozen=True)
class Condition:
    """One condition of the stored trajectories: free concentrations and subclones of the leukaemia."""

    free_nm: dict[str, float]
    subclones: dict[str, Subclone] = dataclasses.field(default_factory=dict)


VENETOCLAX, EVEROLIMUS = {"venetoclax": 2.0}, {"everolimus": 6.0}
RESISTANT = {"resistant": subclone(0.3, bmf_competence_factor=0.3, bcl2_ki_factor=30.0, mtorc1_response=0.8, death_factor=0.7, division_factor=0.9)}
CONDITIONS = {
    "none": Condition({}),
    "venetoclax": Condition(VENETOCLAX),
    "everolimus": Condition(EVEROLIMUS),
    "both": Condition(VENETOCLAX | EVEROLIMUS),
    "both_resistant": Condition(VENETOCLAX | EVEROLIMUS, RESISTANT),
}


def golden_parameters(condition: Condition, capacity: float = 2000.0) -> Parameters:
    """Default parameters in a host so small that crowding matters; the host is scaled as a whole."""
    given = parameters()
    scale = capacity / given.host.carrying_capacity
    host = dataclasses.replace(given.host, carrying_capacity=capacity, burden_at_half_cd45=given.host.burden_at_half_cd45 * scale)
    return dataclasses.replace(given, host=host, leukaemia=dataclasses.replace(given.leukaemia, subclones=condition.subclones))


def reference_trajectories(
    conditions: Mapping[str, Condition] = CONDITIONS,
    *,
    replicates: int = 200,
    cells: int = 300,
    days: float = 5.0,
    capacity: float = 2000.0,
    seed: int = GOLDEN_SEED,
    step_hours: float = 0.05,
) -> dict[str, Any]:
    """Mean, standard deviation and standard error of the mean over replicates, per condition, as plain lists.

    `count` (T, states), `total`, `births`, `deaths` (T,), `clones` (T, clones), `quantiles[m|s|b|p]`
    (T, quantiles; over replicates that have cells), each with keys mean, sd, se.
    """
    times = np.linspace(0.0, days, round(2 * days) + 1)
    settings = {"replicates": replicates, "cells": cells, "capacity": capacity, "seed": seed, "step_hours": step_hours}
    axes = {"time_days": times.tolist(), "states": list(STATES), "quantile": list(QUANTILES)}
    found: dict[str, Any] = {}
    for index, (name, condition) in enumerate(conditions.items()):
        begun = time.perf_counter()
        given = golden_parameters(condition, capacity)
        path = simulate_leukaemia(
            given, constant(**condition.free_nm), cells=cells, subjects=replicates, times_days=times.tolist(), seed=seed + index, step_hours=step_hours
        )
        series = {"count": path.count, "total": path.total, "births": path.births, "deaths": path.deaths, "clones": path.clones}
        found[name] = {"free_nm": condition.free_nm} | {key: _moments(values) for key, values in series.items()}
        found[name]["quantiles"] = {key: _moments(values) for key, values in path.quantiles.items()}
        print(f"{name}: {time.perf_counter() - begun:.0f} s, cells left {found[name]['total']['mean'][-1]:.1f}", file=sys.stderr)
    return settings | axes | {"conditions": found}


def _moments(values: Array) -> dict[str, Any]:
    """Mean, sd and standard error over axis 1, leaving out NaN; seven digits."""
    n = np.maximum(np.isfinite(values).sum(axis=1), 1)
    mean, sd = np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1)
    return {key: np.vectorize(lambda x: float(f"{x:.7g}"))(v).tolist() for key, v in (("mean", mean), ("sd", sd), ("se", sd / np.sqrt(n)))}


def deviations(values: Array, stored: Mapping[str, Any], offset: float = 0.0) -> tuple[Array, Array]:
    """z-scores of the mean and of the logarithm of the sd of `values` (T, R, ...) against a stored entry, (T, ...).

    `offset` is a tolerated relative difference of the means.  Entries whose sd is 0 on both
    sides (the start) give 0 if their means agree to 1e-6, else infinity.  The z of the sd
    takes replicates as normal and is meant for counts, not for quantiles.
    """
    n, (mean, sd) = values.shape[1], (np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1))
    their_mean, their_sd, their_se = (np.asarray(stored[key]) for key in ("mean", "sd", "se"))
    gap = np.maximum(np.abs(mean - their_mean) - offset * np.abs(their_mean), 0.0) * np.sign(mean - their_mean)
    se = np.sqrt(sd**2 / n + their_se**2)
    still = se == 0.0
    of_mean = np.where(still, np.where(np.abs(gap) <= 1e-6 * (1.0 + np.abs(their_mean)), 0.0, np.inf), gap / np.where(still, 1.0, se))
    both = (sd > 0.0) & (their_sd > 0.0)
    their_n = np.where(their_se > 0.0, (their_sd / np.where(their_se > 0.0, their_se, 1.0)) ** 2, 2.0)
    ratio = np.log(np.where(both, sd, 1.0) / np.where(both, their_sd, 1.0))
    return of_mean, ratio / np.sqrt(0.5 / (n - 1) + 0.5 / np.maximum(their_n - 1.0, 1.0))


def near(values: Array, expected: float, *, sds: float = 4.0) -> bool:
    """Whether the mean of independent `values` is within `sds` standard errors of `expected`."""
    return bool(abs(values.mean() - expected) <= sds * values.std(ddof=1) / np.sqrt(values.size))


def golden() -> dict[str, Any]:
    """The stored trajectories."""
    return dict(json.loads(GOLDEN.read_text()))


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(reference_trajectories(), indent=1) + "\n")
