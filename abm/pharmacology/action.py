"""From free concentrations at the cell to the drives that the cell equations use.

Drugs act on targets, never on outcomes.  With C_j the free concentration of drug j:

    occupancy of a groove   sum_j C_j / Ki_j                     (competitive: Kd of BH3 binding times 1 + occupancy)
    stress drive            sum_j Emax_j H_j,   H = C^h / (EC50^h + C^h)
    fold of BIM             prod_j (1 + (fold_j - 1) H_j)
    cytotoxic hazard        sum_j Emax_j H_j    (independent drugs add hazards: Bliss independence; thiopurines have a sum of their own)
    growth of a lineage     H_j of every growth factor by itself; `abm.models.growth_factors` says what its lineage makes of it
    mTORC1                  dO/dt = koff [(C/IC50)(1 - O) - O],  block = 1 - prod_j (1 - Imax_j O_j) (1 - loss_j H_j),
                            where loss_j is what a stress agonist takes through GCN2

A drug that lacks a target, has no effect on it or is absent contributes exactly nothing: the
result is the same to the bit as without the drug.  Computed in float64 per row, handed to the
cells as float32.

Only the ratio of the unbound fraction to Ki can be identified from data.

References: competitive binding, Cheng & Prusoff 1973 (doi:10.1016/0006-2952(73)90196-2); Bliss 1939
(doi:10.1111/j.1744-7348.1939.tb06990.x).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from abm.parameters.drug import Bh3Mimetic, BimInducer, Cytotoxic, Drug, GrowthFactor, Mtorc1Inhibitor, Pharmacokinetics, StressAgonist
from abm.units import HOURS_PER_DAY

Values = jax.Array | NDArray[np.float64]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TargetTable:
    """Action of every drug, arrays float64 (drugs,); a missing target has effect 0 and inverse potency 0.

    Inverse potencies are in L/nmol, exponents are 1 where a target is missing.  What no drug of the
    table has is (), so that it costs nothing.
    """

    inverse_ki_bcl2: Values
    inverse_ki_bclxl: Values
    inverse_ki_mcl1: Values
    inverse_ic50_mtorc1: Values
    koff_per_day: Values
    max_inhibition: Values
    stress_max: Values
    stress_inverse_ec50: Values
    stress_hill: Values
    bim_extra_fold: Values  # fold at saturation less 1
    bim_inverse_ec50: Values
    bim_hill: Values
    cytotoxic_max_per_day: Values
    cytotoxic_inverse_ec50: Values
    cytotoxic_hill: Values
    quiescent_factor: Values
    thiopurine_max_per_day: Values | tuple[()] = ()
    stress_mtorc1_loss: Values | tuple[()] = ()
    progenitor_excess_per_day: Values | tuple[()] = ()  # hazard of a healthy progenitor less that of a leukaemic cell, at saturation
    stem_cell_excess_per_day: Values | tuple[()] = ()  # hazard of a stem cell less that of a quiescent leukaemic cell, at saturation, before the pool's factor
    growth_inverse_ec50: Values | tuple[()] = ()
    growth_hill: Values | tuple[()] = ()


OPTIONAL = ("thiopurine_max_per_day", "stress_mtorc1_loss", "progenitor_excess_per_day", "stem_cell_excess_per_day", "growth_inverse_ec50", "growth_hill")


class Drive(NamedTuple):
    """What the drugs do to the cells of a subject; arrays float32 (rows,) unless said."""

    bcl2_occupancy: jax.Array
    bclxl_occupancy: jax.Array
    mcl1_occupancy: jax.Array
    stress_drive: jax.Array
    bim_fold: jax.Array  # 1 without a drug
    cytotoxic_cycling_per_day: jax.Array
    cytotoxic_quiescent_per_day: jax.Array
    thiopurine_cycling_per_day: jax.Array | None = None  # None: no thiopurine among the drugs
    thiopurine_quiescent_per_day: jax.Array | None = None
    progenitor_excess_per_day: jax.Array | None = None  # hazard of healthy progenitors less that of leukaemic cells; None: alike for every drug
    stem_cell_excess_per_day: jax.Array | None = None  # the same of stem cells, beyond a quiescent cell
    growth_effect: jax.Array | None = None  # float64 (rows, drugs), share of the largest effect; None: no growth factor among the drugs


def free_factor(pk: Pharmacokinetics) -> float:
    """Free concentration at the cell over total concentration in the matrix."""
    return pk.fraction_unbound * pk.tissue_factor


def target_table(drugs: Mapping[str, Drug], order: Sequence[str]) -> TargetTable:
    """Collect the targets of the drugs, in the order of the exposure arrays, with NumPy arrays."""
    columns = [_column(drugs[name]) for name in order]
    names = [field.name for field in dataclasses.fields(TargetTable)]
    present = [name for name in names if name not in OPTIONAL or any(column.get(name, 0.0) != 0.0 for column in columns)]
    return TargetTable(**{name: np.array([column.get(name, _absent(name)) for column in columns], dtype=np.float64) for name in present})


def drive(free_nm: jax.Array, table: TargetTable) -> Drive:
    """Drive of the cells by the free concentrations.

    Args:
        free_nm: Free concentrations (rows, drugs), nmol/L, not negative.
        table: Targets of the drugs.
    """
    free = free_nm.astype(jnp.float64)
    affected = _hill(free, table.cytotoxic_inverse_ec50, table.cytotoxic_hill)
    cytotoxic = table.cytotoxic_max_per_day * affected
    folds = 1.0 + table.bim_extra_fold * _hill(free, table.bim_inverse_ec50, table.bim_hill)
    thiopurine = None if isinstance(table.thiopurine_max_per_day, tuple) else table.thiopurine_max_per_day * affected
    growing = None
    if not isinstance(table.growth_inverse_ec50, tuple) and not isinstance(table.growth_hill, tuple):
        growing = _hill(free, table.growth_inverse_ec50, table.growth_hill)
    return Drive(
        bcl2_occupancy=_total(free * table.inverse_ki_bcl2),
        bclxl_occupancy=_total(free * table.inverse_ki_bclxl),
        mcl1_occupancy=_total(free * table.inverse_ki_mcl1),
        stress_drive=_total(table.stress_max * _hill(free, table.stress_inverse_ec50, table.stress_hill)),
        bim_fold=_product(folds),
        cytotoxic_cycling_per_day=_total(cytotoxic),
        cytotoxic_quiescent_per_day=_total(cytotoxic * table.quiescent_factor),
        thiopurine_cycling_per_day=None if thiopurine is None else _total(thiopurine),
        thiopurine_quiescent_per_day=None if thiopurine is None else _total(thiopurine * table.quiescent_factor),
        progenitor_excess_per_day=None if isinstance(table.progenitor_excess_per_day, tuple) else _total(table.progenitor_excess_per_day * affected),
        stem_cell_excess_per_day=None if isinstance(table.stem_cell_excess_per_day, tuple) else _total(table.stem_cell_excess_per_day * affected),
        growth_effect=growing,
    )


def advance_mtorc1_block(
    occupied: jax.Array, mean_free_nm: jax.Array, table: TargetTable, step_days: jax.Array | float, relaxation_per_day: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Advance the occupancy of mTORC1 over a step in which the concentration is held at its mean.

    The law is linear in O, so the update is exact for a constant concentration, for any step.

    Args:
        occupied: Occupancy O of each drug (rows, drugs), float64, at the start of the step.
        mean_free_nm: Mean free concentration over the step (rows, drugs), nmol/L.
        table: Targets of the drugs.
        step_days: Length of the step.
        relaxation_per_day: Rate at which an activity follows the block; None = at once.

    Returns:
        Occupancy at the end (rows, drugs), float64, and the blocked share of mTORC1 activity (rows,), float32: the
        constant block that brings an activity of the given relaxation to where the true one does (exact for one
        drug), without relaxation the block at the end.
    """
    ratio = mean_free_nm.astype(jnp.float64) * table.inverse_ic50_mtorc1
    binding = table.koff_per_day * (1.0 + ratio) * step_days
    # Stays within [0, 1]: a weighted mean of the start and of the equilibrium ratio / (1 + ratio).
    end = occupied * jnp.exp(-binding) - ratio / (1.0 + ratio) * jnp.expm1(-binding)
    if relaxation_per_day is None:
        return end, mtorc1_block(end, table, mean_free_nm)
    following = jnp.asarray(relaxation_per_day, jnp.float64) * step_days
    apart = jnp.abs(binding - following)
    spread = jnp.where(apart > 1e-9, -jnp.expm1(-apart) / jnp.maximum(apart, 1e-9), 1.0)
    kept = following * jnp.exp(-jnp.minimum(binding, following)) * spread / -jnp.expm1(-following)
    felt = ratio / (1.0 + ratio) + (occupied - ratio / (1.0 + ratio)) * kept
    return end, mtorc1_block(felt, table, mean_free_nm)


