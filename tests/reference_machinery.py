"""Inside of one cell at a time in plain NumPy, for the reference simulators.

Shares no code with the engine: it imports NumPy and the records that hold parameters.
Times are in days unless a name says hours, hazards per day, concentrations in nmol/L
(free, at the cell).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.parameters.cell import Cell, CellTraits
from abm.parameters.drug import Drug

Array = NDArray[Any]
Cells = dict[str, Array]
Concentrations = Callable[[float], Mapping[str, float]]

AMOUNTS = ("bcl2", "bclxl", "mcl1", "bim")
FAST = ("m", "s", "b", "p")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def no_drug(time_days: float) -> Mapping[str, float]:
    """Concentrations of an untreated subject."""
    return {}


def constant(**free_nm: float) -> Concentrations:
    """Constant free concentrations."""
    return lambda time_days: free_nm


@dataclasses.dataclass(frozen=True)
class Clone:
    """Mean traits of a clone and what sets it apart from the founder."""

    traits: CellTraits
    bcl2_ki_factor: float = 1.0
    mtorc1_response: float = 1.0
    death_factor: float = 1.0
    division_factor: float = 1.0
    fraction: float = 1.0


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """Counts of R subjects at T times; states are `STATES` or the stages of a lineage.

    `quantiles[x]` has shape (T, R, len(QUANTILES)) and is NaN where no cell is left; the
    fast states are those of half a micro-step before the time of the counts.
    """

    time_days: Array  # (T,)
    count: Array  # (T, R, states) int64
    births: Array  # (T, R) int64, cumulative
    deaths: Array  # (T, R) int64, cumulative
    gained: Array  # (T, R) int64, cumulative; immigrants and released blood cells of a lineage
    lost: Array  # (T, R) int64, cumulative; cells that left the last transit stage
    clones: Array  # (T, R, clones) int64
    quantiles: dict[str, Array]

    @property
    def total(self) -> Array:
        """Cells of every subject, (T, R)."""
        return np.asarray(self.count.sum(axis=2))

    @property
    def conserved(self) -> bool:
        """Whether count = count(0) + births - deaths + gained - lost, to the cell, everywhere."""
        return bool(np.array_equal(self.total, self.total[0] + self.births - self.deaths + self.gained - self.lost))


def hill(x: Array | float, half: float, steepness: float) -> Array:
    """x^n / (half^n + x^n), 0 at x <= 0."""
    power = (np.maximum(x, 0.0) / half) ** steepness
    return np.asarray(power / (1.0 + power))


def solve_balance(total: Array, amounts: Array, dissociation: Array, start: Array | None = None) -> Array:
    """Free activator p with p + sum_j A_j p/(p + K_j) = total.

    `total` (n,), `amounts` and `dissociation` (3, n), in nmol/L.  The left side is increasing
    and concave in p, so Newton's tangent never puts the next p above the root: one step may
    fall below it (cut off at 0), after which the steps rise to the root.
    """
    p = np.zeros_like(total) if start is None else np.minimum(start, total)
    todo = np.arange(total.size)
    for _ in range(200):
        a, k, q = amounts[:, todo], dissociation[:, todo], p[todo]
        share = a / (q + k)
        value = q * (1.0 + share.sum(axis=0)) - total[todo]
        slope = 1.0 + (share * k / (q + k)).sum(axis=0)
        p[todo] = np.maximum(q - value / slope, 0.0)
        todo = todo[np.abs(p[todo] - q) > 1e-10]
        if todo.size == 0:
            return p
    raise FloatingPointError("BH3 balance did not converge")


def take(cells: Cells, rows: Array) -> Cells:
    """The cells in `rows` (indices or mask)."""
    return {name: values[rows] for name, values in cells.items()}


def join(parts: Sequence[Cells]) -> Cells:
    """One set of cells."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Machinery:
    """What happens inside cells under given concentrations; the same for all kinds of cells."""

    def __init__(self, cell: Cell, clones: Sequence[Clone], drugs: Mapping[str, Drug], concentrations: Concentrations, rng: np.random.Generator):
        self.cell, self.clones, self.drugs, self.concentrations, self.rng = cell, list(clones), dict(drugs), concentrations, rng
        self.occupancy = dict.fromkeys(self.drugs, 0.0)
        self.time_h = 0.0
        self.activity = 1.0  # activity over set point of a cell that feels the whole block and lived through the exposure
        self.free = self._free(0.0)

    def _free(self, hours: float) -> dict[str, float]:
        given = self.concentrations(hours / 24.0)
        return {name: float(given.get(name, 0.0)) for name in self.drugs}

    def _targets(self, name: str) -> list[tuple[Any, float]]:
        return [(getattr(drug.targets, name), self.free[key]) for key, drug in self.drugs.items() if getattr(drug.targets, name) is not None]

    def clone_values(self, cells: Cells, name: str) -> Array:
        """Attribute of the clone of every cell."""
        return np.take([getattr(clone, name) for clone in self.clones], cells["clone"])

    # exposure

    def _occupy(self, until_h: float) -> float:
        """Advance the occupancy of mTORC1 to `until_h`; return the block 1 - prod(1 - Imax O)."""
        middle = self._free(0.5 * (self.time_h + until_h))
        spared = 1.0
        for key, drug in self.drugs.items():
            target = drug.targets.mtorc1
            if target is not None:
                on = target.koff_per_h * middle[key] / target.ic50_nm
                limit, rate = on / (on + target.koff_per_h), on + target.koff_per_h
                self.occupancy[key] = limit + (self.occupancy[key] - limit) * np.exp(-rate * (until_h - self.time_h))
                spared *= 1.0 - target.max_inhibition * self.occupancy[key]
        self.time_h = until_h
        return 1.0 - spared

    @property
    def drive(self) -> float:
        """Direct drive of the stress response by drugs."""
        return float(sum(t.max_drive * hill(c, t.ec50_nm, t.hill) for t, c in self._targets("stress")))

    @property
    def bim_fold(self) -> float:
        """Fold of BIM by glucocorticoids."""
        return float(np.prod([1.0 + (t.max_fold - 1.0) * hill(c, t.ec50_nm, t.hill) for t, c in self._targets("bim")]))

    def cytotoxic(self) -> tuple[float, float]:
        """Hazards (1/d) of a cycling and of a quiescent cell."""
        each = [(t.max_per_day * hill(c, t.ec50_nm, t.hill), t.quiescent_factor) for t, c in self._targets("cytotoxic")]
        return float(sum(h for h, _ in each)), float(sum(h * q for h, q in each))

    def cytotoxic_to_progenitors(self) -> float:
        """Hazard (1/d) of a healthy dividing progenitor."""
        return float(sum(t.progenitor_factor * t.max_per_day * hill(c, t.ec50_nm, t.hill) for t, c in self._targets("cytotoxic")))

    # traits

    def _factor(self, cv: float, n: int) -> Array:
        """Log-normal factors with mean 1."""
        sd = np.sqrt(np.log1p(cv * cv))
        return np.asarray(np.exp(sd * self.rng.standard_normal(n) - 0.5 * sd * sd))

    def _mean(self, cells: Cells, name: str) -> Array:
        return np.take([getattr(clone.traits, name) for clone in self.clones], cells["clone"])

    def draw_amounts(self, cells: Cells) -> None:
        """Draw the amounts and the set point of every cell of `cells` from its clone's distribution."""
        n, spread = cells["clone"].size, self.cell.amounts
        size = self._factor(spread.cv_size, n)
        for name in AMOUNTS:
            cells[name] = spread.reference_nm * self._mean(cells, name) * self._factor(spread.cv, n) * size
        cells["set_point"] = np.empty(n)
        for index, clone in enumerate(self.clones):
            own = cells["clone"] == index
            cells["set_point"][own] = clone.traits.set_point * self._factor(clone.traits.set_point_cv, int(own.sum()))

    def new_cells(self, subject: Array, clone: Array, state: Array, activity: float = 1.0) -> Cells:
        """Cells with fresh traits whose fast states are settled at `activity` x set point."""
        cells: Cells = {"subject": subject, "clone": clone, "state": state}
        self.draw_amounts(cells)
        cells["beta"] = np.empty(clone.size)
        for index, kind in enumerate(self.clones):
            own = clone == index
            cells["beta"][own] = kind.traits.bmf_competence * self._factor(kind.traits.bmf_competence_cv, int(own.sum()))
        cells["m"] = activity * cells["set_point"]
        cells["phi"] = self.phi(cells)
        cells["s"] = self.cell.stress.basal + self.cell.stress.gain * cells["phi"] + self.drive
        cells["b"] = self._bmf_target(cells["beta"], cells["s"], cells["phi"])
        cells["p"] = self.balance(cells)
        return cells

    def redraw(self, daughters: Cells) -> None:
        """Each cell, with the redraw probability, gets new amounts and set point; activity keeps its share of m*."""
        fresh = np.flatnonzero(self.rng.random(daughters["clone"].size) < self.cell.amounts.redraw_probability)
        drawn = take(daughters, fresh)
        before = drawn["set_point"]
        self.draw_amounts(drawn)
        drawn["m"] = drawn["m"] * drawn["set_point"] / before
        drawn["phi"] = self.phi(drawn)
        drawn["p"] = self.balance(drawn)
        for name, values in drawn.items():
            daughters[name][fresh] = values

    # fast states

    def phi(self, cells: Cells) -> Array:
        """Phi of the absolute loss of mTORC1 activity."""
        c = self.cell.mtorc1
        return hill(cells["set_point"] - cells["m"], c.loss_half_point, c.loss_steepness)

    def _bmf_target(self, beta: Array, s: Array, phi: Array) -> Array:
        c = self.cell.bmf
        induction = (1.0 - c.direct_fraction) * hill(s, c.stress_half_point, c.stress_hill) + c.direct_fraction * phi
        return np.asarray(beta * (c.basal_nm + c.induced_nm * induction))

    def advance(self, cells: Cells, until_h: float) -> None:
        """Advance the fast states of all cells to `until_h`, second order in the interval."""
        dt = until_h - self.time_h
        block = self._occupy(self.time_h + 0.5 * dt)
        self.free = self._free(self.time_h)
        drive = self.drive
        self._occupy(until_h)
        self.free = self._free(until_h)
        c = self.cell
        self.activity = 1.0 - block + (self.activity - 1.0 + block) * float(np.exp(-c.mtorc1.relaxation_per_hour * dt))
        target = cells["set_point"] * (1.0 - self.clone_values(cells, "mtorc1_response") * block)
        cells["m"] = target + (cells["m"] - target) * np.exp(-c.mtorc1.relaxation_per_hour * dt)
        phi = self.phi(cells)
        middle = 0.5 * (phi + cells["phi"])
        target = c.stress.basal + c.stress.gain * middle + drive
        s = target + (cells["s"] - target) * np.exp(-c.stress.rate_per_hour * dt)
        target = self._bmf_target(cells["beta"], 0.5 * (s + cells["s"]), middle)
        cells["b"] = target + (cells["b"] - target) * np.exp(-c.bmf.rate_per_hour * dt)
        cells["s"], cells["phi"] = s, phi
        cells["p"] = self.balance(cells)

    def balance(self, cells: Cells) -> Array:
        """Free activator p of every cell under the present concentrations."""
        c = self.cell
        occupied = np.ones((3, cells["clone"].size))
        for target, free in self._targets("bh3"):
            occupied[0] += free / (target.ki_bcl2_nm * self.clone_values(cells, "bcl2_ki_factor"))
            occupied[1] += free / target.ki_bclxl_nm
            occupied[2] += free / target.ki_mcl1_nm
        kd = np.array([[c.bh3.kd_bcl2_nm], [c.bh3.kd_bclxl_nm], [c.bh3.kd_mcl1_nm]]) * occupied
        amounts = np.stack([cells["bcl2"], cells["bclxl"], cells["mcl1"] * (1.0 - c.mcl1.loss_fraction * cells["phi"])])
        return solve_balance(cells["bim"] * self.bim_fold + cells["b"], amounts, kd, cells.get("p"))

    def apoptosis(self, cells: Cells) -> Array:
        """Hazard (1/d) of death by pores, with the clone's death factor, plus the hazard of stress itself."""
        c = self.cell.apoptosis
        pores = c.max_per_day * hill(cells["p"], c.half_activator_nm, c.hill)
        return np.asarray(self.clone_values(cells, "death_factor") * pores + c.stress_per_day * cells["s"])

    def resting_apoptosis(self, cells: Cells) -> Array:
        """The same hazard of cells with these traits that never met a drug."""
        n = cells["clone"].size
        still = {name: cells[name] for name in (*AMOUNTS, "clone", "beta")}
        still |= {"phi": np.zeros(n), "s": np.full(n, self.cell.stress.basal)}
        still["b"] = self._bmf_target(still["beta"], still["s"], still["phi"])
        free, self.free = self.free, dict.fromkeys(self.drugs, 0.0)
        still["p"] = self.balance(still)
        self.free = free
        return self.apoptosis(still)


