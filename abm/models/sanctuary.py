"""A compartment that drugs reach in part: the central nervous system as a state of cells.

Cells enter it and leave it by hazards, as they switch any reversible mechanism
(`abm.engine.switching`).  Inside, the free concentration of every drug is the share
`cns_penetration` of that at a cell of the marrow at the same moment; mTORC1 occupancy
follows the concentration there and has a state of its own.  Cells do not go from the sanctuary
into the blood other than by leaving it.

Cells enter from tissue and from the blood alike, at one hazard: leukaemic T cells enter by
CCR7, a homing signal (Buonamici et al. 2009, doi:10.1038/nature08020), and lymphoblasts migrate
along vessels from the marrow of skull and spine into the meninges (Yao et al. 2018,
doi:10.1038/s41586-018-0342-5, who saw none cross the blood-brain barrier in mice).  How much
either route carries in T-ALL is not known.  One that
enters from the blood is in the sanctuary at once; it begins to divide when it would have homed.

Does not model: transport of drugs across the barrier with a delay, doses into the
cerebrospinal fluid, crowding within the compartment.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.parameters.drug import Pharmacokinetics
from abm.parameters.mechanism import Mechanism


def sanctuary_of(mechanisms: list[Mechanism]) -> int:
    """Place of the mechanism whose cells are in a sanctuary, -1 without one."""
    return next((i for i, mechanism in enumerate(mechanisms) if mechanism.compartment != "marrow"), -1)


def penetrations(mechanism: Mechanism, kinetics: list[Pharmacokinetics]) -> np.ndarray:
    """Share of the free concentration at the cell that reaches the sanctuary, float64 (drugs,)."""
    given = [pk.cns_penetration for pk in kinetics]
    return np.array([mechanism.default_penetration if share is None else share for share in given], np.float64)


def where_inside(inside: jax.Array, sanctuary: Any, marrow: Any) -> Any:
    """Of two trees of arrays that broadcast to `inside`, bool (rows, packets), the values of the compartment of each packet."""
    return jax.tree.map(lambda a, b: jnp.where(inside, a, b), sanctuary, marrow)
