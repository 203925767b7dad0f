"""Snapshots of all packets in the AnnData on-disk layout, with h5py alone.

Encoding 0.1.0 of AnnData, dataframe 0.2.0, array 0.2.0, categorical 0.2.0, dict 0.1.0:
https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pandas as pd

from abm.output.result import CellSnapshot

_COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_snapshot(parent: h5py.Group, name: str, snapshot: CellSnapshot) -> None:
    """Write one snapshot as the AnnData group `name`."""
    group = parent.create_group(name)
    _encode(group, "anndata", "0.1.0")
    values = np.asarray(snapshot.X, np.float32)
    if values.shape != (len(snapshot.obs), len(snapshot.variables)):
        raise ValueError(f"snapshot '{name}': X has shape {values.shape}, expected {(len(snapshot.obs), len(snapshot.variables))}")
    _write_array(group, "X", values)
    _write_frame(group, "obs", snapshot.obs)
    var = pd.DataFrame({"units": list(snapshot.variables.values())}, index=list(snapshot.variables))
    _write_frame(group, "var", var)
    for empty in ("layers", "obsm", "obsp", "varm", "varp"):
        _encode(group.create_group(empty), "dict", "0.1.0")
    uns = group.create_group("uns")
    _encode(uns, "dict", "0.1.0")
    time = uns.create_dataset("time_days", data=float(snapshot.time_days))
    _encode(time, "numeric-scalar", "0.2.0")


def read_snapshot(group: h5py.Group) -> CellSnapshot:
    """Read a snapshot without AnnData."""
    var = _read_frame(group["var"])
    return CellSnapshot(
        time_days=float(group["uns/time_days"][()]),
        obs=_read_frame(group["obs"]).reset_index(drop=True),
        X=group["X"][...],
        variables=dict(zip(var.index.astype(str), var["units"].astype(str), strict=True)),
    )


def _encode(target: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    target.attrs["encoding-type"] = kind
    target.attrs["encoding-version"] = version


def _write_array(group: h5py.Group, name: str, values: np.ndarray[Any, Any]) -> None:
    text = values.dtype.kind in "OU"
    data = values.astype(object) if text else values
    options = _COMPRESSION if values.size and not text else {}
    made = group.create_dataset(name, data=data, dtype=h5py.string_dtype() if text else None, **options)
    _encode(made, "string-array" if text else "array", "0.2.0")


def _write_frame(group: h5py.Group, name: str, frame: pd.DataFrame) -> None:
    made = group.create_group(name)
    _encode(made, "dataframe", "0.2.0")
    made.attrs["_index"] = "_index"
    columns = [str(c) for c in frame.columns]
    made.attrs.create("column-order", np.array(columns, object), dtype=h5py.string_dtype(), shape=(len(columns),))
    _write_array(made, "_index", np.array([str(i) for i in frame.index], object))
    for column in columns:
        values = frame[column]
        if values.dtype.kind in "biuf":
            _write_array(made, column, values.to_numpy())
        else:
            _write_categorical(made, column, values)


def _write_categorical(group: h5py.Group, name: str, values: pd.Series[Any]) -> None:
    made = group.create_group(name)
    _encode(made, "categorical", "0.2.0")
    made.attrs["ordered"] = False
    text = values.astype(str)
    categories = list(dict.fromkeys(text))
    codes = pd.Categorical(text, categories=categories).codes
    _write_array(made, "categories", np.array(categories, object))
    _write_array(made, "codes", np.asarray(codes))


def _read_frame(group: h5py.Group) -> pd.DataFrame:
    columns = [_text(c) for c in group.attrs["column-order"]]
    data = {column: _read_column(group[column]) for column in columns}
    return pd.DataFrame(data, index=pd.Index(group["_index"].asstr()[...]), columns=columns)


def _read_column(item: h5py.Group | h5py.Dataset) -> Any:
    if isinstance(item, h5py.Group):
        return pd.Categorical.from_codes(np.asarray(item["codes"][...]), categories=pd.Index(item["categories"].asstr()[...]))
    return item.asstr()[...] if h5py.check_string_dtype(item.dtype) else item[...]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
