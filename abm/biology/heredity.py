"""How cells of a clone differ, and how the difference is lost.

Amounts (BCL-2, BCL-XL, MCL-1, BIM) and the mTORC1 set point are log-normal between
cells around the clone's mean; the amounts may share a factor of cell size.  At division
each daughter redraws them with probability `redraw_probability`, so a line of descent,
which passes divisions at twice the division hazard, redraws at 2 mix b: the rate at
which non-genetic tolerance is lost.  BMF competence is heritable and never redrawn.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from abm.cells import Traits
from abm.parameters.cell import Amounts, CellTraits

N_NORMALS = 7  # bcl2, bclxl, mcl1, bim, size, set point, competence


def log_sigma(cv: Any) -> Any:
    """Standard deviation of the logarithm of a log-normal with coefficient of variation `cv`."""
    return jnp.sqrt(jnp.log1p(cv * cv))


def deviate(z: Any, sigma: Any) -> Any:
    """Log-normal factor with mean 1 from a standard normal."""
    return jnp.exp(sigma * z - 0.5 * sigma * sigma)


def mean_traits(traits: CellTraits, reference_nm: Any, zero: Any = 0.0) -> Traits:
    """Mean traits of a kind of cells, amounts in nmol/L; a wild type, in which the factors that may be are absent."""
    return Traits(
        bcl2=traits.bcl2 * reference_nm + zero,
        bclxl=traits.bclxl * reference_nm + zero,
        mcl1=traits.mcl1 * reference_nm + zero,
        bim=traits.bim * reference_nm + zero,
        competence=traits.bmf_competence + zero,
        set_point=traits.set_point + zero,
        bcl2_ki_factor=1.0 + zero,
        division_factor=1.0 + zero,
    )


def express(mean: Traits, z: Any, amounts: Amounts, competence_cv: Any, set_point_cv: Any) -> Traits:
    """Traits of cells whose deviations are the normals z (7 arrays in the order above)."""
    s, size = log_sigma(amounts.cv), log_sigma(amounts.cv_size)
    shared = deviate(z[4], size)
    return mean._replace(
        bcl2=mean.bcl2 * deviate(z[0], s) * shared,
        bclxl=mean.bclxl * deviate(z[1], s) * shared,
        mcl1=mean.mcl1 * deviate(z[2], s) * shared,
        bim=mean.bim * deviate(z[3], s) * shared,
        set_point=mean.set_point * deviate(z[5], log_sigma(set_point_cv)),
        competence=mean.competence * deviate(z[6], log_sigma(competence_cv)),
    )
