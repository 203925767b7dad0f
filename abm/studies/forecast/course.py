"""Expected burden of every leukaemia in every arm, from the deterministic twin."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.engine.mean_field import trait_points
from abm.engine.packing import clone_shares
from abm.models.individuals import typical_leukaemia
from abm.models.mean_field_course import Path, begin_path, run_path, take_rows
from abm.models.mean_field_xenograft import TwinParams, TwinRow, build_twin, dosed_course
from abm.models.xenograft_setup import arm_doses, drugs_given
from abm.parameters.experiment import Experiment
from abm.pharmacology.action import Values
from abm.pharmacology.covariates import host_pharmacokinetics
from abm.studies.forecast.randomisation import burden_to_qualify
from abm.studies.forecast.record import ArmCourse, Start
from abm.studies.grids import off_drug_hours, step_hours

# Trait points of the twin: at 8 x 16 the burden is within 0.02 log10 of that at 32 x 128 after a deep kill.
LEVELS, CELLS = 8, 16
# The twin steps as the engine does, but no finer: its error falls with the square of the step.
FINEST_HOURS = 0.5
QUANTILES = (0.05, 0.5, 0.95)
TYPICAL = 1  # place of the median among them
_DAYS_AFTER_TREATMENT = 7.0
_LN10 = float(np.log(10.0))


@dataclasses.dataclass(frozen=True)
class TwinRun:
    """The twin along the lead-in and along every arm.

    Rows of the lead-in are (leukaemia, growth quantile), those of the trial (leukaemia, arm).
    """

    leukaemias: tuple[str, ...]
    arms: tuple[str, ...]
    clones: int
    hours: float  # step of the twin
    lead_in_hours: float  # ... in the lead-in
    lead_in: Path
    trial: Path
    error_log10: np.ndarray  # (rows of the trial,), largest error of log10 burden by the step of the engine

    @property
    def rows(self) -> list[tuple[str, str]]:
        """(leukaemia, arm) of each row of the trial."""
        return [(name, arm) for name in self.leukaemias for arm in self.arms]


def run_twin(experiment: Experiment) -> TwinRun:
    """Run typical subjects, and the lead-in also of subjects whose leukaemia divides slowly or fast."""
    host, trial = experiment.host, experiment.trial
    names, arms = tuple(experiment.cohort.leukaemias), tuple(experiment.arms)
    used = step_hours(experiment)
    hours = max(used, FINEST_HOURS)
    params, clones = _typical(experiment, names)
    groups = clones * LEVELS
    drugs = len(drugs_given(experiment))
    quantile_of = np.tile(np.arange(len(QUANTILES)), len(names))
    growing = take_rows(params, np.repeat(np.arange(len(names)), len(QUANTILES)))
    growing = growing._replace(b_max=growing.b_max * growth_factors(host.growth_cv)[quantile_of][:, None])
    level = np.repeat([burden_to_qualify(experiment, experiment.leukaemias[name]) for name in names], len(QUANTILES))
    coarse = off_drug_hours(experiment.engine)
    early, window = (hours, experiment.engine.window_hours) if coarse is None else coarse[:2]
    steps = int(np.ceil(trial.lead_in_max_days * 24.0 / early - 1e-9))
    nothing = np.zeros((steps, len(level), drugs))
    every = max(1, round(window / early))
    lead_in = run_path(growing, begin_path(growing), nothing, early / 24.0, groups=groups, clones=clones, level=level, check_every=every)
    typical = np.repeat(np.arange(len(names)) * len(QUANTILES) + TYPICAL, len(arms))
    rows, start = take_rows(growing, typical), take_rows(lead_in.state, typical)
    burden = (start.cells.cycling + start.cells.quiescent).sum(axis=1)
    start = start._replace(burden=burden, killed=np.zeros_like(burden))

    def path(days: float, step: float) -> Path:
        course = arm_courses(experiment, days, step)
        each = np.asarray(course)[:, np.tile(np.arange(len(arms)), len(names))]
        return run_path(rows, start, each, step / 24.0, groups=groups, clones=clones)

    whole = path(trial.follow_up_days, hours)
    fine = path(min(trial.follow_up_days, trial.treatment_days + _DAYS_AFTER_TREATMENT), hours / 2.0)
    error = step_error(whole.looks.burden, fine.looks.burden) * (used / hours) ** 2
    return TwinRun(names, arms, clones, hours, early, lead_in, whole, error)


def growth_factors(cv: float) -> np.ndarray:
    """Factors on the division hazard at `QUANTILES` of the log-normal law with mean 1 between subjects, as the packet model draws them."""
    sigma = np.sqrt(np.log1p(cv**2))
    factors: np.ndarray = np.exp(sigma * ndtri(QUANTILES) - 0.5 * sigma**2)
    return factors


def _typical(experiment: Experiment, names: tuple[str, ...]) -> tuple[TwinParams, int]:
    """Twin of each leukaemia at injection, and the clones of a row."""
    host = experiment.host
    seeded = host.expected_founders
    mean = experiment.cohort.chemosensitivity
    rows = [TwinRow(experiment.cell, typical_leukaemia(experiment, name), experiment.drugs, seeded, host.carrying_capacity, mean) for name in names]
    params = build_twin(rows, drugs_given(experiment), trait_points(CELLS, 1, LEVELS), LEVELS)
    return params, 1 + max(len(row.leukaemia.subclones) for row in rows)


def arm_courses(experiment: Experiment, days: float, hours: float) -> Values:
    """Free concentrations of each arm in a typical subject, (steps, arms, drugs), nmol/L."""
    drugs, arms, host = drugs_given(experiment), list(experiment.arms), experiment.host
    steps = int(np.ceil(days * 24.0 / hours - 1e-9))
    return dosed_course(
        [{drug: host_pharmacokinetics(experiment.drugs[drug], host) for drug in drugs}] * len(arms),
        {drug: experiment.drugs[drug].molar_mass_g_per_mol for drug in drugs},
        [arm_doses(experiment, arm) for arm in arms],
        np.arange(len(arms), dtype=np.int32),
        np.arange(steps + 1) * (hours / 24.0),
    )


def step_error(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Largest error of log10 burden of each row at the coarse step, (rows,), from runs at a step and at half of it.

    The scheme is second order, so the coarse run is off by 4/3 of the difference (Richardson
    1911, doi:10.1098/rsta.1911.0009).  Below one cell a burden means nothing and is left out.
    """
    steps = len(fine) // 2
    a, b = coarse[:steps], fine[1::2][:steps]
    seen = (a >= 1.0) & (b >= 1.0)
    difference = np.abs(np.log10(np.where(seen, a, 1.0)) - np.log10(np.where(seen, b, 1.0)))
    error: np.ndarray = 4.0 / 3.0 * difference.max(axis=0, initial=0.0)
    return error


