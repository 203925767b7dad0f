"""`abm-inspect FILE`: what a result holds, whether it is valid, and where its numbers come from."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd
import xarray as xr

from abm.errors import EXIT_COMPLETE, EXIT_REFUSED, AbmError
from abm.output.provenance import KINDS
from abm.output.reader import Run, load
from abm.output.summary import to_json
from abm.output.validate import validate


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the command; exit code 0 for a valid result, 2 otherwise."""
    options = _parser().parse_args(arguments)
    try:
        run = load(options.file)
        problems = validate(run)
        content = _content(run, problems, options)
    except AbmError as error:
        print(f"abm-inspect: {error}", file=sys.stderr)
        return error.exit_code
    print(content)
    return EXIT_REFUSED if problems else EXIT_COMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="abm-inspect", description="Show what a result holds and check that it is valid (exit code 0: valid, 2: not).")
    parser.add_argument("file", metavar="FILE", help="run.h5 or the folder that holds it")
    parser.add_argument("--cite", action="store_true", help="list the source of every number that the run used")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _content(run: Run, problems: list[str], options: argparse.Namespace) -> str:
    if options.json:
        content: dict[str, Any] = {"valid": not problems, "problems": problems, **({} if problems else overview(run))}
        if options.cite:
            content["sources"] = run.provenance.get("sources", {})
        return to_json(content, indent=2)
    lines = [] if problems else describe(run)
    if options.cite:
        lines += ["", *cite(run.provenance.get("sources", {}))]
    verdict = [f"INVALID: {len(problems)} problem{'s' if len(problems) > 1 else ''}", *(f"  - {p}" for p in problems)] if problems else ["valid"]
    return "\n".join([*lines, "", *verdict]).strip("\n")


def overview(run: Run) -> dict[str, Any]:
    """What a run holds, in types of JSON."""
    series, attributes, provenance = run.series, run.attributes, run.provenance
    labels = {name: [str(v) for v in series[name].values] for name in ("arm", "subject", "population", "drug") if name in series.coords}
    time = [float(t) for t in series["time"].values] if "time" in series.coords else []
    return {
        "file": str(run.path),
        **{key: attributes[key] for key in ("format", "format_version", "model_version", "software", "created")},
        "experiment": run.config.get("experiment_name"),
        "seed": provenance.get("seed"),
        "device": provenance.get("device"),
        "resources": provenance.get("resources", {}),
        **labels,
        "time": {"first_day": time[0], "last_day": time[-1], "points": len(time)} if time else None,
        "variables": {str(n): {"dims": list(v.dims), "units": str(v.attrs.get("units", ""))} for n, v in series.data_vars.items()},
        "events": {str(k): int(n) for k, n in run.events["kind"].value_counts(sort=False).items()} if len(run.events) else {},
        "clones": len(run.clones),
        "snapshots": run.snapshots,
        "tables": {name: len(table) for name, table in run.tables.items()},
        "endpoints": medians(run.endpoints).to_dict(orient="index") if len(run.endpoints) else {},
    }


def medians(endpoints: pd.DataFrame) -> pd.DataFrame:
    """Median of every endpoint that is a number, one line per arm and leukaemia, over subjects that took part."""
    numbers = [c for c in endpoints.columns if endpoints[c].dtype.kind in "biuf"]
    real = [c for c in numbers if endpoints[c].dtype.kind == "f"]
    took_part = endpoints[endpoints[real].notna().any(axis=1)] if real else endpoints
    keys = ["arm", *(["leukaemia"] if "leukaemia" in endpoints.columns else [])]
    table = took_part.reset_index().astype(dict.fromkeys(numbers, float)).groupby(keys, sort=False)[numbers].median()
    table.index = pd.Index([" / ".join(k) if isinstance(k, tuple) else str(k) for k in table.index])
    return table


