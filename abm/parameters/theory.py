"""Keys of the theory experiments: the engine with biology switched off, checked against exact results.

Times are in days and rates per day unless the key says hours.  What needs more than one
number (phases in order, hazards that stay positive) is checked when a record is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from abm.errors import InputError
from abm.records import choice, count, listing, quantity, record

_REPLICATES = "Independent subjects."


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InputError("\n".join(problems))


def _phase_problems(key: str, phases: Sequence[Sequence[float]], what: str) -> list[str]:
    """What is wrong with phases (end, value, ...): ends must rise from 0 and values must not be negative."""
    if not phases:
        return [f"theory.{key} = []: at least one phase [t_end, {what}] is needed."]
    problems, start = [], 0.0
    for index, (end, *values) in enumerate(phases):
        if end <= start:
            problems.append(f"theory.{key}[{index}]: ends on day {end:g}, not after day {start:g}, on which it begins. Ends of phases must rise.")
        if min(values) < 0.0:
            problems.append(f"theory.{key}[{index}] = {[end, *values]}: {what} must not be negative.")
        start = end
    return problems


@record
class BirthDeath:
    """Linear birth-death process with rates that change at given times."""

    n0: int = count("Cells on day 0.", low=1, high=10**12)
    phases: list[tuple[float, float, float]] = listing("Phases [t_end (d), birth rate (1/d), death rate (1/d)].")
    replicates: int = count(_REPLICATES, low=1)

    def __post_init__(self) -> None:
        _refuse(_phase_problems("phases", self.phases, "the birth rate and the death rate"))


@record
class StressSurvival:
    """Death by a stress that an inhibitor induces: s' = kon I (1 - s) - koff s, hazard h0 + h1 f B s^m."""

    kon: float = quantity("1/d", "Rate of stress at full inhibition.", low=0.0)
    koff: float = quantity("1/d", "Rate at which stress is lost.", low=0.0)
    h0: float = quantity("1/d", "Death hazard without stress.", low=0.0)
    h1: float = quantity("1/d", "Death hazard at full stress of a mean BMF-positive cell.", low=0.0)
    hill_m: float = quantity("1", "Exponent m of the stress in the hazard.", above=0.0, high=16.0)
    bmf_positive_fraction: float = quantity("1", "Probability that a cell is BMF-positive.", low=0.0, high=1.0)
    cv: float = quantity("1", "Coefficient of variation of the cells' own factor f (log-normal, mean 1).", low=0.0, high=10.0)
    inhibition: list[tuple[float, float]] = listing("Phases [t_end (d), inhibition I].")
    n0: int = count("Cells on day 0.", low=1, high=10**12)
    replicates: int = count(_REPLICATES, low=1)

    def __post_init__(self) -> None:
        _refuse(_phase_problems("inhibition", self.inhibition, "the inhibition"))


@record
class Combination:
    """Two drugs that add hazards, with an interaction gamma: arms none, a, b and ab."""

    k0: float = quantity("1/d", "Death hazard without drugs.", low=0.0)
    ka: float = quantity("1/d", "Hazard added by drug a.", low=0.0)
    kb: float = quantity("1/d", "Hazard added by drug b.", low=0.0)
    gamma: float = quantity("1/d", "Hazard added by both together beyond their sum; 0 = independent.")
    n0: int = count("Cells on day 0.", low=1, high=10**12)
    t_end: float = quantity("d", "Last day.", above=0.0)
    replicates: int = count(_REPLICATES, low=1)

    def __post_init__(self) -> None:
        total = self.k0 + self.ka + self.kb + self.gamma
        _refuse([f"theory.gamma = {self.gamma:g}: the hazard of both drugs, k0 + ka + kb + gamma = {total:g}, must not be negative."] if total < 0 else [])


@record
class Pharmacokinetics:
    """Linear one- or two-compartment model and a list of doses; no cells."""

    cl: float = quantity("L/h", "Clearance.", low=0.0)
    v1: float = quantity("L", "Central volume.", above=0.0)
    q: float = quantity("L/h", "Inter-compartmental clearance; 0 = one compartment.", low=0.0)
    v2: float | None = quantity("L", "Peripheral volume; used when q > 0.", low=0.0)
    ka: float | None = quantity("1/h", "First-order absorption; null = doses go into the central compartment.", above=0.0)
    f: float = quantity("1", "Bioavailability.", low=0.0)
    lag: float = quantity("h", "Lag before a dose enters.", low=0.0)
    doses: list[tuple[float, float, float]] = listing("Doses [time (h), amount, duration (h)]; duration 0 = instantaneous.")
    times_h: list[float] = listing("Times at which the concentration is wanted, h.")

    def __post_init__(self) -> None:
        problems = [f"theory.doses[{i}] = {list(dose)}: no number may be negative." for i, dose in enumerate(self.doses) if min(dose) < 0.0]
        problems += [f"theory.times_h[{i}] = {time:g}: must not be negative." for i, time in enumerate(self.times_h) if time < 0.0]
        if not self.times_h:
            problems.append("theory.times_h = []: at least one time is needed.")
        if self.q > 0.0 and not self.v2:
            problems.append(f"theory.v2 = {self.v2 or 'null'}: a volume above 0 is needed where q > 0.")
        _refuse(problems)


