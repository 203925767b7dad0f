"""Parameters of a mechanism of resistance: how often it arises and what it changes."""

from __future__ import annotations

from abm.parameters.leukaemia import TraitFactors
from abm.records import choice, quantity, record, text

COMPARTMENTS = ("marrow", "cns")


@record
class Mechanism(TraitFactors):
    """A heritable change that arises at division, or a state that cells switch on and off.

    Factors multiply the traits of the cell in which it arises.  A line that has a mechanism
    does not acquire it again.  Where a hazard of switching is above 0, cells of any condition,
    dividing or not, acquire or lose it at that hazard, and daughters inherit it.
    """

    label: str = text("Label in figures.")
    mutation_per_division: float = quantity("1", "Probability that a division makes one daughter with the mechanism.", low=0.0, high=1.0)
    switch_on_per_day: float = quantity("1/d", "Hazard at which a cell without the mechanism switches it on.", low=0.0, default=0.0)
    switch_off_per_day: float = quantity("1/d", "Hazard at which a cell with the mechanism switches it off.", low=0.0, default=0.0)

    compartment: str = choice("Where cells with the mechanism are; cns: a sanctuary that drugs reach in part.", COMPARTMENTS, default="marrow")
    default_penetration: float = quantity(
        "1", "Share of the free concentration at the cell that reaches the compartment, for a drug that does not say.", low=0.0, default=1.0
    )

    @property
    def switches(self) -> bool:
        """Whether cells switch it on or off."""
        return self.switch_on_per_day > 0.0 or self.switch_off_per_day > 0.0
