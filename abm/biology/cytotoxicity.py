"""Hazard of death by cytotoxic drugs as a cell feels it.

    hazard = cytotoxic_factor (h + thiopurine_response h_thiopurine)

with the hazards of the row's drugs for cycling or for quiescent cells.  `cytotoxic_factor`
stands for what lowers every cytotoxic hazard alike (efflux, the persister state),
`thiopurine_response` for the share of the thiopurine's hazard that is left (NT5C2).
"""

from __future__ import annotations

from typing import Any

import jax

from abm.cells import Drive, Traits, scaled, with_thiopurines


def _felt(hazard: jax.Array, thiopurine: jax.Array | None, traits: Traits) -> jax.Array:
    response: Any = traits.thiopurine_response
    felt: jax.Array = scaled(with_thiopurines(hazard, None if thiopurine is None else scaled(thiopurine, response)), traits.cytotoxic_factor)
    return felt


def cytotoxic_hazards(drive: Drive, traits: Traits) -> tuple[jax.Array, jax.Array]:
    """Hazards of cycling and of quiescent cells, 1/d, broadcastable to (rows, packets)."""
    return _felt(drive.cytotoxic_cycling, drive.thiopurine_cycling, traits), _felt(drive.cytotoxic_quiescent, drive.thiopurine_quiescent, traits)
