"""Exposure without cells: the plan and the steps of `abm.pharmacology.exposure` as a trial uses them."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine.packets import Packets, new_packets
from abm.engine.program import Carry, Rates, Subjects
from abm.engine.transition import no_time
from abm.models.theory.program import SMALLEST_CAPACITY, OneColumn, Settings, TheoryProgram, replicate_keys, save_days, theory_grid
from abm.parameters.theory import Pharmacokinetics
from abm.pharmacology.compartments import IndividualPk
from abm.pharmacology.exposure import ROW_AXIS, ExposurePlan, advance_exposure, concentration_nm, plan_exposure
from abm.pharmacology.regimen import Dose
from abm.units import HOURS_PER_DAY

DRUG = "drug"
# At this molar mass 1 mg/L is 1 nmol/L, so that concentrations are in the amounts' own unit per litre.
_UNIT_MOLAR_MASS = 1e6


class ExposureParams(NamedTuple):
    """Numbers of the model."""

    plan: Any  # ExposurePlan
    track_of_row: Any  # int32 (rows,)


class ExposureState(NamedTuple):
    """State of each row, float64."""

    amounts: jax.Array  # (rows, drugs, 3)
    gate: jax.Array  # (rows, drugs), factor on doses


@dataclasses.dataclass(frozen=True)
class ExposureOnly(OneColumn):
    """Drugs come and go; there are no cells."""

    def step(self, params: ExposureParams, rows: ExposureState, packets: Packets, subjects: Subjects, k: jax.Array, h: jax.Array) -> tuple[Any, Any, Rates]:
        """See `abm.engine.program.Model`."""
        exposure = advance_exposure(rows.amounts, params.plan, k, params.track_of_row, rows.gate)
        nothing = no_time(packets.division_exposure)
        return rows._replace(amounts=exposure.state), packets.fast, Rates(law=nothing, division=nothing.w, lazy_death=nothing.w)


def concentration(params: ExposureParams, carry: Carry) -> jax.Array:
    """Concentration in the central compartment, amount/L, (rows, drugs)."""
    return concentration_nm(carry.rows.amounts, params.plan)


def individual_pk(record: Pharmacokinetics, rows: int = 1) -> IndividualPk:
    """Parameters of the one drug, the same in every row, arrays (rows, 1)."""

    def one(value: float | None, otherwise: float) -> np.ndarray:
        return np.full((rows, 1), otherwise if value is None else value, np.float64)

    return IndividualPk(
        clearance_l_per_h=one(record.cl, 0.0),
        central_volume_l=one(record.v1, 1.0),
        intercompartmental_l_per_h=one(record.q, 0.0),
        peripheral_volume_l=one(record.v2 if record.q > 0.0 else None, 1.0),
        absorption_per_h=one(record.ka, np.nan),
        bioavailability=one(record.f, 1.0),
        lag_h=one(record.lag, 0.0),
    )


def exposure_plan(record: Pharmacokinetics, track_of_row: np.ndarray, grid_days: np.ndarray) -> ExposurePlan:
    """Plan of the one drug on a grid, with amounts in their own unit."""
    doses = [Dose(time / HOURS_PER_DAY, DRUG, amount, duration / HOURS_PER_DAY) for time, amount, duration in record.doses if amount > 0.0]
    inside = [dose for dose in doses if dose.time_days <= grid_days[-1]]
    return plan_exposure(
        individual_pk(record, len(track_of_row)),
        drugs=[DRUG],
        molar_mass_g_per_mol=[_UNIT_MOLAR_MASS],
        doses=[inside],
        track_of_row=track_of_row,
        grid_days=grid_days,
    )


def pharmacokinetics(record: Pharmacokinetics, settings: Settings) -> TheoryProgram:
    """One subject without cells, its concentration at the times asked for."""
    wanted = [time / HOURS_PER_DAY for time in record.times_h]
    end = max(wanted) or settings.dt_hours / HOURS_PER_DAY
    grid, saved = theory_grid(settings, save_days(end, settings.interval_hours, wanted), pack=False)
    track_of_row = np.zeros(1, np.int32)
    plan = exposure_plan(record, track_of_row, grid.times)
    axes: dict[str, Any] = {name: -1 if axis is None else axis for name, axis in ROW_AXIS.items()}
    none = np.zeros((1, SMALLEST_CAPACITY))
    return TheoryProgram(
        model=ExposureOnly(),
        resolution=SMALLEST_CAPACITY,
        params=ExposureParams(plan, track_of_row),
        param_axes=ExposureParams(ExposurePlan(**axes), 0),
        packets=new_packets([none], none.astype(np.int32), (), (), SMALLEST_CAPACITY),
        row_state=ExposureState(jnp.asarray(plan.initial_state), jnp.ones((1, 1))),
        keys=replicate_keys(settings.seed, "theory/pharmacokinetics", 1),
        grid=grid,
        save_steps=saved,
        arms=("theory",),
        subjects=1,
        populations=("cells",),
        concentration=concentration,
    )
