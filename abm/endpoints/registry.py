"""The lists of endpoints and of cohort tables: every function that a module of this folder marks.

To add an endpoint, add a module (or a function to one) whose function takes the material
of a finished trial and gives variables over (arm, subject), marked `@endpoint`; for a table of
the cohort, one that takes the endpoints too, marked `@cohort_table`.  Nothing else has to be changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from abm.parameters.experiment import Experiment
from abm.readouts.view import View
from abm.registry import Registry, marker

ROW = ("arm", "subject")


@dataclasses.dataclass(frozen=True)
class Material:
    """What endpoints are made from.

    Attributes:
        experiment: The experiment.
        view: All looks, with the keys of the subjects.
        series: The readouts.
        clones: The table of clones, as it is written.
        twin: The arm whose subjects are the untreated twins of all others; None where there is none.
        scores: What was known of each subject before treatment, (arms, subjects) by name; empty where subjects do not differ.
    """

    experiment: Experiment
    view: View
    series: xr.Dataset
    clones: pd.DataFrame
    twin: str | None
    scores: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def human(self) -> bool:
        """Whether the subjects are patients, judged as a clinic does."""
        return self.experiment.host.species == "human"


Endpoint = Callable[[Material], xr.Dataset]
CohortTable = Callable[[Material, xr.Dataset], dict[str, pd.DataFrame]]
_ENDPOINTS: Registry[Endpoint] = Registry("abm.endpoints", "endpoint")
_TABLES: Registry[CohortTable] = Registry("abm.endpoints", "table")
EVERYONE = "all"
endpoint = marker(_ENDPOINTS)
"""Mark a function as an endpoint.  It gives an empty data set where it does not apply."""
cohort_table = marker(_TABLES)
"""Mark a function as a table of the cohort; tables of one name are joined.  It gives none where it does not apply."""


def all_endpoints(material: Material) -> list[xr.Dataset]:
    """Every endpoint of this folder, in the order of their names."""
    return [function(material) for _, function in sorted(_ENDPOINTS.all().items())]


def all_tables(material: Material, endpoints: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Every table of the cohort of this folder; empty ones are left out.

    Args:
        material: What endpoints are made from.
        endpoints: All endpoints (arm, subject); NaN in subjects that were never randomised.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for _, function in sorted(_TABLES.all().items()):
        for name, table in function(material, endpoints).items():
            if len(table):
                parts.setdefault(name, []).append(table)
    return {name: _joined(tables) for name, tables in parts.items()}


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, with a unit for every column."""
    table = pd.concat(tables, ignore_index=True)
    given: dict[str, str] = {column: unit for part in tables for column, unit in part.attrs.get("units", {}).items()}
    table.attrs["units"] = {str(column): given.get(str(column), "1") for column in table.columns}
    return table


def groups(endpoints: xr.Dataset) -> dict[str, np.ndarray]:
    """Subjects (positions) of every leukaemia, and of all where there are several."""
    of = endpoints["leukaemia"].values.astype(str)
    found = {str(name): np.flatnonzero(of == name) for name in dict.fromkeys(of)}
    return found if len(found) == 1 else {**found, EVERYONE: np.arange(len(of))}


def took_part(endpoints: xr.Dataset) -> np.ndarray:
    """Whether a subject was randomised, bool (arm, subject)."""
    return np.isfinite(endpoints["event_day"].transpose(*ROW).values)
