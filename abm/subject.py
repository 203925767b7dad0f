"""Subjects: who takes part, and the random key that belongs to each."""

from __future__ import annotations

import dataclasses

import numpy as np

from abm.streams import subject_key


@dataclasses.dataclass(frozen=True)
class SubjectTable:
    """Subjects of a cohort, one entry per row of the lead-in.

    Subjects are listed replicate by replicate, so that a larger cohort begins with the
    smaller one.
    """

    labels: tuple[str, ...]
    leukaemias: tuple[str, ...]  # leukaemia of each subject
    keys: np.ndarray  # uint32 (subjects, 2)


def cohort_subjects(seed: int, leukaemias: tuple[str, ...], replicates: int, *, arm: str | None = None) -> SubjectTable:
    """Subjects of a cohort.

    Args:
        seed: Seed of the run.
        leukaemias: Names of the leukaemias.
        replicates: Subjects per leukaemia.
        arm: Arm that the subjects belong to in a parallel design; None where subjects are twins.
    """
    labels, names, keys = [], [], []
    for replicate in range(replicates):
        for name in leukaemias:
            labels.append(f"{name}-{replicate + 1:03d}")
            names.append(name)
            keys.append(subject_key(seed, name if arm is None else f"{name}/{arm}", replicate))
    return SubjectTable(labels=tuple(labels), leukaemias=tuple(names), keys=np.stack(keys))
