"""Subjects: who takes part, with which leukaemia, and the random key that belongs to each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from abm.streams import subject_key, subject_uniforms

# In the place of a leukaemia's name in the keys of subjects who draw theirs from a mix.
_PATIENTS = "/patients"


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


def mixed_subjects(seed: int, mix: Mapping[str, float], subjects: int, *, arm: str | None = None) -> SubjectTable:
    """Subjects who draw their leukaemia from a mix.

    In a parallel design subject i of every arm has the same leukaemia, as after
    stratification; whatever else it draws is its own.

    Args:
        seed: Seed of the run.
        mix: Share of each leukaemia; shares are taken relative to their sum.
        subjects: Subjects.
        arm: As for `cohort_subjects`.
    """
    names = list(mix)
    edges = np.cumsum(np.array([mix[name] for name in names], np.float64))
    shared = [subject_key(seed, _PATIENTS, i) for i in range(subjects)]
    own = shared if arm is None else [subject_key(seed, f"{_PATIENTS}/{arm}", i) for i in range(subjects)]
    drawn = [int(np.searchsorted(edges, subject_uniforms(key, "leukaemia", 1)[0] * edges[-1], side="right")) for key in shared]
    return SubjectTable(
        labels=tuple(f"patient-{i + 1:04d}" for i in range(subjects)),
        leukaemias=tuple(names[min(i, len(names) - 1)] for i in drawn),
        keys=np.stack(own),
    )
