"""The table that a run ends with on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_COLUMNS = 4
_TEXT_COLUMNS = 2
_FIRST = (
    "log10_reduction_at_end_of_treatment",
    "human_cd45_percent_at_end_of_treatment",
    "event_day",
    "neutrophils_nadir_percent_of_baseline",
    "platelets_nadir_percent_of_baseline",
    "detection_day",
)
_HEADERS = {
    "log10_reduction_at_end_of_treatment": "log10 kill",
    "human_cd45_percent_at_end_of_treatment": "hCD45 % at end",
    "event_day": "event day",
}


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """Lines of a table of medians per leukaemia and arm, the warnings, and what the run cost."""
    arms: Mapping[str, Any] = summary.get("arms") or {}
    columns = _columns(arms)
    rows = [["leukaemia", "arm", "n", *(_HEADERS.get(name, name.replace("_", " ")) for name in columns)]]
    groups = dict.fromkeys(group for arm in arms.values() for group in arm)
    for group in groups:
        for arm, by_group in arms.items():
            endpoints = by_group.get(group)
            if endpoints is not None:
                rows.append([group, arm, _size(endpoints, columns), *(_median(endpoints.get(name)) for name in columns)])
    lines = [""]
    if summary.get("dose_matrix"):
        lines += [*_dose_matrix(summary["dose_matrix"]), ""]
    elif columns:
        lines += ["Medians over subjects:", *_aligned(rows), ""]
    lines += [f"Warning: {warning}" for warning in summary.get("warnings") or ()]
    wall = summary.get("wall_seconds")
    lines.append(f"Seed {summary.get('seed')}, {summary.get('device') or 'device unknown'}" + (f", {wall:.1f} s" if isinstance(wall, (int, float)) else ""))
    return lines


def _dose_matrix(by_leukaemia: Mapping[str, Any]) -> list[str]:
    """IC50 of each drug, and the largest excess with its place; a line per leukaemia."""
    first = next(iter(by_leukaemia.values()))
    definitions = list(first["excess"])
    rows = [["leukaemia", "largest Bliss excess at", *(f"IC50 {drug}, nM" for drug in first["ic50_nm"]), *(f"{name} excess" for name in definitions)]]
    for leukaemia, found in by_leukaemia.items():
        at = found["excess"]["bliss"]["at_nm"] or {}
        where = " + ".join(f"{drug} {dose:g} nM" for drug, dose in at.items())
        ic50 = [_number(value["mean"]) for value in found["ic50_nm"].values()]
        rows.append([leukaemia, where, *ic50, *(_number(found["excess"][name]["largest"]) for name in definitions)])
    return ["Viability expected without interaction less the observed one, largest of any well; '-': not reached:", *_aligned(rows)]


def _columns(arms: Mapping[str, Any]) -> list[str]:
    """Endpoints worth a column: the known ones first, then others, as long as any subject has a value."""
    present = dict.fromkeys(
        name for by_group in arms.values() for endpoints in by_group.values() for name, value in endpoints.items() if value.get("median") is not None
    )
    ordered = [name for name in _FIRST if name in present] or list(present)
    return ordered[:MAX_COLUMNS]


def _size(endpoints: Mapping[str, Any], columns: list[str]) -> str:
    sizes = [endpoints[name].get("n", 0) for name in columns if name in endpoints]
    return str(max(sizes, default=0))


def _median(value: Mapping[str, Any] | None) -> str:
    return _number(None if value is None else value.get("median"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i < _TEXT_COLUMNS else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines
