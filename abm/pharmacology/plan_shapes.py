"""Plans of like runs with arrays of one shape, so that they share compiled programs.

How long a follow-up is, how many tracks there are and how many kinds of dose they give shows in
the shapes of the plan's tables and nowhere else in the program, but a program is compiled for
shapes.  Room that no step looks at costs some kilobytes; a program takes seconds to compile.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from abm.pharmacology.exposure import ExposurePlan

# Least numbers of steps, of kinds of input and of tracks for which there is room; beyond them powers of two.
STEPS, KINDS, TRACKS = 256, 16, 4
_ROOM: dict[str, tuple[int, ...]] = {
    "step_kind": (STEPS,),
    "input_state": (KINDS,),
    "input_integral": (KINDS,),
    "input_before": (KINDS,),
    "input_trough": (KINDS,),
    "input_starts": (KINDS,),
    "entry_input": (STEPS, TRACKS),
    "entry_amount": (STEPS, TRACKS),
}


def with_room(plan: ExposurePlan) -> ExposurePlan:
    """The plan with unused steps, kinds of input and tracks behind its own, NumPy arrays; no number that a step reads is another."""
    return dataclasses.replace(plan, **{name: _widened(np.asarray(getattr(plan, name)), least) for name, least in _ROOM.items()})


def _widened(array: np.ndarray[Any, Any], least: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The array with zeros behind its first axes, which then hold `least` or the next power of two of what they held."""
    missing = [max(n, 1 << (length - 1).bit_length() if length else 0) - length for n, length in zip(least, array.shape, strict=False)]
    return np.pad(array, [(0, extra) for extra in missing] + [(0, 0)] * (array.ndim - len(missing)))
