"""Agent-based simulator of T-cell leukaemia and healthy blood under treatment.

The public names; everything else may change.  They load on first use, so that a
mistyped override is refused before JAX is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.config.compose import compose as compose
    from abm.errors import AbmError as AbmError
    from abm.errors import FormatError as FormatError
    from abm.errors import InputError as InputError
    from abm.errors import RunFault as RunFault
    from abm.errors import Stopped as Stopped
    from abm.output.reader import Run as Run
    from abm.output.reader import load as load
    from abm.output.result import RunResult as RunResult
    from abm.run import forecast as forecast
    from abm.run import simulate as simulate

_HOME = {
    "compose": "abm.config.compose",
    "forecast": "abm.run",
    "load": "abm.output.reader",
    "simulate": "abm.run",
    "Run": "abm.output.reader",
    "RunResult": "abm.output.result",
    "AbmError": "abm.errors",
    "FormatError": "abm.errors",
    "InputError": "abm.errors",
    "RunFault": "abm.errors",
    "Stopped": "abm.errors",
}

__all__ = ["AbmError", "FormatError", "InputError", "Run", "RunFault", "RunResult", "Stopped", "compose", "forecast", "load", "simulate"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'abm' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
