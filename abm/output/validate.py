"""Check a run file against the layout and against the laws that every result obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import xarray as xr
import yaml

from abm.output import layout
from abm.output.reader import Run, read_arrays, read_table
from abm.yaml_text import from_yaml

_KINDS = {"integer": "i", "real": "f", "flag": "b", "text": "UO"}


def validate(run: Run) -> list[str]:
    """Everything that is wrong with a run, one line each; an empty list for a valid run."""
    with h5py.File(run.path, "r", locking=False) as file:
        problems = [*_check_root(file), *_check_groups(file)]
        if problems:
            return problems  # the laws below need the structure
        for name in layout.ARRAY_GROUPS:
            if name in file:
                problems += _check_variables(name, file[name], read_arrays(file[name]))
        for name in layout.TABLE_GROUPS:
            problems += _check_table(name, file[name])
        for name, group in file.get("tables", {}).items():
            for column in group:
                problems += _check_attributes(f"/tables/{name}/{column}", group[column])
        for name, group in file["cells"].items():
            problems += _check_cells(name, group)
    if problems:
        return problems
    problems += check_tallies("series", run.series)
    if run.lead_in is not None:
        problems += check_tallies("lead_in", run.lead_in)
    return problems + list(check_values(run)) + list(check_clones(run))


def _check_root(file: h5py.File) -> Iterator[str]:
    for name in layout.ROOT_ATTRIBUTES:
        if name not in file.attrs:
            yield f"root attribute '{name}' is missing"
    try:
        from_yaml(str(file.attrs.get("config", "")))
    except yaml.YAMLError as error:
        yield f"root attribute 'config' is not YAML: {error}"
    try:
        json.loads(str(file.attrs.get("provenance", "{}")))
    except json.JSONDecodeError as error:
        yield f"root attribute 'provenance' is not JSON: {error}"


def _check_groups(file: h5py.File) -> Iterator[str]:
    for name in layout.REQUIRED_GROUPS:
        if name not in file:
            yield f"group '/{name}' is missing"
    for name in (*layout.ARRAY_GROUPS, *layout.TABLE_GROUPS):
        for variable, item in file.get(name, {}).items():
            if isinstance(item, h5py.Dataset) and not item.is_scale and any(len(scales) == 0 for scales in item.dims):
                yield f"/{name}/{variable}: a dimension has no scale"
    for name in layout.TABLE_GROUPS:
        if name in file and "column_order" not in file[name].attrs:
            yield f"/{name}: attribute 'column_order' is missing"


def _check_variables(name: str, group: h5py.Group, data: xr.Dataset) -> Iterator[str]:
    for variable, array in data.variables.items():
        where = f"/{name}/{variable}"
        yield from _check_attributes(where, group[str(variable)])
        declared = layout.describe(name, str(variable))
        if declared is None:
            continue
        if variable == "count" and array.attrs.get("units") == layout.COUNT_MAY_BE_REAL_IN:
            declared = layout.Variable("count", declared.dims, "real", layout.COUNT_MAY_BE_REAL_IN, declared.long_name)
        if declared.dims is not None and tuple(array.dims) != declared.dims:
            yield f"{where}: dimensions are {tuple(array.dims)}, expected {declared.dims}"
        kind_ok = array.dtype.kind in _KINDS[declared.kind] or (name == "endpoints" and declared.kind == "integer" and array.dtype.kind == "f")
        if not kind_ok:
            yield f"{where}: type is {array.dtype}, expected {declared.kind}"
        if declared.kind == "integer" and array.dtype.kind == "i" and array.dtype != np.int64:
            yield f"{where}: type is {array.dtype}, expected int64"
        units = array.attrs.get("units")
        if declared.units is not None and units is not None and units != declared.units:
            yield f"{where}: units are '{units}', expected '{declared.units}'"


def _check_attributes(where: str, item: h5py.Dataset) -> Iterator[str]:
    for attribute in ("units", "long_name"):
        if not str(item.attrs.get(attribute, "")):
            yield f"{where}: attribute '{attribute}' is missing"
    if "_FillValue" in item.attrs:
        yield f"{where}: has a _FillValue; NaN alone marks what is missing"


def _check_table(name: str, group: h5py.Group) -> Iterator[str]:
    columns = read_table(group).columns
    for column in layout.required_columns(name):
        if column not in columns and group["row"].size:
            yield f"/{name}: column '{column}' is missing"
    for column in group:
        yield from _check_attributes(f"/{name}/{column}", group[column])


def _check_cells(name: str, group: h5py.Group) -> Iterator[str]:
    where = f"/cells/{name}"
    if group.attrs.get("encoding-type") != "anndata":
        yield f"{where}: not an AnnData group"
        return
    missing = [part for part in ("X", "obs", "var", "uns") if part not in group]
    if missing:
        yield f"{where}: lacks {', '.join(missing)}"
    elif group["X"].shape != (group["obs/_index"].size, group["var/_index"].size):
        yield f"{where}: X has shape {group['X'].shape}, obs and var have {group['obs/_index'].size} and {group['var/_index'].size}"
    elif not np.all(np.isfinite(group["X"][...])):
        yield f"{where}: X holds values that are not finite"


def check_tallies(name: str, data: xr.Dataset) -> list[str]:
    """count = count(0) + births - deaths + gained - lost to the cell, tallies never fall, leukaemia = marrow + blood."""
    problems: list[str] = []
    if "count" not in data:
        return problems
    whole = "cells" if "cells" in data else "count"
    count = data[whole]
    if bool((data["count"] < 0).any()):
        problems.append(f"/{name}/count: negative{_first(data['count'] < 0)}")
    tallies = {t: data[t] for t in ("births", "deaths", "gained", "lost") if t in data}
    for tally, values in tallies.items():
        falls = values.diff("time") < 0
        if bool(falls.any()):
            problems.append(f"/{name}/{tally}: falls with time{_first(falls)}")
        if bool((values.isel(time=0) != 0).any()):
            problems.append(f"/{name}/{tally}: is not 0 at the first time")
    if len(tallies) == 4:
        change = tallies["births"] - tallies["deaths"] + tallies["gained"] - tallies["lost"]
        wrong = count != count.isel(time=0) + change
        if bool(wrong.any()):
            problems.append(f"/{name}/{whole}: differs from {whole}(0) + births - deaths + gained - lost{_first(wrong)}")
    parts = ["leukaemia_marrow", "leukaemia_blood"]
    if {"leukaemia", *parts} <= set(count["population"].values.astype(str)):
        differs = count.sel(population="leukaemia", drop=True) != count.sel(population=parts).sum("population")
        if bool(differs.any()):
            problems.append(f"/{name}/count: leukaemia differs from marrow + blood{_first(differs)}")
    return problems


def _first(wrong: xr.DataArray) -> str:
    """Where a mask is first true, by coordinates, and how often."""
    index = np.argwhere(wrong.values)[0]
    at = ", ".join(f"{d}={wrong[d].values[i]}" for d, i in zip(wrong.dims, index, strict=True))
    return f" ({int(wrong.sum())} values; first at {at})"


def check_values(run: Run) -> Iterator[str]:
    """Finite where required (subjects that were never randomised excepted), fractions in [0, 1], ordered quantiles, rising time."""
    for name, data in (("series", run.series), ("lead_in", run.lead_in)):
        if data is None or "time" not in data.coords:
            continue
        if bool(np.any(np.diff(data["time"].values) <= 0)):
            yield f"/{name}/time: does not rise"
        kept = data.isel(subject=_randomised(run, data)) if "subject" in data.dims else data
        for variable in layout.FINITE if name == "series" else ():
            wrong = kept[variable].isnull() | (abs(kept[variable]) == np.inf) if variable in kept else None
            if wrong is not None and bool(wrong.any()):
                yield f"/{name}/{variable}: not finite{_first(wrong)}"
        for variable in layout.SHARES:
            outside = (kept[variable] < 0) | (kept[variable] > 1 + 1e-9) if variable in kept else None
            if outside is not None and bool(outside.any()):
                yield f"/{name}/{variable}: outside 0 to 1{_first(outside)}"
        for key, array in kept.data_vars.items():
            # Without a randomised subject there is nothing to compare.
            falls = array.diff("quantile") < -1e-6 * abs(array).max() if "quantile" in array.dims and array.size else None
            if falls is not None and bool(falls.any()):
                yield f"/{name}/{key}: quantiles are not in order{_first(falls)}"


def _randomised(run: Run, data: xr.Dataset) -> Any:
    events = run.events
    never = set(events.loc[events["kind"] == "not_randomised", "subject"]) if len(events) else set()
    return ~np.isin(data["subject"].values.astype(str), sorted(never))


def check_clones(run: Run) -> Iterator[str]:
    """Every parent is a clone of the same arm and subject, and not younger than its child."""
    clones = run.clones
    if not len(clones):
        return
    keys = [k for k in ("arm", "subject") if k in clones.columns]
    for key, group in clones.groupby(keys) if keys else [((), clones)]:
        where = f"/clones{' of ' + ', '.join(map(str, key)) if keys else ''}"
        ids = group["id"]
        if ids.duplicated().any():
            yield f"{where}: an id stands twice"
            continue
        births = dict(zip(ids, group["birth_time"], strict=True))
        for clone, parent in zip(ids, group["parent"], strict=True):
            if parent >= 0 and parent not in births:
                yield f"{where}: parent {parent} of clone {clone} does not exist"
            elif parent >= 0 and births[parent] > births[clone]:
                yield f"{where}: clone {clone} is older than its parent {parent}"
