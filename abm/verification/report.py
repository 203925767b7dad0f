"""The page of a verification: one file with all verdicts, numbers and figures, and the same numbers as JSON."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abm.output.provenance import environment, software_line
from abm.verification.figures import as_data_url, case_figure
from abm.verification.findings import FALSE_ALARM, LEVEL, MOST_CHECKS, Z_BOUND, Execution, Finding, as_rows
from abm.verification.suite import FAILED, FAULT, NOT_AVAILABLE, PASSED, Result

PAGE_NAME, NUMBERS_NAME = "index.html", "results.json"

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#22262B;max-width:1180px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin:2.6rem 0 .2rem;border-top:1px solid #d5d9dd;padding-top:1.2rem}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{text-align:left;padding:.22rem .6rem .22rem 0;border-bottom:1px solid #e8ebee;vertical-align:top}
th{border-bottom:2px solid #22262B}td.n{white-space:nowrap}img{max-width:100%;height:auto}
.passed{color:#00609b;font-weight:600}.bad{color:#C1121F;font-weight:700}.none{color:#6F7378}
code{font-size:.84rem;overflow-wrap:anywhere}details{margin:.4rem 0}summary{cursor:pointer;color:#444a50}.lead{color:#444a50}
"""


def page_head(title: str) -> str:
    """Beginning of a page, until its body."""
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>abm: {title}</title><style>{STYLE}</style></head><body>'


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON does not know as null."""
    return {key: (None if isinstance(value, float) and not math.isfinite(value) else value) for key, value in row.items()}


def write_report(results: Sequence[Result], folder: Path, *, quick: bool, seed: int) -> Path:
    """Write `index.html` and `results.json` into `folder`, which is made if needed; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    about = _about(results, quick=quick, seed=seed)
    page = folder / PAGE_NAME
    page.write_text(_page(results, about), encoding="utf-8")
    (folder / NUMBERS_NAME).write_text(json.dumps(_numbers(results, about), indent=1), encoding="utf-8")
    return page


def _about(results: Sequence[Result], *, quick: bool, seed: int) -> dict[str, Any]:
    devices = sorted({execution.device for result in results for execution in result.executions if not execution.device.startswith("none")})
    libraries = {name: version for name, version in environment().get("libraries", {}).items() if name in ("jax", "numpy", "scipy")}
    return {
        "software": software_line(),
        "libraries": ", ".join(f"{name} {version}" for name, version in libraries.items()),
        "device": "; ".join(devices) or "none",
        "sizes": "quick" if quick else "full",
        "seed": seed,
        "false_alarm": FALSE_ALARM,
        "level": LEVEL,
        "most_checks": MOST_CHECKS,
        "seconds": sum(result.seconds for result in results),
        "cpu_seconds": sum(result.cpu_seconds for result in results),
    }


