"""Blood at rest, by the mean-field twin of the human lineages and by cells; human blood under drugs."""

from __future__ import annotations

import numpy as np

from abm.targets.cells_at_rest import DAYS, deviations, largest
from abm.targets.findings import Simulated, resampled
from abm.targets.human_blood import PATIENTS, human_blood
from abm.targets.registry import computes
from abm.targets.trials import Trials

LAWS = {
    "blood_drift": "drift",
    "pulse_fast": "pulse_back_fast",
    "pulse_slow": "pulse_back_slow",
    "neutrophil_turnover": "neutrophil_turnover",
    "erythrocyte_turnover": "erythrocyte_turnover",
    "total_turnover": "total_turnover",
}
SHARES = {"human_neutropenia": "neutropenia", "human_thrombocytopenia": "thrombocytopenia", "human_anaemia": "anaemia"}


@computes(
    *LAWS,
    *SHARES,
    how=f"expected cells, without chance; V18: {PATIENTS} adults on venetoclax, ramped weekly to 400 mg/d, twelve weeks, who differ in clearance, "
    "priming and the counts at which they start (means of 4.0 and 180 x 1e9/L and 125 g/L are assumed)",
)
def lineages(trials: Trials) -> dict[str, Simulated]:
    """Turnover, steady state, and toxicity of venetoclax; the shares are quadrature over patients, not a sample."""
    values = human_blood()
    return {key: Simulated(values[name]) for key, name in {**LAWS, **SHARES}.items()}


@computes(
    "mouse_drift",
    "human_drift",
    how=f"cells of subjects without leukaemia and drug over {DAYS} days, drawn every 12 h as in every run, stem cells followed: largest deviation "
    "from rest of blood cells of any lineage or of stem cells, mean over subjects and over a half-year",
)
def cells_over_years(trials: Trials) -> dict[str, Simulated]:
    """Drift of the program: what rounding, steps and chance add to the balance that the equations have."""
    result = {}
    for species in ("mouse", "human"):
        found = deviations(species, trials.size(16, 32), trials.seed)

        def drift(who: np.ndarray, found: dict[str, np.ndarray] = found) -> float:
            return largest({name: x[who.astype(int)] for name, x in found.items()})[0]

        everyone = np.arange(len(next(iter(found.values()))), dtype=float)
        result[f"{species}_drift"] = resampled(everyone, drift, f"Largest in: {largest(found)[1]}.")
    return result
