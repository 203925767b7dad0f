"""Resistance before treatment, and the number of packets."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from abm.targets.findings import Simulated, resampled, share
from abm.targets.registry import computes
from abm.targets.trials import Trials

FOUNDERS, DIAGNOSIS, RATE = 100, 1e12, 1e-9
BIRTH = 0.17  # 1/d; the law depends on d / b alone
NEVER = "readout.interval_hours=1e9"


@computes("mutants_no_death", "mutants_with_death", how="theory experiment luria_delbruck: 100 founders grow, by chance, to 1e12 cells on average")
def mutants(trials: Trials) -> dict[str, Simulated]:
    """Mean number of mutants from the median: the tail is so heavy that the mean of any sample lies far below the expectation."""
    found = {}
    for key, ratio in (("mutants_no_death", 0.0), ("mutants_with_death", 0.4)):
        death = ratio * BIRTH
        keys = {"n0": FOUNDERS, "b": BIRTH, "d": death, "b_mutant": BIRTH, "u": RATE, "t_end": np.log(DIAGNOSIS / FOUNDERS) / (BIRTH - death)}
        cells = _final(trials, "luria_delbruck", trials.size(200, 1000), keys)
        remark = f"Mutations by Lea and Coulson's estimate from the median of {np.median(cells):.3g}, times ln M; the mean of the sample is {cells.mean():.3g}."
        found[key] = resampled(cells, lambda sample: mutations(float(np.median(sample))) * float(np.log(DIAGNOSIS)), remark)
    return found


def mutations(median: float) -> float:
    """Mean number of mutations m from the median r of the mutants: r / m - ln m = 1.24 (Lea and Coulson 1949, doi:10.1007/BF02986080)."""
    return float(brentq(lambda m: median / m - np.log(m) - 1.24, 1e-3, median + 1.0))


@computes(
    "resistance_no_death",
    "resistance_with_death",
    how="theory experiment detection: growth from one cell to 1e4 cells with 1e-4 mutations per division; the law knows only M u = 1",
)
def resistance_at_detection(trials: Trials) -> dict[str, Simulated]:
    """Share of tumours with a resistant cell at detection."""
    found = {}
    for key, ratio in (("resistance_no_death", 0.0), ("resistance_with_death", 0.4)):
        keys = {"n_detect": 10_000, "u": 1e-4, "b": BIRTH, "d": ratio * BIRTH, "b_mutant": BIRTH, "d_mutant": ratio * BIRTH}
        cells = _final(trials, "detection", trials.size(3000, 10_000), keys)
        found[key] = share(int((cells > 0).sum()), cells.size)
    return found


def _final(trials: Trials, name: str, replicates: int, keys: dict[str, float]) -> np.ndarray:
    """Resistant cells of every replicate at the end."""
    overrides = [
        f"theory.{key}={value!r}" for key, value in ({k: (v if isinstance(v, int) else float(v)) for k, v in keys.items()} | {"replicates": replicates}).items()
    ]
    series = trials.run(f"theory/{name}", NEVER, *overrides).series
    return np.asarray(series["count"].sel(arm="theory", population="resistant").isel(time=-1).values, float)


@computes(
    "packets_relapse",
    how="mice with the typical leukaemia and a BMF-null subclone under the combination, 64 and 256 packets: medians of the day of 25 % human CD45+",
)
def packets(trials: Trials) -> dict[str, Simulated]:
    """Ratio of the medians; twins, so the same mice are resampled in both."""
    mice = trials.size(8, 24)
    settings = ["cohort.leukaemias=[bmf_competent]", f"cohort.subjects={mice}", "~arms.vehicle", "~arms.venetoclax", "~arms.everolimus"]
    settings += ["trial.treatment_days=63", "trial.follow_up_days=63", "readout.interval_hours=24", "readout.cell_snapshot_days=[]"]
    days = []
    for number in (64, 256):
        found = trials.run("pdx_trial", *settings, f"engine.packets={number}").endpoints
        days.append(np.asarray(found["event_day"].sel(arm="combination").values, float))
    pairs = np.stack(days, axis=1)
    random = np.random.default_rng(1)
    draws = [_ratio(pairs[random.integers(0, mice, mice)]) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    events = f"Medians {np.median(pairs[:, 0]):.1f} and {np.median(pairs[:, 1]):.1f} d."
    return {"packets_relapse": Simulated(_ratio(pairs), float(low), float(high), mice, events)}


def _ratio(pairs: np.ndarray) -> float:
    return float(np.median(pairs[:, 1]) / np.median(pairs[:, 0]))
