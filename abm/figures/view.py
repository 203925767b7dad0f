"""One view of a run for all figures, whether it was just simulated or read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.errors import InputError
from abm.output.layout import COLUMN_ALIASES
from abm.output.reader import endpoint_frame
from abm.output.result import RunResult
from abm.yaml_text import from_yaml

_ABBREVIATIONS = ("bmf", "cns", "etp", "mrd")


class View:
    """Series, endpoints, names and labels of a run, and what each arm gives."""

    def __init__(self, run: Any) -> None:
        result = isinstance(run, RunResult)
        self.series: xr.Dataset = run.series
        self.endpoints: pd.DataFrame = endpoint_frame(run.endpoints) if result else run.endpoints
        self.tables: dict[str, pd.DataFrame] = run.tables
        self.dose_matrix: xr.Dataset | None = run.dose_matrix
        self.clones: pd.DataFrame = run.clones.rename(columns=COLUMN_ALIASES)
        self.config: dict[str, Any] = (from_yaml(run.config_yaml) or {}) if result else run.config
        self.arms = [str(a) for a in self.series["arm"].values] if "arm" in self.series.coords else []
        self.subjects = [str(s) for s in self.series["subject"].values] if "subject" in self.series.coords else []
        of = self.series["leukaemia"].values.astype(str) if "leukaemia" in self.series.coords else np.full(len(self.subjects), "")
        self.groups = {str(name): np.flatnonzero(of == name) for name in dict.fromkeys(of)}

    def label(self, kind: str, name: str) -> str:
        """Label that the configuration gives to an arm, leukaemia, drug or lineage's readout."""
        entry: Any = self._part("arms").get(name, {})
        if kind == "arms":
            entry = self._part("regimens").get(str(entry.get("regimen")), {})
            same = [a for a in self.arms if self.label_of_regimen(a) == entry.get("label")]
            if len(same) > 1:  # two arms with one regimen differ in something else: keep their names apart
                entry = {}
        else:
            entry = self._part(kind).get(name, {})
        return str(entry.get("label") or _in_words(name))

    def label_of_regimen(self, arm: str) -> str | None:
        """Label of the regimen of an arm."""
        regimen = self._part("arms").get(arm, {}).get("regimen")
        return self._part("regimens").get(regimen, {}).get("label")

    def drugs(self, arm: str) -> frozenset[str]:
        """Drugs of which the arm gives a dose above nothing."""
        regimen = self._part("regimens").get(self._part("arms").get(arm, {}).get("regimen"), {})
        return frozenset(str(e["drug"]) for e in regimen.get("events", []) if e.get("amount", 1.0) > 0)

    def vehicle(self) -> str | None:
        """The arm without a drug; None where there is none."""
        known = [arm for arm in self.arms if arm in self._part("arms")]
        return next((arm for arm in known if not self.drugs(arm)), None)

    def combination(self) -> tuple[str, list[str]] | None:
        """An arm with several drugs and the single-drug arms that it is made of; None where one is missing."""
        single = {next(iter(self.drugs(a))): a for a in reversed(self.arms) if len(self.drugs(a)) == 1}
        for arm in self.arms:
            drugs = self.drugs(arm)
            if len(drugs) > 1 and drugs <= set(single):
                return arm, [single[d] for d in sorted(drugs)]
        return None

    def combination_ahead(self) -> bool:
        """Whether in some leukaemia the combination's median log10 reduction exceeds that of each single drug."""
        found, name = self.combination(), "log10_reduction_at_end_of_treatment"
        if found is None or name not in self.endpoints:
            return False
        table = pd.DataFrame(self.endpoint(name), index=self.arms)
        for index in self.groups.values():
            median = table.iloc[:, index].median(axis=1)
            if all(median[found[0]] > median[arm] for arm in found[1]):
                return True
        return False

    def trial(self, key: str) -> float | None:
        """A number of the trial's course; None where there is no trial."""
        value = self._part("trial").get(key) if self.config.get("task", "trial") == "trial" else None
        return None if value is None else float(value)

    def endpoint(self, name: str) -> np.ndarray[Any, Any]:
        """An endpoint as (arm, subject) in the order of the series."""
        rows = pd.MultiIndex.from_product([self.arms, self.subjects])
        return self.endpoints[name].reindex(rows).to_numpy().reshape(len(self.arms), len(self.subjects))

    def subject_noun(self, number: int = 1) -> str:
        """What a subject of the run is called, in the number wanted."""
        one, many = {"human": ("patient", "patients")}.get(self.species(), ("mouse", "mice"))
        return one if number == 1 else many

    def species(self) -> str:
        """Species of the host; a mouse where it is not said."""
        return str(self._part("host").get("species", "mouse"))

    def without_leukaemia(self) -> bool:
        """Whether it is known that no subject ever has a leukaemic cell."""
        count = self.series.get("count")
        return count is not None and "leukaemia" in count["population"] and not bool((count.sel(population="leukaemia") > 0).any())

    def fitted(self) -> bool:
        """Whether numbers of the run were fitted by `scripts/calibrate`."""
        entries = self._part("sources").values()
        return any(isinstance(entry, dict) and str(entry.get("ref", "")).startswith("scripts/calibrate") for entry in entries)

    def need(self, *variables: str) -> None:
        """Refuse a figure for which this run lacks series or endpoints."""
        absent = [v for v in variables if not self.has(v)]
        if absent:
            raise InputError(f"this run has no {', '.join(absent)}; the figure cannot be drawn.")

    def has(self, variable: str) -> bool:
        """Whether a series or endpoint is there and not empty."""
        if variable in self.series.data_vars:
            return self.series[variable].size > 0
        return variable in self.endpoints.columns

    def _part(self, name: str) -> dict[str, Any]:
        part = self.config.get(name)
        return part if isinstance(part, dict) else {}


def _in_words(name: str) -> str:
    """A name of the configuration as words."""
    first, *rest = (word.upper() if word in _ABBREVIATIONS else word for word in name.split("_"))
    return " ".join([first[:1].upper() + first[1:], *rest])


def as_view(run: Any) -> View:
    """The view of a `RunResult`, a `Run`, or a view itself."""
    return run if isinstance(run, View) else View(run)


def median_over(values: np.ndarray[Any, Any], axis: int = 0) -> np.ndarray[Any, Any]:
    """Median that leaves out NaN and is NaN, silently, where there is nothing else."""
    return quantiles_over(values, (0.5,), axis)[0]


def quantiles_over(values: np.ndarray[Any, Any], at: Sequence[float], axis: int = 0) -> np.ndarray[Any, Any]:
    """Quantiles as `median_over`; the quantile is the first axis of the answer."""
    missing = np.isnan(values)
    if not missing.any():  # the common case, and many times faster
        return np.asarray(np.quantile(values, at, axis=axis))
    nothing = missing.all(axis=axis, keepdims=True)
    answer = np.asarray(np.nanquantile(np.where(nothing, 0.0, values), at, axis=axis))
    return np.where(np.squeeze(nothing, axis=axis), np.nan, answer)
