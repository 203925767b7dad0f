"""Devices: rows are spread evenly over all that are found.

Every operation of the program is local to a row, so the program runs under `shard_map`
without communication and its results are the same on one device and on many.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "rows"
# So many rows, of so many packets together, take no longer than the call of a program: runs of up to that share their programs.
_FEW_ROWS = 8
_FEW_PACKETS = 4096
# Below this number of rows the costs of calling a program outweigh those of compiling a second one.
_ROWS_PER_PROCESSOR = 4
# Steps of further batches, some milliseconds each, that take no longer than to trace a second program and to read it from the cache.
_FURTHER_STEPS = 1500


def configure_jax(devices: int | None) -> None:
    """Set JAX up for this program; call before the first computation.

    On a CPU as many devices as cores (or `devices`) are made; 64-bit numbers are on
    because tallies and counts need them; compiled programs are kept between runs.
    """
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or os.path.join(os.path.expanduser("~"), ".cache", "abm", "jax")
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    try:
        jax.config.update("jax_num_cpu_devices", devices or len(os.sched_getaffinity(0)))
    except RuntimeError:
        # The backend is already up (a notebook, a test): its devices are used as they are.
        return


def row_mesh(rows: int, devices: int | None) -> Mesh:
    """Mesh of at most `devices` devices, no more than there are rows."""
    found = jax.devices()[: min(devices or len(jax.devices()), rows)]
    return Mesh(np.array(found), (AXIS,))


def padded(rows: int, mesh: Mesh, packets: int | None = None) -> int:
    """Rows after padding to a multiple of the devices, and where rows are small to a few on each.

    Args:
        packets: Places for packets of each row; None where rows have none.
    """
    n = mesh.devices.size
    few = 1 if packets is None else min(_FEW_ROWS, _FEW_PACKETS // max(packets, 1))
    return max(-(-rows // n), few) * n


def spec(axis: int | None) -> PartitionSpec:
    """Partition along `axis`, or a copy on every device."""
    return PartitionSpec() if axis is None else PartitionSpec(*([None] * axis), AXIS)


def specs(axes: Any) -> Any:
    """Partition of a tree of arrays from the tree of their row axes (-1 = none)."""
    return jax.tree.map(lambda axis: spec(None if axis < 0 else axis), axes)


def place(tree: Any, axes: Any, mesh: Mesh) -> Any:
    """Put a tree of arrays on the devices, rows spread."""
    # A fresh copy of each: the state is donated, and two of its arrays may be one object.
    return jax.tree.map(lambda x, p: jax.device_put(np.array(x, copy=True), NamedSharding(mesh, p), may_alias=False), tree, specs(axes))


def pad_rows(tree: Any, axes: Any, rows: int) -> Any:
    """Repeat the last row until there are `rows` of them."""

    def pad(x: Any, axis: int) -> Any:
        if axis < 0 or x.shape[axis] == rows:
            return x
        index = np.minimum(np.arange(rows), x.shape[axis] - 1)
        return np.take(np.asarray(x), index, axis=axis)

    return jax.tree.map(pad, tree, axes)


def rows_between(tree: Any, axes: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop` of a tree of arrays; axis -1 = none."""

    def cut(x: Any, axis: int) -> Any:
        return x if axis < 0 else np.asarray(x)[(slice(None),) * axis + (slice(start, stop),)]

    return jax.tree.map(cut, tree, axes)


def batches_of(rows: int, kinds: int, devices: int | None, steps: int | None = None) -> int:
    """Batches in which to run `kinds` times as many rows as the lead-in, or of a program without one: one for each kind, or all at once.

    One for each kind on processors that they fill; and after a lead-in where the run is so
    short that a program of its own would cost more than it saves.

    Args:
        steps: Steps of the run that follows the lead-in; None where none comes before it.
    """
    found = jax.devices()[: devices or None]
    fills = rows // kinds >= _ROWS_PER_PROCESSOR * len(found)
    short = steps is not None and (kinds - 1) * steps <= _FURTHER_STEPS
    return kinds if found[0].platform == "cpu" and (fills or short) else 1


def leading_rows(tree: Any) -> Any:
    """Row axes of a tree whose every array starts with rows."""
    return jax.tree.map(lambda _: 0, tree)


def over_rows(function: Callable[..., Any], mesh: Mesh, in_axes: tuple[Any, ...], out_axes: Any) -> Callable[..., Any]:
    """`function` run on each device's rows."""
    mapped: Callable[..., Any] = jax.shard_map(function, mesh=mesh, in_specs=tuple(specs(a) for a in in_axes), out_specs=specs(out_axes), check_vma=False)
    return mapped
