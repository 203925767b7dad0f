"""Free drug in a culture medium, from its binding in undiluted serum.

Binding sites far from saturation bind in proportion to their number: bound over free is
(1 - fu) / fu in serum and `serum_fraction` times that in the medium.
"""

from __future__ import annotations


def unbound_in_medium(fraction_unbound: float, serum_fraction: float) -> float:
    """Unbound fraction in a medium with a share of serum, from the unbound fraction in undiluted serum."""
    return fraction_unbound / (fraction_unbound + serum_fraction * (1.0 - fraction_unbound))
