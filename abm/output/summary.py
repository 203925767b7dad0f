"""Summary of a result per arm and leukaemia, as JSON that every reader accepts (null, never NaN)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr

from abm.output import layout
from abm.output.result import RunResult

NO_LEUKAEMIA = "all"


def build_summary(result: RunResult) -> dict[str, Any]:
    """Format, seed, wall time, device, endpoints per arm and leukaemia, warnings.

    Entries of `result.summary` replace the derived ones.
    """
    provenance = result.provenance
    wall = provenance.get("resources", {}).get("wall_seconds", {})
    derived: dict[str, Any] = {
        "format": f"{layout.FORMAT} {layout.FORMAT_VERSION}",
        "seed": provenance.get("seed"),
        "wall_seconds": sum(wall.values()) if isinstance(wall, dict) else wall,
        "device": provenance.get("device"),
        "arms": summarise_endpoints(result.endpoints),
        "warnings": [],
    }
    return {**derived, **result.summary}


def summarise_endpoints(endpoints: xr.Dataset) -> dict[str, dict[str, dict[str, dict[str, float | int | None]]]]:
    """{arm: {leukaemia: {endpoint: {mean, median, q05, q95, n}}}} over subjects with a finite value.

    Without a coordinate `leukaemia` all subjects stand under one name, `all`.
    """
    if not {"arm", "subject"} <= set(endpoints.sizes):
        return {}
    number = endpoints.sizes["subject"]
    groups = endpoints["leukaemia"].values.astype(str) if "leukaemia" in endpoints.variables else np.full(number, NO_LEUKAEMIA)
    values = endpoint_numbers(endpoints)
    summary: dict[str, dict[str, dict[str, dict[str, float | int | None]]]] = {}
    for i, arm in enumerate(endpoints["arm"].values.astype(str)):
        summary[str(arm)] = {}
        for group in dict.fromkeys(groups):
            here = groups == group
            summary[str(arm)][str(group)] = {name: _statistics(array[i][here]) for name, array in values.items()}
    return summary


def endpoint_numbers(endpoints: xr.Dataset) -> dict[str, np.ndarray[Any, Any]]:
    """Endpoints that are numbers or flags, as real (arm, subject) by name.

    A subject that was never randomised has NaN in every real endpoint; its flags and whole
    numbers, which cannot be NaN in the file, are NaN here.
    """
    chosen = {str(n): v.transpose("arm", "subject").values for n, v in endpoints.data_vars.items() if set(v.dims) == {"arm", "subject"}}
    numbers = {name: chosen[name] for name in sorted(chosen) if chosen[name].dtype.kind in "biuf"}
    real = [v for v in numbers.values() if v.dtype.kind == "f"]
    absent = np.all([np.isnan(v) for v in real], axis=0) if real else np.zeros((endpoints.sizes["arm"], endpoints.sizes["subject"]), bool)
    return {name: np.where(absent, np.nan, v.astype(float)) for name, v in numbers.items()}


def _statistics(values: np.ndarray[Any, Any]) -> dict[str, float | int | None]:
    finite = values.astype(float)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return {"mean": None, "median": None, "q05": None, "q95": None, "n": 0}
    q05, median, q95 = np.quantile(finite, (0.05, 0.5, 0.95))
    return {"mean": float(finite.mean()), "median": float(median), "q05": float(q05), "q95": float(q95), "n": int(finite.size)}


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON with sorted keys in which numbers that are not finite are null."""
    return json.dumps(plain(value), indent=indent, sort_keys=True, allow_nan=False)


def plain(value: Any) -> Any:
    """The same value in types of JSON."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)
