"""The list of readouts: every function that a module of this folder marks.

To add a readout, add a module (or a function to one) whose function takes a `View` and gives
variables over (arm, subject, time) and any further axis, each with its unit, marked `@readout`.
Nothing else has to be changed.  It changes no cell: a readout only looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from abm.readouts.view import View
from abm.registry import Registry, marker

if TYPE_CHECKING:
    import xarray as xr

CURVE = ("arm", "subject", "time")

Readout = Callable[[View], "xr.Dataset"]
_READOUTS: Registry[Readout] = Registry("abm.readouts", "readout")
readout = marker(_READOUTS)
"""Mark a function as a readout.  It gives an empty data set where it does not apply."""

# The order in which these stand in the series; others follow by name.
_FIRST = ("populations", "blood", "mrd", "cell_state", "concentrations")


def all_readouts() -> dict[str, Readout]:
    """Every readout by its full name, in the order of the series."""

    def place(name: str) -> tuple[int, str]:
        package, _, module = name.rpartition(".")[0].rpartition(".")
        known = package == __package__ and module in _FIRST
        return _FIRST.index(module) if known else len(_FIRST), name

    found = _READOUTS.all()
    return {name: found[name] for name in sorted(found, key=place)}