class Recorder:
    """Collects counts and quantiles at the output times."""

    def __init__(self, subjects: int, states: int, clones: int):
        self.shape, self.clones = (subjects, states), clones
        self.births = np.zeros(subjects, np.int64)
        self.deaths = np.zeros(subjects, np.int64)
        self.gained = np.zeros(subjects, np.int64)
        self.lost = np.zeros(subjects, np.int64)
        self.rows: list[tuple[Any, ...]] = []

    def tally(self, name: str, subject: Array) -> None:
        """Add one per entry of `subject` to births, deaths, gained or lost."""
        getattr(self, name)[:] += np.bincount(subject, minlength=self.shape[0])

    def record(self, time_days: float, cells: Cells, measured: Array | None = None) -> None:
        """Take the state at `time_days`; quantiles are over the `measured` cells (default all)."""
        r, k = self.shape
        count = np.bincount(cells["subject"] * k + cells["state"], minlength=r * k).reshape(r, k)
        clones = np.bincount(cells["subject"] * self.clones + cells["clone"], minlength=r * self.clones).reshape(r, self.clones)
        chosen = cells if measured is None else take(cells, measured)
        rows = {name: _quantiles(chosen[name], chosen["subject"], r) for name in FAST}
        self.rows.append((time_days, count, self.births.copy(), self.deaths.copy(), self.gained.copy(), self.lost.copy(), clones, rows))

    def trajectory(self) -> Trajectory:
        """All that was recorded."""
        times, count, births, deaths, gained, lost, clones, rows = zip(*self.rows, strict=True)
        quantiles = {name: np.stack([row[name] for row in rows]) for name in FAST}
        return Trajectory(np.array(times), np.stack(count), np.stack(births), np.stack(deaths), np.stack(gained), np.stack(lost), np.stack(clones), quantiles)


