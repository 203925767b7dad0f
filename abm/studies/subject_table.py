"""Who took part: one line per subject with what sets it apart, for whoever looks for biomarkers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abm.models.individuals import individual
from abm.models.xenograft_setup import Rows
from abm.parameters.experiment import Experiment

_UNITS = {"randomised_day": "d", "net_growth_per_day": "1/d", "division_per_day": "1/d", "bcl2": "A_ref", "bclxl": "A_ref", "mcl1": "A_ref", "bim": "A_ref"}


def subject_table(experiment: Experiment, rows: Rows, labels: tuple[str, ...], randomised_day: np.ndarray) -> pd.DataFrame:
    """Table of all subjects; twins stand once, with an empty `arm`.

    Columns: arm, subject, leukaemia, age_group, randomised_day (since the start of the
    lead-in, NaN without), net growth and division hazard far below capacity, mean traits of
    the leukaemia, and `factor_NAME` for every quantity that can vary between subjects
    (`cohort.variability`, and the division hazard by `host.growth_cv`).

    Args:
        rows: Rows of the trial, (arm, subject).
        labels: Labels of the subjects of an arm.
        randomised_day: Of the rows of the lead-in.
    """
    arms = [""] if experiment.cohort.design == "twin" else list(experiment.arms)
    lines = []
    for index, day in enumerate(np.asarray(randomised_day)[: len(arms) * len(labels)].tolist()):
        arm, subject = divmod(index, len(labels))
        who = individual(experiment, rows.keys[index], rows.leukaemias[index])
        traits = who.leukaemia.traits
        lines.append(
            {
                "arm": arms[arm],
                "subject": labels[subject],
                "leukaemia": rows.leukaemias[index],
                "age_group": experiment.host.age_group,
                "randomised_day": day,
                "net_growth_per_day": who.net_growth_per_day,
                "division_per_day": who.division_per_day,
                **{name: getattr(traits, name) for name in ("bcl2", "bclxl", "mcl1", "bim", "bmf_competence", "set_point")},
                **{f"factor_{name}": factor for name, factor in who.factors.items()},
            }
        )
    table = pd.DataFrame(lines)
    table.attrs["units"] = {column: _UNITS.get(column, "1") for column in table.columns}
    return table
