"""What a packet of cells carries: traits, fast state, and how many cells are in which condition.

Every field declares its name, unit, dtype and meaning once.  Amounts are absolute
(nmol/L): the clone's mean times the cell's own deviation.

Traits from `bcl2_ki_factor` on are factors and shares that are 1 in a wild type and the
same in all cells of a kind.  Those from `mtorc1_response` on may be absent, an empty tuple:
then they are 1 in every cell, and neither memory nor time is spent on them.  They enter
where a product with 1 leaves every bit as it is, so that absence is not seen in a result;
the two before them enter sums whose rounding would change.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Traits(NamedTuple):
    """Traits of each packet, float32, shape (rows, packets); () where a factor is 1 in every cell."""

    bcl2: Any  # nmol/L
    bclxl: Any  # nmol/L
    mcl1: Any  # nmol/L, at full mTORC1 activity
    bim: Any  # nmol/L
    competence: Any  # 1, BMF competence; heritable, never redrawn
    set_point: Any  # 1, mTORC1 activity of the undisturbed cell
    bcl2_ki_factor: Any  # 1, multiplies the Ki of mimetics on BCL-2
    division_factor: Any  # 1, multiplies the division hazard
    mtorc1_response: Any = ()  # 1, share of the mTORC1 inhibition that is felt
    death_factor: Any = ()  # 1, multiplies the apoptosis hazard
    cytotoxic_factor: Any = ()  # 1, multiplies the cytotoxic hazards
    bim_response: Any = ()  # 1, share of the induction of BIM that is felt
    thiopurine_response: Any = ()  # 1, share of the thiopurine hazards that is felt
    baseline_death_factor: Any = ()  # 1, multiplies the baseline death hazard


class FastState(NamedTuple):
    """State that changes within hours, float32, shape (rows, packets)."""

    mtorc1: Any  # 1, mTORC1 activity m
    phi: Any  # 1, Phi of the loss of activity at the end of the last step
    stress: Any  # 1, integrated stress response s
    bmf: Any  # nmol/L, BMF b
    activator: Any  # nmol/L, free BH3 activator p in the middle of the last step


class FieldInfo(NamedTuple):
    """Declaration of one field."""

    unit: str
    meaning: str
    redrawn: bool  # whether a daughter may redraw it at division


TRAIT_FIELDS: dict[str, FieldInfo] = {
    "bcl2": FieldInfo("nmol/L", "BCL-2 amount", True),
    "bclxl": FieldInfo("nmol/L", "BCL-XL amount", True),
    "mcl1": FieldInfo("nmol/L", "MCL-1 amount at full mTORC1 activity", True),
    "bim": FieldInfo("nmol/L", "BIM amount", True),
    "competence": FieldInfo("1", "BMF competence", False),
    "set_point": FieldInfo("1", "mTORC1 set point", True),
    "bcl2_ki_factor": FieldInfo("1", "Factor on the Ki of BH3 mimetics at BCL-2", False),
    "division_factor": FieldInfo("1", "Factor on the division hazard", False),
    "mtorc1_response": FieldInfo("1", "Share of mTORC1 inhibition felt", False),
    "death_factor": FieldInfo("1", "Factor on the apoptosis hazard", False),
    "cytotoxic_factor": FieldInfo("1", "Factor on the cytotoxic hazards", False),
    "bim_response": FieldInfo("1", "Share of the induction of BIM felt", False),
    "thiopurine_response": FieldInfo("1", "Share of the thiopurine hazards felt", False),
    "baseline_death_factor": FieldInfo("1", "Factor on the baseline death hazard", False),
}

# Traits that may be absent.
FACTORS = tuple(Traits._field_defaults)

FAST_FIELDS: dict[str, FieldInfo] = {
    "mtorc1": FieldInfo("1", "mTORC1 activity (healthy = 1)", False),
    "phi": FieldInfo("1", "Phi of the loss of mTORC1 activity", False),
    "stress": FieldInfo("1", "Integrated stress response", False),
    "bmf": FieldInfo("nmol/L", "BMF", False),
    "activator": FieldInfo("nmol/L", "Free BH3 activator", False),
}


def scaled(x: Any, factor: Any) -> Any:
    """`x` times a factor of the traits; `x` itself where the factor is absent."""
    return x if isinstance(factor, tuple) else x * factor


def share_felt(change: Any, response: Any) -> Any:
    """Factor that a cell feels of a factor `change` that drugs bring about: 1 + response (change - 1).

    Written so that nothing changes, to the bit, at a response of 1, and nothing is felt at 0.
    """
    return change if isinstance(response, tuple) else (1.0 - response) + response * change


class Drive(NamedTuple):
    """What drugs do to the cells of a row during a step, at its mean concentration; each broadcastable to (rows, packets)."""

    block: jax.Array  # 1, mTORC1 inhibition as felt over the step
    bcl2_occupancy: jax.Array  # 1, C/Ki on BCL-2
    bclxl_occupancy: jax.Array  # 1
    mcl1_occupancy: jax.Array  # 1
    stress_drive: jax.Array  # 1, direct drive of the stress response
    bim_fold: jax.Array  # 1, fold of BIM
    cytotoxic_cycling: jax.Array  # 1/d
    cytotoxic_quiescent: jax.Array  # 1/d
    thiopurine_cycling: jax.Array | None = None  # 1/d, None where no drug of the run is a thiopurine
    thiopurine_quiescent: jax.Array | None = None  # 1/d
    progenitor_excess: jax.Array | None = None  # 1/d, hazard of healthy progenitors less that of leukaemic cells, None where no drug tells them apart
    stem_cell_excess: jax.Array | None = None  # 1/d, the same of stem cells beyond a quiescent leukaemic cell, before the factor of their pool
    growth_effect: jax.Array | None = None  # 1, float64 (rows, drugs), share of the largest effect of every growth factor on its lineage


def with_thiopurines(cytotoxic: jax.Array, thiopurine: jax.Array | None) -> jax.Array:
    """Hazard of a cell that responds to thiopurines as to other cytotoxic drugs, 1/d."""
    return cytotoxic if thiopurine is None else cytotoxic + thiopurine


def progenitor_hazard(drive: Drive) -> jax.Array:
    """Cytotoxic hazard of healthy dividing progenitors, 1/d; those spared altogether may be a rounding error off zero before the limit."""
    hazard = with_thiopurines(drive.cytotoxic_cycling, drive.thiopurine_cycling)
    return hazard if drive.progenitor_excess is None else jnp.maximum(hazard + drive.progenitor_excess, 0.0)


def stem_cell_hazard(drive: Drive) -> jax.Array:
    """Cytotoxic hazard of stem cells before the factor of their pool, 1/d."""
    hazard = with_thiopurines(drive.cytotoxic_quiescent, drive.thiopurine_quiescent)
    return hazard if drive.stem_cell_excess is None else jnp.maximum(hazard + drive.stem_cell_excess, 0.0)
