"""Runs of the program for the verification, made as a user makes them."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import xarray as xr

from abm.output.result import RunResult
from abm.run import simulate
from abm.verification.findings import Execution

# No regular saving: only the times that the experiment asks for.
NEVER = 1e9


@dataclasses.dataclass
class Runner:
    """Runs experiments in memory and remembers what was run.

    Attributes:
        quick: Smaller samples, the same checks.
        seed: Seed of all runs; the checks' false-alarm probability is over it.
    """

    quick: bool = False
    seed: int = 20260212
    executions: list[Execution] = dataclasses.field(default_factory=list)

    def size(self, quick: int, full: int) -> int:
        """A sample size."""
        return quick if self.quick else full

    def run(self, name: str, engine: dict[str, Any] | None = None, *, save_hours: float = NEVER, seed: int | None = None, **keys: Any) -> xr.Dataset:
        """Series of the theory experiment `name`.

        Args:
            engine: Settings of the engine, e.g. {"dt_hours": 4}; the program's defaults without.
            save_hours: Interval between saved times; the ends of phases are always saved.
            seed: Another seed than the suite's.
            **keys: Keys of the experiment.
        """
        overrides = [f"experiment=theory/{name}", f"seed={self.seed if seed is None else seed}", "progress=false", f"readout.interval_hours={save_hours:g}"]
        overrides += [f"engine.{key}={_written(value)}" for key, value in (engine or {}).items()]
        overrides += [f"theory.{key}={_written(value)}" for key, value in keys.items()]
        return self._simulated(f"theory/{name}", overrides).series

    def trial(self, *overrides: str, seed: int | None = None) -> RunResult:
        """Result of the default trial with these overrides."""
        return self._simulated("pdx_trial", [f"seed={self.seed if seed is None else seed}", "progress=false", *overrides])

    def _simulated(self, experiment: str, overrides: list[str]) -> RunResult:
        began = time.perf_counter()
        result = simulate(overrides)
        book = result.engine
        self.executions.append(
            Execution(
                experiment=experiment,
                overrides=tuple(overrides),
                device=str(book["device"].values),
                dt_hours=float(book["dt_hours"]) if "dt_hours" in book else float("nan"),
                packets=int(book["packets_peak"].max()) if "packets_peak" in book else 0,
                steps=int(book["steps"]) if "steps" in book else 0,
                seconds=time.perf_counter() - began,
            )
        )
        return result

    def taken(self) -> list[Execution]:
        """Runs since the last call."""
        executions, self.executions = self.executions, []
        return executions


def _written(value: Any) -> str:
    """A value as on the command line."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, str):
        return value
    return repr(float(value)) if isinstance(value, float) else str(value)
