"""A forecast as aligned text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abm.studies.forecast.record import Forecast, Memory, RunTime, StepForecast, Verdict

# More lines of a table than this are not shown; the first of them are.
MOST_LINES = 16
_INDENT = "  "
_COURSE_TITLE = "Expected burden of a typical subject; kill and packets at the end of treatment, kill below day 0 (negative: growth)"
_MUTATION_TITLE = "Mutations per subject = u x integral of division hazard x cycling cells, along the expected burden; fitness of mutants is ignored"


def forecast_lines(forecast: Forecast) -> list[str]:
    """Lines of a forecast; the verdicts come last."""
    lines = [f"Forecast of {forecast.name}: {forecast.size}"]
    if forecast.step is not None:
        lines += _step_lines(forecast.step)
    lines += _start_lines(forecast)
    lines += _course_lines(forecast)
    lines += _packet_lines(forecast)
    lines += _mutant_lines(forecast)
    if forecast.memory is not None:
        lines += _memory_lines(forecast.memory)
    if forecast.time is not None:
        lines += _time_lines(forecast.time)
    lines += [f"{_INDENT}{note}" for note in forecast.notes]
    return [*lines, "", *verdict_lines(forecast)]


def verdict_lines(forecast: Forecast) -> list[str]:
    """One line for each verdict, or that all is well."""
    return [verdict_text(verdict) for verdict in forecast.verdicts] or ["ok: nothing stands against this run"]


def verdict_text(verdict: Verdict) -> str:
    """A verdict with its advice."""
    return f"{verdict.level}: {verdict.text}.  advice: {verdict.advice}"


def _step_lines(step: StepForecast) -> list[str]:
    cut = "" if math.isclose(step.asked_hours, step.used_hours) else f" (asked {step.asked_hours:g} h, cut by the engine)"
    rows = [["rate", "1/d", "x interval", "", "how"]]
    for h in sorted(step.hazards, key=lambda h: (h.interval, -h.product)):
        rows.append([h.name, number(h.per_day), number(h.product), h.interval, h.law + (f"; {h.where}" if h.where else "")])
    return [
        f"Step {step.used_hours:g} h{cut}, window {step.window_hours:g} h, packing {step.packing_hours:g} h",
        *_table(rows, left=(0, 3, 4)),
        f"{_INDENT}births per draw {number(step.births_per_draw)} of {step.most_births_per_draw:g}: windows up to {step.longest_window_hours:.3g} h are exact",
        f"{_INDENT}error of the burden, against the same equations at finer steps: {number(step.error_log10)} log10 ({step.error_where}); "
        f"by windows {number(step.window_error_log10)} log10",
    ]


def _start_lines(forecast: Forecast) -> list[str]:
    if not forecast.starts:
        return []
    rows = [["leukaemia", "seeded, cells", "at randomisation, cells", "day", "5-95 % of subjects, day"]]
    for s in forecast.starts:
        rows.append([s.leukaemia, number(s.seeded), number(s.burden), number(s.day), f"{number(s.early_day)} to {number(s.late_day)}"])
    return ["Engraftment, typical subject (expected values of the same equations)", *_table(rows)]


def _course_lines(forecast: Forecast) -> list[str]:
    if not forecast.courses:
        return []
    heads = ["", "arm", "peak, cells", "day", "log10 kill at end"]
    resolved = forecast.packets is not None
    rows = [heads + (["cells/packet at peak", "packets that carry it", "sd by packets, log10"] if resolved else [])]
    for c in forecast.courses[:MOST_LINES]:
        tail = [number(x) for x in (c.cells_per_packet, c.effective_packets, c.sampling_log10)] if resolved else []
        rows.append([c.leukaemia, c.arm, number(c.peak), number(c.peak_day), f"{c.reduction_log10:.2f}", *tail])
    more = len(forecast.courses) - MOST_LINES
    return [_COURSE_TITLE if resolved else "Expected cells, exact", *_table(rows, left=(0, 1)), *([f"{_INDENT}and {more} more"] if more > 0 else [])]


def _packet_lines(forecast: Forecast) -> list[str]:
    p = forecast.packets
    if p is None:
        return []
    clones = f"{p.clone_rows} clone rows" + (f" ({p.own_rows} own, {p.pooled_rows} pooled)" if p.own_rows + p.pooled_rows else "")
    shares = [f"{name}: " + ", ".join(f"{clone} {n:.0f}" for clone, n in by_clone.items()) for name, by_clone in p.shares.items()]
    return [
        f"Packets {p.resolution} a subject, capacity {p.capacity}, {p.lead_in_rows} rows in the lead-in, {p.rows} in the trial, {clones}",
        f"{_INDENT}packets per clone at the start: {'; '.join(shares)}",
    ]


def _mutant_lines(forecast: Forecast) -> list[str]:
    if not forecast.mutants:
        return []
    arms, early = list(forecast.mutants[0].during), forecast.packets is not None
    heads = ["before day 0", "P(any)", "cells on day 0"] if early else []
    rows = [["", "mechanism", "u per division", *heads, *(f"+ {arm}" for arm in arms)]]
    for m in forecast.mutants[:MOST_LINES]:
        before = [number(m.before), number(m.chance_before), number(m.cells_at_start)] if early else []
        rows.append([m.leukaemia, m.mechanism, number(m.per_division), *before, *(number(m.during[arm]) for arm in arms)])
    more = len(forecast.mutants) - MOST_LINES
    return [_MUTATION_TITLE, *_table(rows, left=(0, 1)), *([f"{_INDENT}and {more} more"] if more > 0 else [])]


def _memory_lines(m: Memory) -> list[str]:
    lines = [
        f"Memory about {size(m.peak)} at the peak: state {size(m.state)} ({size(m.per_row)} a row), copies and temporaries {size(m.working)}, "
        f"results {size(m.output)}, program {size(m.process)}",
        f"{_INDENT}this machine has {size(m.total)}, {size(m.available)} free",
    ]
    if m.device_peak:
        room = size(m.device_total) if m.device_total else "an unknown amount"
        lines.append(f"{_INDENT}on {m.device}: {size(m.device_peak)} of {room}")
    return lines


def _time_lines(t: RunTime) -> list[str]:
    lead_in = f" (lead-in {number(t.lead_in_steps)})" if t.lead_in_steps else ""
    work = f"{number(t.lead_in_steps + t.trial_steps)} {t.unit}{lead_in}"
    return [f"Time {duration(t.low_seconds)} to {duration(t.high_seconds)}: {work}", f"{_INDENT}based on {t.basis}"]


def number(x: float) -> str:
    """Three digits, or '-' for what is not a number."""
    if math.isnan(x):
        return "-"
    return f"{x:.3g}" if x == 0.0 or 1e-3 <= abs(x) < 1e5 else f"{x:.2e}"


def size(number_of_bytes: float) -> str:
    """Bytes for a reader."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number_of_bytes < 1024.0:
            return f"{number_of_bytes:.3g} {unit}"
        number_of_bytes /= 1024.0
    return f"{number_of_bytes:.3g} PiB"


def duration(seconds: float) -> str:
    """Seconds for a reader."""
    for limit, per, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / per:.0f} {unit}"
    return f"{seconds / 86400.0:.1f} d"


def _table(rows: Sequence[Sequence[str]], left: Iterable[int] = (0,)) -> list[str]:
    """Aligned rows; columns are to the right, those of `left` to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    to_left = set(left)
    return [
        (_INDENT + "  ".join(cell.ljust(w) if i in to_left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))).rstrip()
        for row in rows
    ]
