"""The page of a fit: numbers with their intervals, targets and measured values before and after, packets beside the twin; and the same as JSON."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abm.calibration.errors import BAND_SDS, OPEN_EDGE, REPLICATES
from abm.calibration.intervals import CLUSTERS, LEVEL
from abm.calibration.tables import HELD_OUT
from abm.output.provenance import git_commit, software_version
from abm.output.summary import to_json
from abm.verification.figures import as_data_url
from abm.verification.report import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_NAME, NUMBERS_NAME = "index.html", "calibration.json"

_ERRORS = (
    f"Measured values: normal errors about the typical subject on the scale of the table, independent of one another; the sd is the user's, that of replicates "
    f"(subjects of one leukaemia and arm on one day, at least {REPLICATES} degrees of freedom), or assumed. Targets: a published value with a band of "
    f"+-{BAND_SDS:g} sd; a band alone counts 0 inside, and outside by the distance from its edge, of which {OPEN_EDGE:.0%} is one sd where the band is open."
)
_INTERVALS = (
    f"Intervals: profile likelihood at {LEVEL:.0%}, computed at a few places and interpolated, under that error model. The limit is widened (column) by the "
    f"scatter per degree of freedom where it exceeds 1, and where values of one subject move together (from {CLUSTERS} subjects on). They hold for the model "
    "as it is with all other numbers as configured, and say nothing about errors of the model itself."
)
_TEST = (
    "What was fitted to is no test of the model. What was held out here is one only as far as the shipped numbers were not chosen with it in view (column "
    "'shipped numbers chosen with it')."
)


@dataclasses.dataclass(frozen=True)
class Report:
    """All that a fit has to say.

    Attributes:
        about: Command, data, costs, seconds, seed.
        tables: By title.
        figures: By file name without its ending.
        warnings: What must be read first.
    """

    about: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    warnings: Sequence[str]


def write_report(report: Report, folder: Path) -> Path:
    """Write the page, the numbers and the figures into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    software = f"abm {software_version()}" + (f", commit {git_commit()}" if git_commit() else "")
    about = {"software": software, **report.about}
    numbers = {"about": about, "warnings": list(report.warnings), "tables": {name: table.to_dict("records") for name, table in report.tables.items()}}
    (folder / NUMBERS_NAME).write_text(to_json(numbers, indent=1) + "\n", encoding="utf-8")
    for name, figure in report.figures.items():
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": "abm"})
    page = folder / PAGE_NAME
    page.write_text(_page(report, about), encoding="utf-8")
    return page


def _page(report: Report, about: Mapping[str, Any]) -> str:
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>abm: calibration</title><style>{STYLE}</style></head><body>',
        "<h1>Calibration</h1>",
        '<p class="lead">' + "; ".join(f"{html.escape(name)}: {html.escape(str(value))}" for name, value in about.items()) + "</p>",
        *(f'<p class="bad">{html.escape(text)}</p>' for text in report.warnings),
        f"<p><b>{_TEST}</b> Not medical advice and not a dosing tool.</p><p>{html.escape(_ERRORS)}</p><p>{html.escape(_INTERVALS)}</p>",
    ]
    for name, table in report.tables.items():
        parts += [f"<h2>{html.escape(name)}</h2>", _table(table)]
    parts += [f'<h2>{html.escape(name)}</h2><img alt="{html.escape(name)}" src="{as_data_url(figure)}">' for name, figure in report.figures.items()]
    return "\n".join([*parts, "</body></html>"])


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(str(name).replace('_', ' '))}</th>" for name in table.columns)
    rows = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in table.itertuples(index=False))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return f'<td class="{"passed" if value else "none"}">{"yes" if value else "no"}</td>'
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "<td>-</td>"
    if isinstance(value, (float, np.floating)):
        return f"<td>{value:.4g}</td>"
    text = str(value)
    kind = "none" if text == HELD_OUT else "bad" if text.startswith("not identified") else ""
    return f'<td class="{kind}">{html.escape(text)}</td>'
