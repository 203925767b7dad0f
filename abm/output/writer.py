"""Write a result: `run.h5`, the resolved configuration and `summary.json`, each complete or absent.

Names are written in sorted order and nothing but the attribute `created` depends on the
clock, so that equal results are equal files.  A variable that the layout does not name
is written all the same, so that no run is lost; `abm-inspect` reports what lacks a unit.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from abm.output import layout
from abm.output.atomic import complete_or_absent
from abm.output.cell_snapshots import write_snapshot
from abm.output.result import RunResult
from abm.output.summary import build_summary, to_json

_COMPRESS_FROM = 64


def write_run(result: RunResult, folder: str | Path, *, created: str | None = None) -> Path:
    """Write everything into `folder` and return the path of `run.h5`, which is renamed into place last.

    `created` is an ISO 8601 time, now by default.
    """
    target = Path(folder)
    with complete_or_absent(target / layout.CONFIG_NAME) as temporary:
        temporary.write_text(result.config_yaml, encoding="utf-8")
    with complete_or_absent(target / layout.SUMMARY_NAME) as temporary:
        temporary.write_text(to_json(build_summary(result), indent=2) + "\n", encoding="utf-8")
    with complete_or_absent(target / layout.FILE_NAME) as temporary:
        _write_file(result, temporary, created or _now())
    return target / layout.FILE_NAME


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _write_file(result: RunResult, path: Path, created: str) -> None:
    with h5py.File(path, "w") as file:
        software = result.provenance.get("software", {})
        file.attrs["format"] = layout.FORMAT
        file.attrs["format_version"] = layout.FORMAT_VERSION
        file.attrs["model_version"] = layout.MODEL_VERSION
        file.attrs["software"] = f"{software.get('name', 'abm')} {software.get('version', 'unknown')}"
        file.attrs["created"] = created
        file.attrs["config"] = result.config_yaml
        file.attrs["provenance"] = to_json(result.provenance)
        _write_arrays(file, "series", result.series)
        if result.lead_in is not None:
            _write_arrays(file, "lead_in", result.lead_in)
        if result.dose_matrix is not None:
            _write_arrays(file, "dose_matrix", result.dose_matrix)
        _write_arrays(file, "endpoints", result.endpoints)
        _write_arrays(file, "engine", result.engine)
        _write_table(file, "events", result.events)
        _write_table(file, "clones", result.clones)
        for name in sorted(result.tables):
            _write_table(file, f"tables/{name}", result.tables[name])
        cells = file.create_group("cells")
        for name in sorted(result.cells):
            write_snapshot(cells, name, result.cells[name])
        file.flush()


def _write_arrays(file: h5py.File, name: str, data: xr.Dataset) -> None:
    """Write a dataset; every dimension gets a scale, and every variable all of its dimensions."""
    group = file.create_group(name)
    axes = sorted(str(d) for d in data.sizes)
    for axis in axes:
        values = data.coords[axis] if axis in data.coords else xr.DataArray(np.arange(data.sizes[axis]))
        _write_variable(group, name, axis, values, ()).make_scale(axis)
    variables = sorted(str(v) for v in data.variables if str(v) not in axes)
    for variable in variables:
        array = data[variable]
        _write_variable(group, name, variable, array, tuple(str(d) for d in array.dims))
    others = [v for v in variables if v in data.coords]
    if others:
        group.attrs["coordinates"] = " ".join(others)


def _write_table(file: h5py.File, name: str, frame: pd.DataFrame) -> None:
    group = file.create_group(name)
    rows = xr.DataArray(np.arange(len(frame), dtype=np.int64))
    _write_variable(group, name, "row", rows, ()).make_scale("row")
    renamed = frame.rename(columns=layout.COLUMN_ALIASES)
    units = frame.attrs.get("units", {})
    for column in _ordered(renamed.columns, name):
        array = xr.DataArray(renamed[column].to_numpy(), attrs={"units": units[column]} if column in units else {})
        _write_variable(group, name, column, array, ("row",))
    group.attrs["column_order"] = json.dumps([str(c) for c in renamed.columns])


def _ordered(columns: Iterable[Any], name: str) -> list[str]:
    present = sorted(str(c) for c in columns)
    if name in layout.TABLE_GROUPS:
        missing = [c for c in layout.required_columns(name) if c not in present]
        if missing and present:
            raise ValueError(f"table '{name}' lacks the columns {missing}; it has {present}")
    return present


def _write_variable(group: h5py.Group, group_name: str, name: str, array: xr.DataArray, dims: tuple[str, ...]) -> h5py.Dataset:
    declared = layout.describe(group_name, name)
    own_unit = declared is not None and declared.units is not None and array.attrs.get("units") == layout.COUNT_MAY_BE_REAL_IN
    values = _storable(array.values, "real" if own_unit else declared.kind if declared else None, f"{group_name}/{name}")
    text = values.dtype == object
    flag = values.dtype == bool
    large = values.size >= _COMPRESS_FROM and not text
    options: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}
    made = group.create_dataset(name, data=values.astype(np.int8) if flag else values, dtype=h5py.string_dtype() if text else None, **options)
    if flag:
        made.attrs["dtype"] = "bool"  # the convention by which xarray restores a bool
    for key in sorted(array.attrs):
        made.attrs[key] = array.attrs[key]
    made.attrs["long_name"] = array.attrs.get("long_name") or (declared.long_name if declared else name.replace("_", " "))
    units = array.attrs.get("units") or (declared.units if declared else None) or ("1" if text or flag else None)
    if units is not None:
        made.attrs["units"] = units
    for position, dim in enumerate(dims):
        made.dims[position].attach_scale(group[dim])
    return made


def _storable(values: np.ndarray[Any, Any], kind: str | None, where: str) -> np.ndarray[Any, Any]:
    """Values in one of the stored types: int64, a float, bool, or text as objects."""
    values = np.asarray(values)
    if kind == "text" or (kind is None and values.dtype.kind in "OUST"):
        return np.array(["" if _missing(v) else str(v) for v in values.ravel()], object).reshape(values.shape)
    if kind == "integer":
        return _whole(values, where)
    if kind == "flag":
        return values.astype(bool)
    if kind == "real" and values.dtype.kind != "f":
        return values.astype(np.float64)
    return values


def _whole(values: np.ndarray[Any, Any], where: str) -> np.ndarray[Any, Any]:
    """Values as int64; with NaN for subjects that were never randomised they stay real."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    real = values.astype(np.float64)
    if not np.all(np.isfinite(real)):
        return real
    exact = real.astype(np.int64)
    if not np.array_equal(exact, real):
        raise ValueError(f"{where}: values must be whole numbers")
    return exact


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
