"""Two drugs that add death hazards: cells only die, at a rate that the arm sets."""

from __future__ import annotations

from abm.models.theory.birth_death import scheduled_program
from abm.models.theory.program import Settings, TheoryProgram
from abm.parameters.theory import Combination


def combination(record: Combination, settings: Settings) -> TheoryProgram:
    """Arms none, a, b and ab; the subjects of all arms share their draws."""
    hazards = {
        "none": record.k0,
        "a": record.k0 + record.ka,
        "b": record.k0 + record.kb,
        "ab": record.k0 + record.ka + record.kb + record.gamma,
    }
    # A sum of hazards that is zero but for rounding is zero.
    arms = {arm: [(record.t_end, 0.0, max(hazard, 0.0))] for arm, hazard in hazards.items()}
    return scheduled_program("theory/combination", record.n0, arms, record.replicates, settings)
