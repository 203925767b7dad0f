"""Read a run: `load(path)` gives a `Run` whose parts are read when they are first asked for.

A part is read whole and the file is closed again, so that a run on a shared file system
needs no lock.  For a run larger than the memory, open single groups with
`xarray.open_dataset(path, group="series", engine="h5netcdf")`.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from abm.errors import InputError, unknown_name
from abm.output import layout
from abm.output.cell_snapshots import read_snapshot
from abm.output.result import CellSnapshot
from abm.yaml_text import from_yaml

if TYPE_CHECKING:
    from abm.output.plotting import Plots

_SCALE_ATTRIBUTES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "dtype"}


def load(path: str | Path) -> Run:
    """Open the run in `path`, a `run.h5` or the folder that holds one.

    Raises `NotARun`, `TooOld` or `TooNew` where the file is no run that can be read.
    """
    file = Path(path)
    if file.is_dir():
        file = file / layout.FILE_NAME
    check_format(file)
    return Run(file)


def check_format(file: Path) -> None:
    """Refuse a file that is missing, foreign, damaged, too old or too new."""
    if not file.exists():
        raise layout.NotARun(f"{file}: there is no such file. Give a {layout.FILE_NAME} or the folder that holds one.")
    try:
        with h5py.File(file, "r", locking=False) as opened:
            attributes = dict(opened.attrs)
    except OSError as error:
        raise layout.NotARun(f"{file}: not an HDF5 file, or damaged ({error}).") from error
    if attributes.get("format") != layout.FORMAT:
        raise layout.NotARun(f"{file}: an HDF5 file, but not a result of abm: its attribute 'format' is {attributes.get('format')!r}, not '{layout.FORMAT}'.")
    version = str(attributes.get("format_version", ""))
    major = version.split(".")[0]
    known = int(layout.FORMAT_VERSION.split(".")[0])
    if not major.isdecimal():
        raise layout.NotARun(f"{file}: format_version {version!r} is not a version such as '{layout.FORMAT_VERSION}'.")
    if int(major) < layout.OLDEST_READABLE:
        raise layout.TooOld(f"{file}: written in format {version}; the oldest format read here is {layout.OLDEST_READABLE}.0. Run it again with this version.")
    if int(major) > known:
        raise layout.TooNew(f"{file}: written in format {version} by {attributes.get('software', 'a later version')}; known here is {known}. Update abm.")


class Run:
    """A finished run.  `series`, `lead_in`, `engine` are xarray; `endpoints`, `events`, `clones` are pandas."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        sizes = ", ".join(f"{size} {name}" for name, size in sorted(self.series.sizes.items()))
        return f"<Run {self.path} ({sizes})>"

    def _open(self) -> h5py.File:
        return h5py.File(self.path, "r", locking=False)

    @functools.cached_property
    def attributes(self) -> dict[str, str]:
        """Attributes of the file: format, versions, software, created, config, provenance."""
        with self._open() as file:
            return {str(k): str(v) for k, v in file.attrs.items()}

    @functools.cached_property
    def series(self) -> xr.Dataset:
        """Time courses over (arm, subject, time) and population, drug or quantile."""
        with self._open() as file:
            return read_arrays(file["series"])

    @functools.cached_property
    def lead_in(self) -> xr.Dataset | None:
        """Time courses before randomisation, time in days since injection; None where there was none."""
        with self._open() as file:
            return read_arrays(file["lead_in"]) if "lead_in" in file else None

    @functools.cached_property
    def dose_matrix(self) -> xr.Dataset | None:
        """Viability and excess surfaces of two drugs over (leukaemia, dose_a, dose_b, replicate); None for other runs."""
        with self._open() as file:
            return read_arrays(file["dose_matrix"]) if "dose_matrix" in file else None

    @functools.cached_property
    def engine(self) -> xr.Dataset:
        """What the machinery did: packets, splits, merges, wall time."""
        with self._open() as file:
            return read_arrays(file["engine"])

    @functools.cached_property
    def endpoints(self) -> pd.DataFrame:
        """One line per arm and subject; `endpoints.attrs["units"]` maps columns to units."""
        with self._open() as file:
            return endpoint_frame(read_arrays(file["endpoints"]))

    @functools.cached_property
    def events(self) -> pd.DataFrame:
        """Events with arm, subject, kind, time (days) and value."""
        with self._open() as file:
            return read_table(file["events"])

    @functools.cached_property
    def clones(self) -> pd.DataFrame:
        """Clones with id, parent, mechanism, birth_time (days), origins and pooled."""
        with self._open() as file:
            return read_table(file["clones"])

    @functools.cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Further tables of a study by name."""
        with self._open() as file:
            return {name: read_table(group) for name, group in file["tables"].items()} if "tables" in file else {}

    @functools.cached_property
    def snapshots(self) -> dict[str, float]:
        """Names and times (days) of the stored snapshots of cells."""
        with self._open() as file:
            return {name: float(group["uns/time_days"][()]) for name, group in file["cells"].items()}

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return dict(from_yaml(self.attributes["config"]) or {})

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Software, parameters, sources, environment, device, seed and resources."""
        return dict(json.loads(self.attributes["provenance"]))

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """The content of `summary.json` beside the file; empty where the file was moved alone."""
        beside = self.path.with_name(layout.SUMMARY_NAME)
        return dict(json.loads(beside.read_text(encoding="utf-8"))) if beside.exists() else {}

    @property
    def plot(self) -> Plots:
        """Figures: `run.plot.human_cd45()`, and so on."""
        from abm.output.plotting import Plots

        return Plots(self)

    def cells(self, arm: str | None = None, subject: str | None = None, time: float = 0.0) -> Any:
        """Packets of one arm and subject (None: all) at a stored time in days.

        An AnnData where that is installed, else a `CellSnapshot`.  Raises `InputError`
        for a time that was not stored or an unknown arm or subject.
        """
        snapshot = self.cell_snapshot(arm, subject, time)
        return to_anndata(snapshot) if importlib.util.find_spec("anndata") else snapshot

    def cell_snapshot(self, arm: str | None = None, subject: str | None = None, time: float = 0.0) -> CellSnapshot:
        """As `cells`, always as `CellSnapshot`."""
        stored = sorted(self.snapshots, key=lambda name: abs(self.snapshots[name] - time))
        if not stored or abs(self.snapshots[stored[0]] - time) > 1e-6:
            days = ", ".join(f"{t:g}" for t in sorted(self.snapshots.values())) or "none; set readout.cell_snapshot_days"
            raise InputError(f"cells: no snapshot at day {time:g}. Stored days: {days}.")
        for key, wanted in (("arm", arm), ("subject", subject)):
            if wanted is not None and wanted not in self.series[key].values:
                raise unknown_name("cells", wanted, self.series[key].values.astype(str), noun=key)
        with self._open() as file:
            return read_snapshot(file["cells"][stored[0]]).select(arm, subject)