@record
class Myelosuppression(Pharmacokinetics):
    """Model of Friberg et al. 2002 (doi:10.1200/JCO.2002.02.140): proliferating cells, three transits, blood; a drug kills, blood feeds back."""

    circ0: float = quantity("any", "Blood count at rest, in any unit, e.g. 1e9/L; the unit of every count.", above=0.0)
    mtt_h: float = quantity("h", "Mean transit time MTT; every cell moves on at the rate 4 / MTT.", above=0.0)
    gamma: float = quantity("1", "Exponent of the feedback (circ0 / Circ)^gamma.", low=0.0, high=4.0)
    slope: float = quantity("L/amount", "Effect E = slope C of a concentration C on proliferation.", low=0.0)
    mode: str = choice("ode: deterministic equations; cells: the same law with chance, cell by cell.", ("ode", "cells"))
    scale: float = quantity("cells", "Cells in the blood per unit of circ0 (mode = cells).", above=0.0, high=1e12)
    replicates: int = count(_REPLICATES, low=1)

    def __post_init__(self) -> None:
        Pharmacokinetics.__post_init__(self)
        cells = self.circ0 * self.scale
        _refuse([f"theory.scale = {self.scale:g}: circ0 scale = {cells:g} cells; at least 1 and at most 1e12 are needed."] if not 1.0 <= cells <= 1e12 else [])


@record
class Logistic:
    """Birth-death process that a carrying capacity limits."""

    n0: int = count("Cells on day 0.", low=1, high=10**12)
    b: float = quantity("1/d", "Birth rate without crowding.", low=0.0)
    d: float = quantity("1/d", "Death rate without crowding.", low=0.0)
    capacity: float = quantity("cells", "Capacity K.", above=0.0)
    form: str = choice("birth: birth rate b max(0, 1 - N/K); death: death rate d + (b - d) N/K.", ("birth", "death"))
    t_end: float = quantity("d", "Last day.", above=0.0)
    replicates: int = count(_REPLICATES, low=1)


@record
class Resistance:
    """Sensitive cells that mutate at division to resistant ones, under rates that change at given times; no back mutation."""

    s0: int = count("Sensitive cells on day 0.", low=0, high=10**12)
    r0: int = count("Resistant cells on day 0.", low=0, high=10**12)
    u: float = quantity("1", "Probability of mutation at a division of a sensitive cell.", low=0.0, high=1.0)
    mutation: str = choice("one: a division makes one mutant daughter with probability u; each: each daughter mutates with probability u.", ("one", "each"))
    phases: list[tuple[float, float, float, float, float]] = listing(
        "Phases [t_end (d), birth and death rate of sensitive cells, birth and death rate of resistant cells (1/d)]."
    )
    replicates: int = count(_REPLICATES, low=1)

    def __post_init__(self) -> None:
        problems = _phase_problems("phases", self.phases, "the birth and death rates of sensitive and of resistant cells")
        if self.s0 + self.r0 == 0:
            problems.append("theory.s0 = 0, theory.r0 = 0: at least one cell is needed.")
        _refuse(problems)


@record
class LuriaDelbruck:
    """Cultures that grow from sensitive cells, whose mutants grow at a rate of their own and die like the others."""

    n0: int = count("Sensitive cells on day 0.", low=1, high=10**12)
    b: float = quantity("1/d", "Birth rate of sensitive cells.", low=0.0)
    d: float = quantity("1/d", "Death rate of all cells.", low=0.0)
    b_mutant: float = quantity("1/d", "Birth rate of mutants.", low=0.0)
    u: float = quantity("1", "Probability that a division makes one mutant daughter.", low=0.0, high=1.0)
    t_end: float = quantity("d", "Last day.", above=0.0)
    replicates: int = count(_REPLICATES, low=1)


# Attempts per accepted subject beyond which the search for one would hardly end.
MAX_ATTEMPTS = 2e3


@record
class Detection:
    """Growth from one sensitive cell until a number of sensitive cells is reached; attempts that die out begin again."""

    n_detect: int = count("Sensitive cells at detection.", low=1, high=10**12)
    u: float = quantity("1", "Probability that a division makes one mutant daughter.", low=0.0, high=1.0)
    b: float = quantity("1/d", "Birth rate of sensitive cells.", low=0.0)
    d: float = quantity("1/d", "Death rate of sensitive cells.", low=0.0)
    b_mutant: float = quantity("1/d", "Birth rate of mutants.", low=0.0)
    d_mutant: float = quantity("1/d", "Death rate of mutants.", low=0.0)
    replicates: int = count("Accepted subjects.", low=1)

    def __post_init__(self) -> None:
        if self.n_detect > 1 and self.acceptance * MAX_ATTEMPTS < 1.0:
            _refuse([
                f"theory.n_detect = {self.n_detect}: sensitive cells that make {self.b * (1.0 - self.u):g} sensitive daughters a day and die at {self.d:g}"
                f" hardly ever become as many (probability {self.acceptance:.2g})."
            ])  # fmt: skip

    @property
    def acceptance(self) -> float:
        """Probability that one sensitive cell becomes `n_detect` (gambler's ruin)."""
        birth, n = self.b * (1.0 - self.u), self.n_detect
        if n == 1 or self.d == 0.0:
            return 1.0 if n == 1 or birth > 0.0 else 0.0
        if birth == 0.0:
            return 0.0
        log_ratio = math.log(self.d / birth)
        if log_ratio == 0.0:
            return 1.0 / n
        return math.expm1(log_ratio) / math.expm1(n * log_ratio) if n * log_ratio < 700.0 else 0.0


THEORY_RECORDS: dict[str, type] = {
    "birth_death": BirthDeath,
    "stress_survival": StressSurvival,
    "combination": Combination,
    "pharmacokinetics": Pharmacokinetics,
    "logistic": Logistic,
    "resistance": Resistance,
    "luria_delbruck": LuriaDelbruck,
    "detection": Detection,
    "myelosuppression": Myelosuppression,
}