def mtorc1_block(occupied: jax.Array, table: TargetTable, free_nm: jax.Array) -> jax.Array:
    """Share of mTORC1 activity (rows,), float32, that is blocked at an occupancy, or lost through GCN2 at a concentration (rows, drugs)."""
    left = _product_64(1.0 - table.max_inhibition * occupied)
    if not isinstance(table.stress_mtorc1_loss, tuple):
        starved = _hill(free_nm.astype(jnp.float64), table.stress_inverse_ec50, table.stress_hill)
        left = left * _product_64(1.0 - table.stress_mtorc1_loss * starved)
    return (1.0 - left).astype(jnp.float32)


def _hill(free: Values, inverse_ec50: Values, hill: Values) -> jax.Array:
    """C^h / (EC50^h + C^h), exactly 0 at C = 0 and without overflow at any concentration."""
    ratio = free * inverse_ec50
    present = ratio > 0.0
    log_ratio = jnp.log(jnp.where(present, ratio, 1.0))
    return jnp.where(present, 1.0 / (1.0 + jnp.exp(-hill * log_ratio)), 0.0)


def _total(parts: Values) -> jax.Array:
    # In the order of the drugs, one by one: a reduction could add in another order beside another drug.
    total = jnp.zeros(parts.shape[0], dtype=jnp.float64)
    for drug in range(parts.shape[1]):
        total = total + parts[:, drug]
    return total.astype(jnp.float32)


