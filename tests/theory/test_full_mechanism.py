"""The full mechanism: stored trajectories of the one-cell-at-a-time reference.

`reference_trajectories` (in `tests.reference`) made them, 200 subjects of 300 cells in a
host of capacity 2,000 under five conditions for 5 days.  Regenerate them with
`python -m tests.reference`, which is needed when the model changes.

The packet engine runs under the same numbers, every cell a packet of its own.  Means are compared
by the normal law of 60 or 20 subjects, at the level of `tests.false_alarm`; what the step and the
window of the engine leave is `TOLERANCE` and counts apart.  Its bias
against them, found with 400 subjects, in the total of an untreated leukaemia after 5 days:
window of 1 h -0.3 %, 6 h +0.3 %, 12 h (the default) +1.0 %; standard error 0.4 %.  A step of
1 h delays the deaths of the first day of a combination by minutes (total +1 %, gone at 0.25 h).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import seeds
from tests.false_alarm import within, z_bound
from tests.packet_engine import Numerics, run_packets
from tests.reference import CONDITIONS, deviations, golden, golden_parameters, reference_trajectories, simulate_leukaemia
from tests.reference_machinery import FAST, constant

pytestmark = pytest.mark.usefixtures("optimised")


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """The stored trajectories."""
    return golden()


def _final(stored: dict[str, Any], condition: str) -> tuple[float, float]:
    total = stored["conditions"][condition]["total"]
    return total["mean"][-1], total["se"][-1]


def alike(of_mean: np.ndarray, of_sd: np.ndarray, key: str) -> None:
    """z-scores of means and of standard deviations; few blood cells have a sd that is far from that of a normal law."""
    within(of_mean, 0.0, 1.0, what=f"mean of {key}")
    if key != "count":
        within(of_sd, 0.0, 1.0, what=f"standard deviation of {key}")


def test_stored_trajectories_are_of_these_conditions(stored: dict[str, Any]) -> None:
    assert list(stored["conditions"]) == list(CONDITIONS)
    for name, condition in CONDITIONS.items():
        entry = stored["conditions"][name]
        assert entry["free_nm"] == condition.free_nm
        assert entry["count"]["mean"][0] == [180.0, 120.0, 0.0]
        change = np.array(entry["births"]["mean"]) - np.array(entry["deaths"]["mean"])
        np.testing.assert_allclose(entry["total"]["mean"], 300.0 + change, rtol=1e-6)


@pytest.mark.parametrize("name", ["both", "both_resistant"])
def test_the_reference_still_gives_the_stored_trajectories(stored: dict[str, Any], name: str) -> None:
    """Fresh subjects with another seed and a ten times longer step."""
    path = simulate_leukaemia(
        golden_parameters(CONDITIONS[name]),
        constant(**CONDITIONS[name].free_nm),
        cells=stored["cells"],
        subjects=20,
        times_days=stored["time_days"],
        seed=seeds.seed(stored["seed"] + 1000),
        step_hours=0.5,
    )
    entry = stored["conditions"][name]
    assert path.conserved
    for key in ("count", "total", "births", "deaths", "clones"):
        alike(*deviations(getattr(path, key), entry[key]), key)
    for key in FAST:
        # half a step is half an hour of the onset here
        of_mean, _ = deviations(path.quantiles[key][2:], {k: v[2:] for k, v in entry["quantiles"][key].items()}, offset=0.02)
        within(of_mean, 0.0, 1.0, what=key)


DEFAULT, FINE = Numerics(1024, 1.0, 12.0, 24.0), Numerics(1024, 1.0, 1.0, 1.0)
# Tolerated relative difference of the means, beyond chance.
TOLERANCE = {"total": 0.01, "births": 0.01, "clones": 0.015, "deaths": 0.03, "count": 0.02}


@pytest.mark.parametrize(("name", "numerics"), [("none", DEFAULT), ("both", DEFAULT), ("both_resistant", FINE)])
def test_the_packet_engine_gives_the_stored_trajectories(stored: dict[str, Any], name: str, numerics: Numerics) -> None:
    """Means and standard deviations of 60 subjects."""
    entry = stored["conditions"][name]
    free = CONDITIONS[name].free_nm
    times = stored["time_days"]
    series, carry = run_packets(golden_parameters(CONDITIONS[name]), free, cells=stored["cells"], subjects=60, times_days=times, numerics=numerics)
    assert np.array_equal(series.total, series.total[0] + series.births - series.deaths)
    assert series.packets.max() <= numerics.packets
    assert carry.stats.merges.max() == 0
    for key, tolerance in TOLERANCE.items():
        alike(*deviations(getattr(series, key), entry[key], offset=tolerance), key)


def test_fewer_packets_than_cells_keep_the_means(stored: dict[str, Any]) -> None:
    """64 packets for up to 900 cells: means as with one packet a cell."""
    entry, condition, times = stored["conditions"]["none"], CONDITIONS["none"], stored["time_days"]
    numerics = DEFAULT._replace(packets=64)
    series, carry = run_packets(golden_parameters(condition), condition.free_nm, cells=stored["cells"], subjects=60, times_days=times, numerics=numerics)
    assert carry.stats.merges.min() > 0
    within(deviations(series.total, entry["total"], offset=0.015)[0], 0.0, 1.0, what="total")


def test_the_combination_kills_more_than_its_parts(stored: dict[str, Any]) -> None:
    """Typical T-ALL: supra-additive by far more than its standard error; venetoclax alone is weak."""
    log, se = {}, {}
    for name in ("none", "venetoclax", "everolimus", "both"):
        mean, error = _final(stored, name)
        log[name], se[name] = np.log10(mean), error / mean / np.log(10.0)
    beyond = log["venetoclax"] + log["everolimus"] - log["none"] - log["both"]
    assert beyond > 0.3 + z_bound() * np.sqrt(sum(x * x for x in se.values()))
    assert log["none"] - log["venetoclax"] < 0.15
    assert _final(stored, "both_resistant")[0] > 1.5 * _final(stored, "both")[0]


def test_reference_trajectories_depend_on_the_seed_only() -> None:
    few = {"none": CONDITIONS["none"]}
    runs = [reference_trajectories(few, replicates=3, cells=30, days=1.0, seed=seed, step_hours=2.0) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0]["conditions"] != runs[2]["conditions"]