def describe(run: Run) -> list[str]:
    """Overview as lines of text."""
    facts = overview(run)
    lines = [f"{facts['file']}: {facts['format']} {facts['format_version']}, model {facts['model_version']}, {facts['software']}, {facts['created']}"]
    lines.append(f"experiment {facts['experiment']}, seed {facts['seed']}, device {facts['device']}{_costs(facts['resources'])}")
    for key in ("arm", "subject", "population", "drug"):
        if key in facts:
            lines.append(f"{key + 's':<12}{len(facts[key]):>4}  {_shortened(facts[key])}")
    if facts["time"]:
        lines.append(f"{'times':<12}{facts['time']['points']:>4}  day {facts['time']['first_day']:g} to {facts['time']['last_day']:g}")
    variables = [f"{name} [{declared['units']}]" for name, declared in facts["variables"].items()]
    lines.append(f"{'series':<12}{len(variables):>4}  {_shortened(variables, 24)}")
    lines.append(f"{'events':<12}{sum(facts['events'].values()):>4}  {', '.join(f'{n} {k}' for k, n in facts['events'].items())}")
    lines.append(f"{'clones':<12}{facts['clones']:>4}")
    lines.append(f"{'snapshots':<12}{len(facts['snapshots']):>4}  {_shortened([f'{n} (day {t:g})' for n, t in facts['snapshots'].items()])}")
    lines = [part for line in lines for part in textwrap.wrap(line, 158, subsequent_indent=" " * 18, break_long_words=False)]
    if run.dose_matrix is not None:  # a table of its many wells would say little
        return [*lines, *_dose_matrix(run.dose_matrix)]
    return lines + (_tables(run.endpoints) if len(run.endpoints) else [])


def _dose_matrix(matrix: xr.Dataset) -> list[str]:
    """Size of a dose matrix, and mean viabilities of each leukaemia: first drug down, second across."""
    a, b = (f"{matrix[f'drug_{x}'].item()} (nmol/L)" for x in "ab")
    sizes = " x ".join(str(matrix.sizes[name]) for name in ("dose_a", "dose_b"))
    lines = [f"{'dose matrix':<12}{sizes} wells, {matrix.sizes['replicate']} plates of each leukaemia; {a} down, {b} across"]
    for name in matrix["leukaemia"].values:
        values = matrix["viability_mean"].sel(leukaemia=name)
        frame = pd.DataFrame(values.values, [f"{d:g}" for d in matrix["dose_a"].values], [f"{d:g}" for d in matrix["dose_b"].values])
        lines += ["", f"{name}, viability:", frame.to_string(float_format=lambda v: f"{v:.3g}", line_width=160)]
    return lines


def _costs(resources: dict[str, Any]) -> str:
    wall, memory = resources.get("wall_seconds"), resources.get("peak_memory_mib")
    seconds = sum(wall.values()) if isinstance(wall, dict) else wall
    return (f", {seconds:.1f} s" if seconds else "") + (f", {memory:.0f} MiB" if memory else "")


def _shortened(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... {len(names) - most} more" if len(names) > most else "")


def _tables(endpoints: pd.DataFrame) -> list[str]:
    """One table per leukaemia: endpoints down, arms across."""
    units = endpoints.attrs.get("units", {})
    lines: list[str] = []
    groups = endpoints.groupby("leukaemia", sort=False) if "leukaemia" in endpoints.columns else [("", endpoints)]
    for name, group in groups:
        turned = medians(group.drop(columns="leukaemia", errors="ignore")).T
        turned.index = [f"{endpoint} [{units.get(str(endpoint), '')}]" for endpoint in turned.index]
        number = group.index.get_level_values("subject").nunique()
        lines += ["", f"{name}{', ' if name else ''}median of {number} subject{'s' if number > 1 else ''}:"]
        lines.append(turned.to_string(float_format=lambda v: f"{v:.3g}", na_rep="-", line_width=160))
    return lines


def cite(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Every number under its reference, grouped by kind."""
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, source in sorted(sources.items()):
        where = f" ({source['where']})" if source.get("where") else ""
        spread = f", range {source['range'][0]:g} to {source['range'][1]:g}" if _is_range(source.get("range")) else ""
        replaced = source.get("replaces") or {}
        before = f", instead of a number that is {replaced.get('kind')}: {replaced.get('ref', 'no reference')}" if replaced else ""
        grouped[str(source["kind"])][str(source.get("ref", "no reference"))].append(f"{key} = {source['value']:g}{spread}{where}{before}")
    lines = [f"Sources of {len(sources)} numbers: " + ", ".join(f"{sum(map(len, grouped[k].values()))} {k}" for k in KINDS if k in grouped)]
    for kind in (*KINDS, *sorted(set(grouped) - set(KINDS))):
        if kind in grouped:
            lines += ["", f"{kind.upper()}"]
            for reference, numbers in sorted(grouped[kind].items()):
                lines += [f"  {reference}", *(f"    {number}" for number in numbers)]
    return lines


def _is_range(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)


if __name__ == "__main__":
    sys.exit(main())
