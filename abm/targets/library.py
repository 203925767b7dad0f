"""The whole library as records: every drug, lineage and leukaemia, whether an experiment uses it or not."""

from __future__ import annotations

from abm.config.build import plain
from abm.config.compose import compose
from abm.config.schema import read_record
from abm.errors import InputError
from abm.parameters.experiment import Experiment


def library(*overrides: str) -> Experiment:
    """The configuration with these overrides and every file of the library.

    Raises:
        InputError: A file does not fit the records.
    """
    problems: list[str] = []
    experiment = read_record(Experiment, plain(compose(list(overrides))), "", problems)
    if experiment is None:
        raise InputError("\n".join(problems))
    return experiment
