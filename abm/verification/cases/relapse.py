"""When a leukaemia comes back from a few cells that survived or resist: the same with few packets and with many."""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp

from abm.output.result import RunResult
from abm.verification.findings import CurvePanel, Finding, FloatArray, Outcome
from abm.verification.registry import case
from abm.verification.runner import Runner

FEW, MANY = 1024, 16384
BACK = 1e4  # leukaemic cells at which it has come back
DAYS = 48
# The combination brings a million cells down to a few dozen, or to none; every other mouse has resistant ones by the end.
SETTING = (
    "cohort.leukaemias=[etp_like]",
    "cohort.resistance=[bcl2_g101v]",
    "mechanisms.bcl2_g101v.mutation_per_division=1e-5",
    "host.injected_cells=1e6",
    "host.seeding_fraction=1",
    "~arms.vehicle",
    "~arms.venetoclax",
    "~arms.everolimus",
    "trial.start_rule=injection",
    "trial.treatment_days=21",
    f"trial.follow_up_days={DAYS}",
    "readout.cell_snapshot_days=[]",
    "readout.interval_hours=12",
)


@case(
    "relapse_packets",
    shows=f"mice whose leukaemia returns from a few cells or is cured: day of relapse with {FEW} and with {MANY} packets",
    source="the number of packets is no part of the law: two samples of one distribution, by the test of Kolmogorov and Smirnov",
    reading="Right: the curves differ by no more than chance. Wrong: merged packets lose rare cells or hasten those that are left, and one curve is shifted.",
)
def relapse_packets(runner: Runner) -> Outcome:
    """Day of relapse, smallest burden and resistant cells at the end; other mice in either sample."""
    many_packets = 4 * FEW if runner.quick else MANY
    few = runner.trial(*SETTING, f"engine.packets={FEW}", f"cohort.subjects={runner.size(96, 512)}")
    many = runner.trial(*SETTING, f"engine.packets={many_packets}", f"cohort.subjects={runner.size(48, 256)}", seed=runner.seed + 1)
    days = relapse_days(few), relapse_days(many)
    findings = [_alike("day of relapse", *days)]
    findings += [
        _alike(name, measure(few), measure(many)) for name, measure in (("smallest burden", _smallest), ("resistant cells on the last day", _resistant))
    ]
    x = np.linspace(0.0, DAYS, 200)
    curves = [np.mean(sample[:, None] <= x, axis=0) for sample in days]
    panel = CurvePanel("mice that have relapsed", x, {f"{many_packets} packets": curves[1]}, {f"{FEW} packets": curves[0]}, "day", "share")
    relapsed = [f"{np.isfinite(sample).mean():.3f} of {sample.size} mice with {n} packets" for sample, n in zip(days, (FEW, many_packets), strict=True)]
    return Outcome(findings, [panel], f"Relapsed by day {DAYS}: {', '.join(relapsed)}.")


def _burden(result: RunResult) -> FloatArray:
    """Leukaemic cells, (subject, time)."""
    values: FloatArray = result.series["count"].sel(population="leukaemia", arm="combination").transpose("subject", "time").values.astype(np.float64)
    return values


def relapse_days(result: RunResult) -> FloatArray:
    """Day from which the burden was BACK or more to the end, between two looks in proportion to the logarithm; infinite where it is below."""
    burden, day = np.maximum(_burden(result), 1.0), np.asarray(result.series["time"].values, np.float64)
    found = np.full(len(burden), np.inf)
    for i, cells in enumerate(burden):
        last = int(np.flatnonzero(np.append(True, cells[1:] < BACK))[-1])
        if last + 1 < len(day):
            share = np.log(BACK / cells[last]) / np.log(cells[last + 1] / cells[last])
            found[i] = day[last] + share * (day[last + 1] - day[last])
    return found


def _smallest(result: RunResult) -> FloatArray:
    smallest: FloatArray = _burden(result).min(axis=1)
    return smallest


def _resistant(result: RunResult) -> FloatArray:
    values = result.series["count"].sel(population="leukaemia_bcl2_g101v", arm="combination").isel(time=-1).values
    return np.asarray(values, np.float64)


def _alike(quantity: str, few: FloatArray, many: FloatArray) -> Finding:
    """Two samples of one law; its p is a bound where values tie."""
    largest = np.nanmax(np.concatenate([few[np.isfinite(few)], many[np.isfinite(many)], [0.0]])) + 1.0
    few, many = (np.where(np.isfinite(x), x, largest) for x in (few, many))
    test = ks_2samp(few, many, method="asymp")
    return Finding(
        f"{quantity}: median with few and with many packets", float(np.median(many)), float(np.median(few)), p=float(test.pvalue), basis="Kolmogorov-Smirnov"
    )
