"""The page of the targets: one file with every number, its band, its interval and the verdict, and the same as JSON."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abm.output.provenance import software_line
from abm.targets.figures import band_figure, residual_disease_figure
from abm.targets.findings import LEVEL, MET, MISSED, NOT_EVALUATED, Line
from abm.targets.suite import Result, lines_of
from abm.targets.trials import Trials
from abm.verification.figures import as_data_url
from abm.verification.report import as_json, head_row, page_head

PAGE_NAME, NUMBERS_NAME = "index.html", "targets.json"
_CLASS = {MET: "passed", MISSED: "bad", NOT_EVALUATED: "none"}


def write_report(results: Sequence[Result], folder: Path, trials: Trials) -> Path:
    """Write `index.html` and `targets.json` into `folder`, which is made if needed; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "software": software_line(),
        "sizes": f"cohorts of patients: {trials.sizes}",
        "seed": trials.seed,
        "level": LEVEL,
        "seconds": round(sum(result.seconds for result in results), 1),
    }
    (folder / NUMBERS_NAME).write_text(json.dumps(_numbers(results, about), indent=1), encoding="utf-8")
    page = folder / PAGE_NAME
    page.write_text(_page(results, about, trials), encoding="utf-8")
    return page


def summary(lines: Sequence[Line]) -> str:
    """Counts of the verdicts, and how many of those met were fitted."""
    met = [line for line in lines if line.verdict == MET]
    fitted = sum(line.published.fitted for line in met)
    missed, absent = (sum(line.verdict == verdict for line in lines) for verdict in (MISSED, NOT_EVALUATED))
    return f"{len(met)} met ({fitted} of them used for fitting), {missed} missed, {absent} not evaluated, of {len(lines)}"


def written(value: float | None) -> str:
    """A number for a table; a dash for none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.3g}" if math.isfinite(value) else "not reached"


def simulated(line: Line) -> str:
    """The simulated value with its interval."""
    found = line.simulated
    interval = "" if math.isnan(found.low) else f" ({written(found.low)} to {written(found.high)}, n = {found.n})"
    return written(found.value) + interval


def _numbers(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    lines = {}
    for line in lines_of(results):
        entry = {**dataclasses.asdict(line.published), **{f"simulated_{k}": v for k, v in dataclasses.asdict(line.simulated).items()}}
        entry |= {"verdict": line.verdict, "decided": line.decided, "reason": line.reason}
        lines[line.published.key] = as_json(entry)
    runs = {result.computation.name: [{"command": made.command, "seconds": made.seconds} for made in result.made] for result in results}
    return {"about": about, "targets": lines, "runs": runs}


def _page(results: Sequence[Result], about: dict[str, Any], trials: Trials) -> str:
    lines = lines_of(results)
    parts = [
        page_head("targets"),
        f"<h1>Published targets: {summary(lines)}</h1>",
        f'<p class="lead">{html.escape(about["software"])}; {about["sizes"]}; seed {about["seed"]}; {about["seconds"]} s. '
        "Not medical advice and not a dosing tool.</p>",
        f"<p>A target is met where the simulated value lies in the band, whatever its interval ({LEVEL:.0%}; exact limits for shares, bootstrap elsewhere, "
        "none where the computation is without chance). <b>Fitted</b>: numbers of the model were chosen with this target in view, so that meeting it is no "
        "test. Nothing was tuned to the others.</p>",
        f'<img alt="Simulated values in their bands" src="{as_data_url(band_figure(lines))}">',
        _table(lines),
        _residual_disease(lines, trials),
        "<h2>How each was computed</h2>",
        *(_computation(result) for result in results),
    ]
    return "\n".join([*parts, "</body></html>"])


def _table(lines: Sequence[Line]) -> str:
    names = ("", "target", "published", "band", "simulated", "fitted", "verdict", "reason or remark", "source")
    rows = "".join(_row(line) for line in lines)
    return f"<table>{head_row(*names)}{rows}</table>"


def _row(line: Line) -> str:
    entry = line.published
    unit = "" if entry.unit == "1" else f" [{entry.unit}]"
    cells = [html.escape(text) for text in (entry.title + unit, written(entry.value), entry.tolerance, simulated(line), "yes" if entry.fitted else "no")]
    return (
        f'<tr id="{entry.key}"><td>{entry.target}</td>{"".join(f"<td>{cell}</td>" for cell in cells)}<td class="n {_CLASS[line.verdict]}">{line.verdict}</td>'
        f"<td>{html.escape(line.reason)}</td><td>{html.escape(entry.source)}</td></tr>"
    )


def _residual_disease(lines: Sequence[Line], trials: Trials) -> str:
    if not any(line.published.key == "mrd_day29_negative" and line.verdict != NOT_EVALUATED for line in lines):
        return ""
    from abm.targets.themes.patients import FIRST, induced

    cohort = induced(trials)
    if isinstance(cohort, str):
        return ""
    url = as_data_url(residual_disease_figure(cohort.mrd[FIRST], FIRST))
    return f'<h2>Residual disease at the end of induction</h2><img alt="Simulated and real residual disease" src="{url}">'


def _computation(result: Result) -> str:
    keys = ", ".join(f'<a href="#{line.published.key}">{line.published.key}</a>' for line in result.lines)
    runs = "".join(f"<li><code>{html.escape(made.command)}</code> {made.seconds:.1f} s</li>" for made in result.made)
    fault = f'<p class="bad">{html.escape(result.fault)}</p>' if result.fault else ""
    return f"<p><b>{result.computation.name}</b> ({result.seconds:.1f} s): {html.escape(result.computation.how)}. {keys}</p>{fault}<ol>{runs}</ol>"