def starts(experiment: Experiment, run: TwinRun) -> tuple[Start, ...]:
    """Randomisation of each leukaemia."""
    seeded = experiment.host.expected_founders
    found = []
    for i, name in enumerate(run.leukaemias):
        rows = slice(i * len(QUANTILES), (i + 1) * len(QUANTILES))
        reached = run.lead_in.reached[rows]
        slow, day, fast = np.where(reached >= 0, reached * run.lead_in_hours / 24.0, np.nan).tolist()
        cells = run.lead_in.state.cells
        burden = float(np.sum(cells.cycling[rows][TYPICAL] + cells.quiescent[rows][TYPICAL]))
        found.append(Start(leukaemia=name, seeded=seeded, burden=burden, day=day, early_day=fast, late_day=slow))
    return tuple(found)


def arm_courses_of(experiment: Experiment, run: TwinRun, start: tuple[Start, ...]) -> tuple[ArmCourse, ...]:
    """Expected course of each leukaemia in each arm."""
    resolution, looks = experiment.engine.packets, run.trial.looks
    begun = {s.leukaemia: s.burden for s in start}
    end = min(round(experiment.trial.treatment_days * 24.0 / run.hours), len(looks.burden)) - 1
    courses = []
    for row, (name, arm) in enumerate(run.rows):
        burden = np.append(begun[name], looks.burden[:, row])
        peak = int(np.argmax(burden))
        first, last = np.asarray(looks.cells[0, row]), np.asarray(looks.cells[end, row])
        shares = np.asarray(clone_shares(jnp.asarray(np.rint(first)[None, :], jnp.float64), resolution))[0]
        effective = effective_packets(last, np.asarray(looks.unevenness[end, row]), shares)
        courses.append(
            ArmCourse(
                leukaemia=name,
                arm=arm,
                peak=float(burden[peak]),
                peak_day=peak * run.hours / 24.0,
                reduction_log10=float(np.log10(max(begun[name], 1e-300)) - np.log10(max(last.sum(), 1e-300))) if begun[name] > 0.0 else 0.0,
                cells_per_packet=max(1.0, float(burden[peak]) / resolution),
                effective_packets=effective,
                sampling_log10=sampling_error(last, np.asarray(looks.unevenness[end, row]), shares),
            )
        )
    return tuple(courses)


def effective_packets(cells: np.ndarray, unevenness: np.ndarray, shares: np.ndarray) -> float:
    """Kish's effective number (1965, Survey Sampling) of the packets that carry the cells, clone by clone.

    Args:
        cells: Cells of each clone now.
        unevenness: 1 + CV^2 of the cells over equally likely traits.
        shares: Packets of each clone when treatment began.
    """
    total = float(cells.sum())
    weight = float(np.sum(np.where(shares > 0.0, cells**2 * unevenness / np.maximum(shares, 1.0), 0.0)))
    return total**2 / weight if weight > 0.0 else 0.0


def sampling_error(cells: np.ndarray, unevenness: np.ndarray, shares: np.ndarray) -> float:
    """Standard deviation of log10 burden because the packets of each clone are a sample of its cells; arguments as above.

    Of an independent sample, an upper bound: the packets are strata.
    """
    total = float(cells.sum())
    variance = float(np.sum(np.where(shares > 0.0, cells**2 * np.maximum(unevenness - 1.0, 0.0) / np.maximum(shares, 1.0), 0.0)))
    return float(np.sqrt(variance) / total / _LN10) if total > 0.0 else 0.0
