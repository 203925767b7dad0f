"""Integrated stress response (ATF4, CHOP) as one activity.

    ds/dt = k_s (s0 + sigma Phi + drive - s)

Loss of mTORC1 activity and drugs that starve or stress the cell drive it.  The rise of
ATF4 and CHOP takes 4-16 h.  Does not model: the separate arms (PERK, GCN2, PKR, HRI),
adaptation through GADD34.
"""

from __future__ import annotations

import jax

from abm.biology.kinetics import relax
from abm.parameters.cell import Stress
from abm.units import HOURS_PER_DAY


def advance_stress(stress: jax.Array, phi: jax.Array, drive: jax.Array, params: Stress, h: jax.Array) -> jax.Array:
    """Stress after a step of `h` days with Phi and drive at their means over the step."""
    return relax(stress, params.basal + params.gain * phi + drive, params.rate_per_hour * HOURS_PER_DAY, h)