def _numbers(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    cases = {}
    for result in results:
        findings = as_rows(result.outcome) if result.outcome else []
        rows = [as_json(row) for row in findings]
        runs = [{"command": command(execution), "seconds": execution.seconds, "steps": execution.steps} for execution in result.executions]
        cases[result.case.name] = {"verdict": result.verdict, "note": result.note, "cpu_seconds": result.cpu_seconds, "checks": rows, "runs": runs}
    return {"about": about, "cases": cases}


def command(execution: Execution) -> str:
    """The run as a user would make it."""
    return "scripts/run " + " ".join(f"'{o}'" if any(c in o for c in "[]{} ") else o for o in execution.overrides)


def _class(verdict: str) -> str:
    return {PASSED: "passed", FAILED: "bad", FAULT: "bad"}.get(verdict, "none")


def _page(results: Sequence[Result], about: dict[str, Any]) -> str:
    bad = [result for result in results if result.is_bad]
    ran = [result for result in results if result.verdict != NOT_AVAILABLE]
    checks = sum(len(result.outcome.findings) for result in ran if result.outcome)
    verdict = f'<span class="bad">{len(bad)} of {len(ran)} cases did not pass</span>' if bad else f'<span class="passed">all {len(ran)} cases passed</span>'
    parts = [
        page_head("verification"),
        f"<h1>Verification of abm: {verdict}</h1>",
        f'<p class="lead">{checks} checks of the program against exact laws. {html.escape(about["software"])}; {html.escape(about["libraries"])}; '
        f"device {html.escape(about['device'])}; {about['sizes']} sizes, seed {about['seed']}; {about['cpu_seconds']:.0f} s of processor time.</p>",
        _reading(),
        _summary(results),
    ]
    parts += [_section(result) for result in results]
    return "\n".join([*parts, "</body></html>"])


def _reading() -> str:
    return (
        f"<p>Every check with chance fails at p &le; {LEVEL:.2g} (a two-sided z of {Z_BOUND:.2f}). With at most {MOST_CHECKS} of them in a run, a "
        f"correct program fails any with a probability of at most {FALSE_ALARM:g} (Bonferroni), over the seed. Means and whole laws use inequalities "
        "that hold at any sample size (Chernoff; Dvoretzky, Kiefer and Wolfowitz), proportions the binomial law; where a normal approximation enters, "
        "the table says so. Checks without chance state their tolerance. In every figure the right-hand panel shows each deviation over its bound: "
        "a dot between the lines passes.</p>"
    )


def _summary(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        findings = result.outcome.findings if result.outcome else []
        chances = sum(finding.p is not None for finding in findings)
        worst = max((abs(f.share_of_bound) for f in findings), default=float("nan"))
        alarm = f"{chances * LEVEL:.1e}" if chances else "0"
        rows.append(
            f'<tr><td><a href="#{result.case.name}">{result.case.name}</a></td><td>{html.escape(result.case.shows)}</td><td class="n">{len(findings)}</td>'
            f'<td class="n">{_number(worst)}</td><td class="n">{alarm}</td><td class="n">{result.cpu_seconds:.1f}</td>'
            f'<td class="n {_class(result.verdict)}">{result.verdict}</td></tr>'
        )
    head = head_row("case", "what is checked", "checks", "largest deviation over its bound", "false alarm", "CPU s", "verdict")
    return f"<table>{head}{''.join(rows)}</table>"


def _section(result: Result) -> str:
    case = result.case
    parts = [f'<h2 id="{case.name}">{case.name}: <span class="{_class(result.verdict)}">{result.verdict}</span></h2><p>{html.escape(case.shows)}.</p>']
    if result.note:
        parts.append(f'<p class="{_class(result.verdict)}">{html.escape(result.note)}</p>')
    if result.outcome is None:
        return "".join([*parts, f'<p class="lead">Exact law: {html.escape(case.source)}.</p>'])
    url = as_data_url(case_figure(result.outcome))
    parts.append(f'<img alt="Simulated and exact values of {case.name}" src="{url}"><p class="lead">{html.escape(case.reading)}</p>')
    if result.outcome.remark:
        parts.append(f"<p>{html.escape(result.outcome.remark)}</p>")
    head = head_row("quantity", "exact", "simulated (interval at the level)", "z", "p or error", "allowed", "by", "verdict")
    parts.append(f"<table>{head}{''.join(_row(finding) for finding in result.outcome.findings)}</table>")
    runs = "".join(f"<li><code>{html.escape(command(e))}</code><br>{html.escape(e.device)}, {_settings(e)}{e.seconds:.1f} s</li>" for e in result.executions)
    parts.append(f'<p class="lead">Exact law: {html.escape(case.source)}.</p>')
    if runs:
        parts.append(f"<details><summary>{len(result.executions)} runs of the program</summary><ol>{runs}</ol></details>")
    return "".join(parts)


def _settings(execution: Execution) -> str:
    """Step and packets, where a run has them."""
    if not execution.steps:
        return ""
    packets = f"at most {execution.packets} packets a subject, " if execution.packets else ""
    return f"dt {execution.dt_hours:g} h, {execution.steps} steps, {packets}"


def head_row(*names: str) -> str:
    """Row of the names of columns."""
    return "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"


def _row(finding: Finding) -> str:
    interval = f" &plusmn; {_number(finding.half_width)}" if math.isfinite(finding.half_width) else ""
    if finding.p is not None:
        middle = (
            f'<td class="n">{finding.z:.2f}</td><td class="n">{finding.p:.2g}</td><td class="n">p &gt; {LEVEL:.1e}</td><td>{html.escape(finding.basis)}</td>'
        )
    else:
        error, allowed = finding.simulated - finding.exact, _number(finding.tolerance or 0.0)
        middle = f'<td></td><td class="n">{error:.2g}</td><td class="n">&plusmn; {allowed}</td><td>tolerance</td>'
    verdict = PASSED if finding.passed else FAILED
    return (
        f'<tr><td>{html.escape(finding.quantity)}</td><td class="n">{_number(finding.exact)}</td><td class="n">{_number(finding.simulated)}{interval}</td>'
        f'{middle}<td class="{_class(verdict)}">{verdict}</td></tr>'
    )


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ("&ndash;" if math.isnan(value) else "&infin;")
