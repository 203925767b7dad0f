"""Structure of chance in the trajectories of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.verification.findings import CurvePanel, Outcome
from abm.verification.noise import noise_findings, residuals
from abm.verification.registry import case
from abm.verification.runner import Runner

BIRTH, DEATH, INTERVAL_DAYS = 0.5, 0.5, 0.1


@case(
    "noise_structure",
    shows="residuals of many trajectories from one interval to the next: variance 1, no memory, no kinship",
    source="residuals of a Galton-Watson process (abm/verification/noise.py)",
    reading=(
        "Right: squares of residuals average 1 at every interval. "
        "Wrong: far above 1 where cells share a number, far below where chance is rounded away; a trend where keys are reused."
    ),
    needs=("birth_death",),
)
def structure(runner: Runner) -> Outcome:
    """Five statistics that each catch a known fault of random numbers; the faults themselves are tried in tests/unit/verification."""
    n0, intervals, replicates = 5000, 50, runner.size(40, 200)
    keys: dict[str, Any] = {"n0": n0, "phases": [[intervals * INTERVAL_DAYS, BIRTH, DEATH]], "replicates": replicates}
    series = runner.run("birth_death", {"dt_hours": 1, "packets": 64}, save_hours=24.0 * INTERVAL_DAYS, **keys)
    counts = series["count"].sel(arm="theory", population="cells").values
    e = residuals(counts.astype(float), BIRTH, DEATH, INTERVAL_DAYS)
    k = np.arange(1.0, intervals + 1.0)
    spread = {"mean square": np.full(intervals, 6.0 * np.sqrt(2.0 / replicates))}
    panel = CurvePanel(
        "squared residuals", k, {"exact": np.ones(intervals)}, {"mean square": np.mean(e**2, axis=0)}, "interval", "mean over replicates", spread=spread
    )
    return Outcome(noise_findings(counts, BIRTH, DEATH, INTERVAL_DAYS), [panel])
