"""The result of a run in memory, before it is written and independent of how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr


@dataclass(frozen=True)
class CellSnapshot:
    """Every packet of every subject and arm at one time.

    `obs` has one line per packet: `arm`, `subject` (str), `clone` (int), the numbers of
    cells `cycling`, `quiescent` and `blood` that the packet stands for (int64), and what
    else a model tells apart.  `X` is float32, shape (packets, variables); `variables`
    maps the name of each column to its unit, in order (`{"mtorc1": "1", "bmf": "nmol/L"}`).
    """

    time_days: float
    obs: pd.DataFrame
    X: np.ndarray[Any, Any]
    variables: dict[str, str]

    def select(self, arm: str | None = None, subject: str | None = None) -> CellSnapshot:
        """Packets of one arm and one subject; None keeps all."""
        keep = np.ones(len(self.obs), bool)
        for column, wanted in (("arm", arm), ("subject", subject)):
            if wanted is not None:
                keep &= (self.obs[column].astype(str) == wanted).to_numpy()
        return CellSnapshot(self.time_days, self.obs[keep].reset_index(drop=True), self.X[keep], self.variables)


@dataclass(frozen=True)
class RunResult:
    """All that a run produced; names, dimensions and units stand in `abm.output.layout`.

    `series` has dimensions among (arm, subject, time, population, drug, quantile) and a
    coordinate `leukaemia(subject)`; `lead_in` the same without arm, its time in days
    since injection.  `endpoints` is (arm, subject).  `events` has columns arm, subject,
    kind, time_days, value; `clones` id, parent (-1: none), mechanism, birth_time_days,
    origins, pooled and, where clones differ between them, arm and subject.  `tables`
    are further results of a study, one table each; `dose_matrix` holds the surfaces of two
    drugs over (leukaemia, dose_a, dose_b, replicate).  `summary` entries replace those
    that the writer derives from the endpoints.
    """

    series: xr.Dataset
    lead_in: xr.Dataset | None
    endpoints: xr.Dataset
    events: pd.DataFrame
    clones: pd.DataFrame
    cells: dict[str, CellSnapshot]
    engine: xr.Dataset
    config_yaml: str
    provenance: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    dose_matrix: xr.Dataset | None = None
