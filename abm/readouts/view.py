"""A stack of looks at all subjects in all arms, and what is needed to read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from abm.biology.trafficking import BLOOD, CYCLING, QUIESCENT
from abm.models.observation import Observation
from abm.parameters.host import Host
from abm.parameters.lineage import Lineage


@dataclasses.dataclass(frozen=True)
class View:
    """Looks stacked over time.

    Attributes:
        arms, subjects: Names along the first two axes.
        leukaemias: Leukaemia of each subject.
        mechanisms: Mechanism of each clone of every leukaemia, the founder first.
        times: Days, (times,).
        seen: Arrays of `Observation` with leading axes (arms, subjects, times).
        drugs: Names of the drugs.
        lineages: Healthy lineages by name.
        host: The host.
        sanctuary: Mechanisms that are a compartment outside marrow and blood.
        keys: Random key of every subject in every arm, uint32 (arms, subjects, 2); empty where nothing is drawn from them.
    """

    arms: tuple[str, ...]
    subjects: tuple[str, ...]
    leukaemias: tuple[str, ...]
    mechanisms: dict[str, list[str]]
    times: np.ndarray
    seen: Observation
    drugs: tuple[str, ...]
    lineages: dict[str, Lineage]
    host: Host
    keys: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 2), np.uint32))
    sanctuary: tuple[str, ...] = ()

    def tissue_cells(self) -> np.ndarray:
        """Leukaemic cells of marrow and spleen, outside blood and sanctuary; float64 (arms, subjects, times)."""
        return self._outside()[..., [CYCLING, QUIESCENT]].sum((3, 4)).astype(float)

    def blood_cells(self) -> np.ndarray:
        """Leukaemic cells of the blood; float64 (arms, subjects, times)."""
        return self._outside()[..., BLOOD].sum(3).astype(float)

    def _outside(self) -> np.ndarray:
        """Leukaemic cells outside the sanctuary; int64 (arms, subjects, times, clones, columns)."""
        cells = np.asarray(self.seen.tally.cells)
        return cells - np.asarray(self.seen.inside) if self.sanctuary else cells


def stack_observations(looks: Sequence[Observation], arms: int, subjects: int) -> Observation:
    """Join looks whose arrays start with rows (arm, subject) into one with axes (arms, subjects, times, ...)."""

    def join(*arrays: Any) -> np.ndarray:
        stacked = np.stack([np.asarray(a) for a in arrays], axis=1)
        return stacked.reshape((arms, subjects, *stacked.shape[1:]))

    joined: Observation = jax.tree.map(join, *looks)
    return joined
