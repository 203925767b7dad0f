"""The table of facts on human blood, met and missed, from the deterministic twin.

Lines that are missed stay in the table and are listed in MISSED with what is known of the
cause; `pytest -s` prints it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest

from abm.engine.devices import configure_jax
from abm.records import enable_pytrees
from abm.targets.published import read_published

INF = math.inf


class Line(NamedTuple):
    """One target."""

    key: str
    label: str
    low: float
    high: float
    band: str


def published(name: str, key: str) -> Line:
    """A line whose band is that of the published target of that key."""
    entry = read_published()[key]
    return Line(name, f"{entry.target} {entry.title}", entry.low, entry.high, entry.tolerance)


LINES = (
    published("neutrophil_turnover", "neutrophil_turnover"),
    published("erythrocyte_turnover", "erythrocyte_turnover"),
    Line("monocyte_turnover", "V35 monocytes a day", 1.2e9, 1.8e9, "1.5e9 +- 20 %"),
    Line("b_turnover", "V35 B cells a day", 4.1e9, 6.1e9, "5.1e9 +- 20 %"),
    Line("t_turnover", "V35 T cells a day", 1.8e9, 2.6e9, "2.2e9 +- 20 %"),
    published("total_turnover", "total_turnover"),
    published("drift", "blood_drift"),
    Line("pulse_neutrophils", "V20 neutrophils after two days of a cytotoxic pulse", 0.0, 0.5, "fall"),
    Line("pulse_overshoot", "V20 overshoot of neutrophils", 1.01, 1.5, "feedback overshoots"),
    published("pulse_back_fast", "pulse_fast"),
    published("pulse_back_slow", "pulse_slow"),
    Line("b_200", "B cells lost, one dose of 200 mg venetoclax", 0.15, 0.35, "0.24 (0.15-0.35)"),
    Line("b_400", "B cells lost, one dose of 400 mg venetoclax", 0.25, 0.54, "0.38 (0.25-0.54)"),
    Line("venetoclax_spares_platelets", "venetoclax 400 mg: platelet minus neutrophil nadir", 0.0, INF, "neutropenia first"),
    Line("everolimus_neutrophils", "everolimus 10 mg/d, neutrophil nadir", 0.7, 0.95, "mild (0.8 derived)"),
    Line("everolimus_platelets", "everolimus 10 mg/d, platelet nadir", 0.6, 0.95, "mild (0.7 derived)"),
    Line("everolimus_t_cells", "everolimus 10 mg/d, T cells at 28 d", 0.7, 0.8, "0.7-0.8"),
    Line("navitoclax_platelets", "navitoclax 250 mg/d, platelet nadir", 0.0, 0.6, "falls"),
    Line("navitoclax_day", "navitoclax 250 mg/d, day of the loss of a quarter of platelets", 0.0, 7.0, "within days"),
    published("neutropenia", "human_neutropenia"),
    published("thrombocytopenia", "human_thrombocytopenia"),
    published("anaemia", "human_anaemia"),
)
# V18: the leukaemic marrow of the trial's patients, which lowers all counts, is not there, and megakaryocytes rest on BCL-XL.
# T cells: rapamycin acts on mature T cells through signals that are not modelled; here it only slows their precursors.
MISSED = {"thrombocytopenia", "anaemia", "everolimus_t_cells"}


@pytest.fixture(scope="module")
def values() -> dict[str, float]:
    """Value of every target."""
    configure_jax(None)
    enable_pytrees()
    from abm.targets.human_blood import human_blood

    return human_blood()


def is_met(line: Line, value: float) -> bool:
    """Whether a value lies in its band."""
    return line.low <= value <= line.high


def table(values: dict[str, float]) -> str:
    """The table as Markdown."""
    rows = ["| target | twin | band | |", "|---|---|---|---|"]
    rows += [f"| {x.label} | {values[x.key]:.3g} | {x.band} | {'met' if is_met(x, values[x.key]) else '**missed**'} |" for x in LINES]
    return "\n".join([*rows, f"{sum(is_met(x, values[x.key]) for x in LINES)} of {len(LINES)} met"])


def test_the_table_has_all_targets_and_says_what_is_missed(values: dict[str, float]) -> None:
    print(f"\n{table(values)}")
    assert {line.key for line in LINES if not is_met(line, values[line.key])} == MISSED


def test_grade_3_neutropenia_comes_before_thrombocytopenia(values: dict[str, float]) -> None:
    assert values["neutropenia"] > 2.0 * values["thrombocytopenia"]


def test_venetoclax_takes_b_cells_by_dose(values: dict[str, float]) -> None:
    """One number, the priming of B cells, was set to two published doses."""
    assert values["b_200"] < values["b_400"]
    assert values["b_400"] / values["b_200"] == pytest.approx(38.0 / 24.0, rel=0.25)