def to_anndata(snapshot: CellSnapshot) -> Any:
    """The snapshot as AnnData."""
    import anndata

    obs = snapshot.obs.set_index(snapshot.obs.index.astype(str))
    var = pd.DataFrame({"units": list(snapshot.variables.values())}, index=list(snapshot.variables))
    return anndata.AnnData(X=snapshot.X, obs=obs, var=var, uns={"time_days": snapshot.time_days})


def read_arrays(group: h5py.Group) -> xr.Dataset:
    """A group of arrays with dimension scales as a dataset in memory."""
    coordinates = str(group.attrs.get("coordinates", "")).split()
    variables: dict[str, xr.Variable] = {}
    for name, item in group.items():
        dims = (name,) if item.is_scale else tuple(scales[0].name.rsplit("/", 1)[-1] for scales in item.dims)
        attributes = {k: v for k, v in item.attrs.items() if k not in _SCALE_ATTRIBUTES}
        variables[name] = xr.Variable(dims, _values(item), attributes)
        if item.is_scale:
            coordinates.append(name)
    return xr.Dataset({n: v for n, v in variables.items() if n not in coordinates}, {n: variables[n] for n in coordinates})


def read_table(group: h5py.Group) -> pd.DataFrame:
    """A table in the order of columns in which it was written; `attrs["units"]` maps columns to units."""
    order = json.loads(str(group.attrs["column_order"]))
    frame = pd.DataFrame({name: _values(group[name]) for name in order})
    frame.attrs["units"] = {name: str(group[name].attrs.get("units", "")) for name in order}
    return frame


def endpoint_frame(endpoints: xr.Dataset) -> pd.DataFrame:
    """Endpoints as one line per (arm, subject), `leukaemia` first where it is known."""
    if not {"arm", "subject"} <= set(endpoints.sizes):
        return pd.DataFrame()
    index = pd.MultiIndex.from_product([endpoints["arm"].values.astype(str), endpoints["subject"].values.astype(str)], names=["arm", "subject"])
    columns: dict[str, Any] = {}
    for name in ("leukaemia", *sorted(str(v) for v in endpoints.data_vars)):
        if name in endpoints.variables and set(endpoints[name].dims) <= {"arm", "subject"}:
            full = endpoints[name].broadcast_like(endpoints[["arm", "subject"]]).transpose("arm", "subject")
            columns[name] = full.values.ravel()
    frame = pd.DataFrame(columns, index=index)
    frame.attrs["units"] = {name: str(endpoints[name].attrs.get("units", "")) for name in columns}
    return frame


def _values(item: h5py.Dataset) -> Any:
    if h5py.check_string_dtype(item.dtype):
        text = item.asstr()[()]
        return text.astype(str) if isinstance(text, np.ndarray) else text
    return item[()].astype(bool) if item.attrs.get("dtype") == "bool" else item[()]
