"""From what a theory experiment counted to its result: series, endpoints, clones, book-keeping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from abm.engine.program import Carry
from abm.errors import RunFault
from abm.models.theory.pharmacokinetics import DRUG
from abm.models.theory.program import TheoryProgram, TheorySolution
from abm.output.layout import ROW

CELLS = ("arm", "subject", "time", "population")
# Counts that are shown in a unit of the user's choice, with whole numbers beside them under `cells`.
OWN_UNIT = {"units": "unit of circ0", "long_name": "Cells, in the unit of theory.circ0"}


def series_of(program: TheoryProgram, seen: dict[str, np.ndarray], days: np.ndarray) -> xr.Dataset:
    """Series (arm, subject, time, population or drug)."""
    data: dict[str, Any] = {}
    for key, values in seen.items():
        last = "drug" if key == "concentration" else "population"
        shaped = values.reshape(len(program.arms), program.subjects, *values.shape[1:])
        data[key] = ((*CELLS[:3], last), shaped, {"units": "amount/L"} if key == "concentration" else {})
    coords: dict[str, Any] = {
        "arm": list(program.arms),
        "subject": [str(i) for i in range(program.subjects)],
        "time": days,
        "population": list(program.populations),
    }
    if program.cells_per_unit is not None:
        dims, cells, _ = data["count"]
        data |= {"cells": (dims, cells, {}), "count": (dims, cells / program.cells_per_unit, OWN_UNIT)}
    return xr.Dataset(data, coords=coords | ({"drug": [DRUG]} if "concentration" in seen else {}))


def solved_series(solution: TheorySolution) -> xr.Dataset:
    """The same axes for equations; every subject has the same curves."""
    shape = (len(solution.arms), solution.subjects, len(solution.days))
    data = {
        "count": (CELLS, np.broadcast_to(solution.count, (*shape, len(solution.populations))), OWN_UNIT),
        "concentration": ((*CELLS[:3], "drug"), np.broadcast_to(solution.concentration[:, None], (*shape, 1)), {"units": "amount/L"}),
    }
    subjects = [str(i) for i in range(solution.subjects)]
    coords = {"arm": list(solution.arms), "subject": subjects, "time": solution.days, "population": list(solution.populations), "drug": [DRUG]}
    return xr.Dataset(data, coords=coords)


def solved_engine(series: xr.Dataset, device: str, wall: dict[str, float]) -> xr.Dataset:
    data = {"device": device, "wall_seconds": (("phase",), np.array(list(wall.values())))}
    return xr.Dataset(data, coords={"arm": series["arm"], "subject": series["subject"], "phase": list(wall)})


def check(series: xr.Dataset) -> None:
    """Refuse a result in which cells were lost or made up."""
    count, births, deaths = series["cells" if "cells" in series else "count"], series["births"], series["deaths"]
    balance = count - (count.isel(time=0) + births - deaths + series["gained"] - series["lost"])
    if bool((balance != 0).any()) or bool((count < 0).any()) or bool((births.diff("time") < 0).any()) or bool((deaths.diff("time") < 0).any()):
        raise RunFault("The number of cells differs from what was born and died. This is an error of the program; please report it with its config.yaml.")


def endpoints_of(program: TheoryProgram, series: xr.Dataset, carry: Carry) -> xr.Dataset:
    final = series["cells" if "cells" in series else "count"].isel(time=-1).sum("population").values
    data = {
        "final_count": (ROW, final, {"units": "cells", "long_name": "Cells of all populations on the last day"}),
        "extinct": (ROW, final == 0, {"units": "1", "long_name": "Whether no cell is left on the last day"}),
    }
    if program.search:
        shape = final.shape
        data["detection_day"] = (ROW, carry.rows.day.reshape(shape), {"units": "d", "long_name": "Day on which the number of cells was reached"})
        data["attempts"] = (ROW, carry.rows.attempts.reshape(shape), {"units": "1", "long_name": "Attempts until one did not die out before"})
    if "cells" in series:
        return xr.Dataset(data, coords={axis: series[axis] for axis in ROW}).merge(blood_endpoints(series))
    return xr.Dataset(data if program.concentration is None else {}, coords={"arm": series["arm"], "subject": series["subject"]})


def blood_endpoints(series: xr.Dataset) -> xr.Dataset:
    """Lowest count in the blood among the times asked for, and its day."""
    blood = series["count"].sel(population="circulating", drop=True)
    relative = (100.0 * blood / blood.isel(time=0, drop=True)).transpose(*ROW, "time")
    nadir = relative.values.argmin(axis=2)
    data = {
        "circulating_nadir_percent": (ROW, relative.values.min(axis=2), {"units": "%", "long_name": "Lowest recorded count in the blood, percent of day 0"}),
        "circulating_nadir_day": (ROW, series["time"].values[nadir], {"units": "d", "long_name": "Day of the lowest recorded count in the blood"}),
    }
    return xr.Dataset(data, coords={axis: series[axis] for axis in ROW})


def clones_of(populations: tuple[str, ...]) -> pd.DataFrame:
    n = len(populations)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "parent": np.full(n, -1),
            "mechanism": list(populations),
            "birth_time_days": np.zeros(n),
            "origins": np.ones(n, np.int64),
            "pooled": np.zeros(n, bool),
        }
    )


def clones_of_rows(program: TheoryProgram, carry: Carry) -> pd.DataFrame:
    """Clones of every subject from its clone table; a clone without origins is left out."""
    table, cells = carry.rows.clones, np.asarray(carry.tally.cells).sum(axis=2)
    row, clone = np.nonzero(np.asarray(table.origins) > 0)
    arm, subject = np.divmod(row, program.subjects)
    return pd.DataFrame(
        {
            "id": clone,
            "parent": np.asarray(table.parent)[row, clone],
            "mechanism": np.array(program.populations)[clone],
            "birth_time_days": np.asarray(table.birth_day)[row, clone],
            "origins": np.asarray(table.origins)[row, clone],
            "pooled": clone > 0,
            "arm": np.array(program.arms)[arm],
            "subject": subject.astype(str),
            "count": cells[row, clone],
        }
    )


def engine_of(program: TheoryProgram, carry: Carry, dt_hours: float, device: str, wall: dict[str, float]) -> xr.Dataset:
    """Numerical book-keeping of the run."""
    stats = carry.stats
    shape = (len(program.arms), program.subjects)
    rows = {"packets": stats.packets, "packets_peak": stats.peak_packets, "merges": stats.merges, "splits": stats.splits}
    data: dict[str, Any] = {key: (ROW, np.asarray(value, np.int64).reshape(shape)) for key, value in rows.items()}
    data |= {
        "capacity": np.int64(carry.packets.clone.shape[1]),
        "dt_hours": float(dt_hours),
        "steps": ((), np.int64(program.grid.steps), {"units": "1", "long_name": "Steps that were made"}),
        "device": device,
        "wall_seconds": (("phase",), np.array(list(wall.values()))),
    }
    return xr.Dataset(data, coords={"arm": list(program.arms), "subject": [str(i) for i in range(program.subjects)], "phase": list(wall)})
