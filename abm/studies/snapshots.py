"""All packets at one moment as a table of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abm.cells import FAST_FIELDS, TRAIT_FIELDS
from abm.engine.packets import Packets, total_count
from abm.models.factors import present
from abm.models.xenograft import COLUMNS
from abm.output.result import CellSnapshot

# Names in the results where they differ from the model's.
_NAMES = {"stress": "isr", "activator": "free_activator"}


def snapshot(packets: Packets, day: float, arms: tuple[str, ...], subjects: tuple[str, ...]) -> CellSnapshot:
    """Packets with at least one cell; rows are (arm, subject)."""
    n = np.asarray(total_count(packets))
    row, place = np.nonzero(n > 0)
    arm, subject = np.divmod(row, len(subjects))
    obs = pd.DataFrame(
        {
            "arm": pd.Categorical(np.array(arms)[arm], categories=list(arms)),
            "subject": pd.Categorical(np.array(subjects)[subject], categories=list(subjects)),
            "clone": np.asarray(packets.clone)[row, place].astype(np.int64),
            **{name: np.asarray(column)[row, place].astype(np.int64) for name, column in zip(COLUMNS, packets.counts, strict=True)},
        }
    )
    fields = {**FAST_FIELDS, **TRAIT_FIELDS}
    traits = present(packets.traits, packets.traits.bim)
    values = [np.asarray(getattr(packets.fast if name in FAST_FIELDS else traits, name))[row, place] for name in fields]
    variables = {_NAMES.get(name, name): info.unit for name, info in fields.items()}
    return CellSnapshot(day, obs, np.stack(values, axis=1).astype(np.float32), variables)