def _quantiles(values: Array, subject: Array, subjects: int) -> Array:
    """Quantiles of `values` per subject, (subjects, len(QUANTILES)), linear between order statistics."""
    sizes = np.bincount(subject, minlength=subjects)
    filled = np.flatnonzero(sizes)
    ordered = values[np.lexsort((values, subject))]
    first = (np.cumsum(sizes) - sizes)[filled, None]
    rank = np.asarray(QUANTILES) * (sizes[filled, None] - 1)
    low = np.floor(rank).astype(np.int64)
    out = np.full((subjects, len(QUANTILES)), np.nan)
    below, above = ordered[first + low], ordered[first + np.ceil(rank).astype(np.int64)]
    out[filled] = below + (rank - low) * (above - below)
    return out


def compete(
    cells: Cells,
    left: Array,
    hazards: Callable[[Cells], Array],
    apply: Callable[[Cells, Array, Array], tuple[Cells, Array]],
    rng: np.random.Generator,
) -> Cells:
    """Let every cell meet its events within the `left` days of the micro-step.

    `hazards(cells)` is (kinds, n); `apply(cells, kind, left)` returns what the events leave.
    """
    settled: list[Cells] = []
    while cells["clone"].size:
        bounds = np.cumsum(hazards(cells), axis=0)
        total = bounds[-1]
        draw = rng.standard_exponential(total.size)
        fired = draw < total * left
        settled.append(take(cells, ~fired))
        wait = draw[fired] / total[fired]
        kind = (rng.random(wait.size) * total[fired] >= bounds[:, fired]).sum(axis=0)
        cells, left = apply(take(cells, fired), kind, left[fired] - wait)
    return join(settled) if settled else cells


def in_batches(part: Callable[[int, np.random.Generator], Trajectory], subjects: int, batch: int, seed: int) -> Trajectory:
    """Trajectory of `subjects` subjects from `part(subjects, generator)`, each batch with its own stream."""
    sizes = [batch] * (subjects // batch) + ([subjects % batch] if subjects % batch else [])
    streams = np.random.SeedSequence(seed).spawn(len(sizes))
    parts = [part(size, np.random.default_rng(stream)) for size, stream in zip(sizes, streams, strict=True)]
    quantiles = {name: np.concatenate([p.quantiles[name] for p in parts], axis=1) for name in FAST}
    whole = {f: np.concatenate([getattr(p, f) for p in parts], axis=1) for f in ("count", "births", "deaths", "gained", "lost", "clones")}
    return Trajectory(time_days=parts[0].time_days, **whole, quantiles=quantiles)
