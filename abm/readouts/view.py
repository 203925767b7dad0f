"""A stack of looks at all subjects in all arms, and what is needed to read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from abm.biology.trafficking import CYCLING, QUIESCENT
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
        """Leukaemic cells of marrow and spleen, outside blood and sanctuary; float64 (arms, subjects, times).

        A cell counts by the mechanism that its line acquired last: one that acquires another inside the sanctuary is missed.
        """
        cells = np.asarray(self.seen.tally.cells)[..., [CYCLING, QUIESCENT]].sum(-1).astype(float)
        if not self.sanctuary:
            return np.asarray(cells.sum(3))
        outside = np.array([[mechanism not in self.sanctuary for mechanism in self.mechanisms[name]] for name in self.leukaemias])
        return np.asarray(np.where(outside[None, :, None, :], cells, 0.0).sum(3))


def stack_observations(looks: Sequence[Observation], arms: int, subjects: int) -> Observation:
    """Join looks whose arrays start with rows (arm, subject) into one with axes (arms, subjects, times, ...)."""

    def join(*arrays: Any) -> np.ndarray:
        stacked = np.stack([np.asarray(a) for a in arrays], axis=1)
        return stacked.reshape((arms, subjects, *stacked.shape[1:]))

    joined: Observation = jax.tree.map(join, *looks)
    return joined
