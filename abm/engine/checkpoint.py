"""A tree of arrays as bytes, and back.

A checkpoint holds the state at a boundary between steps.  Continuing from it gives the
same bits as a run that was never stopped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from abm.errors import InputError


def save_tree(path: Path, tree: Any, header: dict[str, Any]) -> None:
    """Write the arrays of `tree` and a JSON header to `path` (.npz)."""
    leaves = jax.tree.leaves(tree)
    arrays: dict[str, Any] = {f"leaf_{i}": np.asarray(x) for i, x in enumerate(leaves)}
    with path.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def read_header(path: Path) -> dict[str, Any]:
    """Header of a checkpoint.

    Raises:
        InputError: If the file is not a checkpoint.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            header: dict[str, Any] = json.loads(str(stored["header"]))
            return header
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"resume: '{path}' is not a readable checkpoint ({error}). Start again with overwrite=true.") from error


def load_tree(path: Path, like: Any) -> Any:
    """Arrays of a checkpoint in the structure of `like`.

    Raises:
        InputError: If the stored arrays do not fit `like`.
    """
    structure: Any = jax.tree.structure(like)
    with np.load(path, allow_pickle=False) as stored:
        leaves = [stored[f"leaf_{i}"] for i in range(sum(name.startswith("leaf_") for name in stored.files))]
    if len(leaves) != structure.num_leaves:
        raise InputError(f"resume: '{path}' holds {len(leaves)} arrays, this version expects {structure.num_leaves}. Start again with overwrite=true.")
    return jax.tree.unflatten(structure, leaves)
