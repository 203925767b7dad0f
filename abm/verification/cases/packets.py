"""Resolution: fewer packets than cells change the noise of a tail, never the mean."""

from __future__ import annotations

import numpy as np

from abm.verification.cases.stress_survival import MIXED
from abm.verification.exact_stress import survival
from abm.verification.findings import Finding, Outcome, SlopePanel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_student


@case(
    "packets_convergence",
    shows="cells of different sensitivity in fewer packets than cells, merged and split every day: survival against engine.packets",
    source="S = E exp(-int hazard) by quadrature; a merge keeps the expected number of cells of every state",
    reading=(
        "Right: every mean exact at any number of packets (right-hand panel), and a spread that falls to that of independent cells. "
        "Wrong: a mean that moves with the number of packets."
    ),
    needs=("stress_survival",),
)
def convergence(runner: Runner) -> Outcome:
    """Means unbiased from 16 packets on; excess noise falls with packets."""
    n0, replicates = 4000, runner.size(96, 512)
    exact = survival(MIXED, 10.0)
    numbers = np.array([16, 256] if runner.quick else [16, 64, 256, 1024])
    findings: list[Finding] = []
    spread = []
    for packets in numbers:
        engine = {"dt_hours": 6, "packets": int(packets), "packing_hours": 24}
        keys = {**MIXED._asdict(), "inhibition": [list(p) for p in MIXED.inhibition]}
        series = runner.run("stress_survival", engine, **keys, n0=n0, replicates=replicates)
        final = series["count"].sel(arm="theory").isel(time=-1)
        for name, value in zip(("bmf_positive", "bmf_negative"), exact, strict=True):
            findings.append(check_student(f"{name} alive on day 10, {packets} packets", final.sel(population=name).values / n0, value))
        alive = final.sum("population").values / n0
        spread.append(float(alive.std(ddof=1) / np.sqrt(sum(exact) * (1.0 - sum(exact)) / n0)))
    panel = SlopePanel("spread over that of independent cells", numbers.astype(float), np.array(spread), 0.0, "engine.packets", "ratio of standard deviations")
    return Outcome(
        findings,
        [panel],
        remark=f"Spread over that of independent cells, each to {100.0 / np.sqrt(2.0 * replicates):.0f} %: "
        + ", ".join(f"{s:.2f} at {n}" for n, s in zip(numbers, spread, strict=True))
        + ".",
    )
