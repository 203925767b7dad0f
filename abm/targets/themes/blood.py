"""Human blood at rest and under drugs, by the mean-field twin of the lineages."""

from __future__ import annotations

from abm.targets.findings import Simulated
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
