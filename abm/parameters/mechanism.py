"""Parameters of a mechanism of resistance: how often it arises and what it changes."""

from __future__ import annotations

from abm.parameters.leukaemia import TraitFactors
from abm.records import quantity, record, text


@record
class Mechanism(TraitFactors):
    """A heritable change that arises at division.

    Factors multiply the traits of the cell in which it arises.  A line that has a mechanism
    does not acquire it again.
    """

    label: str = text("Label in figures.")
    mutation_per_division: float = quantity("1", "Probability that a division makes one daughter with the mechanism.", low=0.0, high=1.0)