def _product(parts: Values) -> jax.Array:
    return _product_64(parts).astype(jnp.float32)


def _product_64(parts: Values) -> jax.Array:
    product = jnp.ones(parts.shape[0], dtype=jnp.float64)
    for drug in range(parts.shape[1]):
        product = product * parts[:, drug]
    return product


def _absent(name: str) -> float:
    return 1.0 if name.endswith("_hill") else 0.0


def _column(drug: Drug) -> dict[str, float]:
    column: dict[str, float] = {}
    for target in (drug.targets.bh3, drug.targets.mtorc1, drug.targets.stress, drug.targets.bim, drug.targets.cytotoxic, drug.targets.growth):
        match target:
            case Bh3Mimetic():
                column |= {f"inverse_ki_{protein}": 1.0 / getattr(target, f"ki_{protein}_nm") for protein in ("bcl2", "bclxl", "mcl1")}
            case Mtorc1Inhibitor():
                column |= {"inverse_ic50_mtorc1": 1.0 / target.ic50_nm, "koff_per_day": target.koff_per_h * HOURS_PER_DAY}
                column |= {"max_inhibition": target.max_inhibition}
            case StressAgonist():
                column |= {"stress_max": target.max_drive, "stress_inverse_ec50": 1.0 / target.ec50_nm, "stress_hill": target.hill}
                column |= {"stress_mtorc1_loss": target.mtorc1_loss}
            case BimInducer():
                column |= {"bim_extra_fold": target.max_fold - 1.0, "bim_inverse_ec50": 1.0 / target.ec50_nm, "bim_hill": target.hill}
            case Cytotoxic():
                largest = "thiopurine_max_per_day" if target.family == "thiopurine" else "cytotoxic_max_per_day"
                column |= {largest: target.max_per_day, "cytotoxic_inverse_ec50": 1.0 / target.ec50_nm}
                column |= {"cytotoxic_hill": target.hill, "quiescent_factor": target.quiescent_factor}
                column |= {"progenitor_excess_per_day": target.max_per_day * (target.progenitor_factor - 1.0)}
                column |= {"stem_cell_excess_per_day": target.max_per_day * target.quiescent_factor * (target.stem_cell_factor - 1.0)}
            case GrowthFactor():
                column |= {"growth_inverse_ec50": 1.0 / target.ec50_nm, "growth_hill": target.hill}
    return column
