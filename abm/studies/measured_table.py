"""Measured values as a table of the result, so that a result shows them without their files."""

from __future__ import annotations

import pandas as pd

from abm.parameters.experiment import Experiment
from abm.parameters.measured import VARIABLES

NAME = "measured"


def measured_tables(experiment: Experiment) -> dict[str, pd.DataFrame]:
    """The table `measured` (arm, leukaemia, subject, time, variable, value, unit, file, line), one value a line; nothing where nothing was measured."""
    if not experiment.measured:
        return {}
    rows = [
        (m.arm, m.leukaemia, m.subject, m.day, m.variable, m.value, next(iter(VARIABLES.get(m.variable, {"": 1.0}))), m.file, m.line)
        for m in experiment.measured
    ]
    table = pd.DataFrame(rows, columns=["arm", "leukaemia", "subject", "time", "variable", "value", "unit", "file", "line"])
    table.attrs["units"] = {**dict.fromkeys(table, "1"), "time": "d", "value": "as in the column unit"}
    return {NAME: table}
