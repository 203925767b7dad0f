"""`run.plot`: the figures as methods of a run, found by name when they are asked for."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any


class Plots:
    """Figures of one run; `dir(run.plot)` lists them, each returns a matplotlib figure."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        figures = _figures()
        if name not in figures:
            raise AttributeError(f"no figure '{name}'; there are {', '.join(sorted(figures))}")
        return functools.partial(figures[name], self._run)

    def __dir__(self) -> list[str]:
        return sorted(_figures())

    def all(self, folder: str) -> list[Any]:
        """Draw every figure that applies into `folder`; paths of the files."""
        return list(importlib.import_module("abm.figures.draw").draw_all(self._run, folder))


def _figures() -> dict[str, Callable[..., Any]]:
    # By name, because figures stand on a higher floor than the reader: nothing here needs them to read a run.
    return dict(importlib.import_module("abm.figures.draw").FIGURES)
