"""The file format as data: groups, variables, dimensions, units.  Prose: `abm/guides/output.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from abm.errors import FormatError

FORMAT = "abm-run"
FORMAT_VERSION = "1.0"
OLDEST_READABLE = 1
MODEL_VERSION = "1.0"
FILE_NAME = "run.h5"
CONFIG_NAME = "config.yaml"
SUMMARY_NAME = "summary.json"

ROOT_ATTRIBUTES = ("format", "format_version", "model_version", "software", "created", "config", "provenance")
REQUIRED_GROUPS = ("series", "endpoints", "events", "clones", "cells", "engine")
ARRAY_GROUPS = ("series", "lead_in", "endpoints", "engine", "dose_matrix")
TABLE_GROUPS = ("events", "clones")


# `count` may be real and in a unit of its own where the whole numbers stand beside it (or there are none: equations).
COUNT_MAY_BE_REAL_IN = "unit of circ0"


class NotARun(FormatError):
    """The file is not a result of this program, or it is damaged."""


class TooOld(FormatError):
    """The file was written in a format that is no longer read."""


class TooNew(FormatError):
    """The file was written by a later version in a format that is not known here."""


@dataclass(frozen=True)
class Variable:
    """One variable; `dims` is None where any are allowed, `units` None where each run has its own."""

    name: str
    dims: tuple[str, ...] | None
    kind: str  # integer | real | flag | text
    units: str | None
    long_name: str


ROW = ("arm", "subject")
CURVE = (*ROW, "time")
COUNTS = (*CURVE, "population")
BANDS = (*CURVE, "quantile")

AXES = {
    axis.name: axis
    for axis in (
        Variable("arm", ("arm",), "text", "1", "Arm of the trial"),
        Variable("subject", ("subject",), "text", "1", "Subject"),
        Variable("time", ("time",), "real", "d", "Time since randomisation"),
        Variable("population", ("population",), "text", "1", "Population of cells"),
        Variable("drug", ("drug",), "text", "1", "Drug"),
        Variable("quantile", ("quantile",), "real", "1", "Quantile over cells"),
        Variable("leukaemia", ("subject",), "text", "1", "Leukaemia of the subject"),
        Variable("phase", ("phase",), "text", "1", "Phase of the program"),
        Variable("row", ("row",), "integer", "1", "Row of the table"),
    )
}

SERIES = (
    Variable("count", COUNTS, "integer", "cells", "Number of cells"),
    Variable("cells", COUNTS, "integer", "cells", "Number of cells, where `count` is in another unit"),
    Variable("births", COUNTS, "integer", "cells", "Cells born since day 0"),
    Variable("deaths", COUNTS, "integer", "cells", "Cells that died since day 0"),
    Variable("gained", COUNTS, "integer", "cells", "Cells that came from other populations since day 0"),
    Variable("lost", COUNTS, "integer", "cells", "Cells that went to other populations since day 0"),
    Variable("concentration", (*CURVE, "drug"), "real", None, "Drug concentration"),
    Variable("human_cd45_fraction", CURVE, "real", "1", "Human CD45+ fraction of blood leukocytes"),
    Variable("blast_fraction", CURVE, "real", "1", "Blast fraction of marrow cells"),
    Variable("mrd", CURVE, "real", "1", "Leukaemic share of nucleated marrow cells, exact"),
    Variable("neutrophils", CURVE, "real", "1e9/L", "Neutrophils in blood"),
    Variable("platelets", CURVE, "real", "1e9/L", "Platelets in blood"),
    Variable("haemoglobin", CURVE, "real", "g/L", "Haemoglobin"),
    Variable("lymphocytes", CURVE, "real", "1e9/L", "Lymphocytes in blood"),
    Variable("monocytes", CURVE, "real", "1e9/L", "Monocytes in blood"),
    Variable("leukocytes", CURVE, "real", "1e9/L", "Healthy leukocytes in blood"),
    Variable("mtorc1", BANDS, "real", "1", "mTORC1 activity of leukaemic cells (healthy = 1)"),
    Variable("isr", BANDS, "real", "1", "Integrated stress response of leukaemic cells"),
    Variable("bmf", BANDS, "real", "nmol/L", "BMF of leukaemic cells"),
    Variable("free_activator", BANDS, "real", "nmol/L", "Free BH3 activator of leukaemic cells"),
)

ENDPOINTS = (
    Variable("log10_reduction_at_end_of_treatment", ROW, "real", "1", "Log10 reduction of leukaemic cells, day 0 to end of treatment"),
    Variable("log10_burden_vs_vehicle_at_end_of_treatment", ROW, "real", "1", "Log10 leukaemic cells over the vehicle's, end of treatment"),
    Variable("event_day", ROW, "real", "d", "Day of the event, or of the last observation without one"),
    Variable("event_observed", ROW, "flag", "1", "Whether the event was observed"),
    Variable("cleared_day", ROW, "real", "d", "First day at or below the clearance threshold"),
    Variable("relapse_day", ROW, "real", "d", "Day of relapse after clearance"),
    Variable("relapse_clone", ROW, "text", "1", "Clone that leads the relapse"),
    Variable("responded", ROW, "flag", "1", "Whether human CD45+ cells in blood fell to a fifth of their level at randomisation"),
    Variable("mlfs_day", ROW, "real", "d", "First day of a morphological leukaemia-free state or better"),
    Variable("cri_day", ROW, "real", "d", "First day of a complete remission with incomplete recovery of the blood, or better"),
    Variable("cr_day", ROW, "real", "d", "First day of a complete remission"),
    Variable("best_response", ROW, "text", "1", "Best response: CR, CRi, MLFS or none"),
    Variable("complete_remission", ROW, "flag", "1", "Whether there was a complete remission"),
    Variable("remission", ROW, "flag", "1", "Whether there was a remission, complete or with incomplete recovery of the blood"),
    Variable("event_kind", ROW, "text", "1", "Kind of the event: relapse, no_remission or toxic_death"),
    Variable("overall_survival_day", ROW, "real", "d", "Day of death, external (drawn from publications), or of the last observation"),
    Variable("overall_survival_observed", ROW, "flag", "1", "Whether that was death"),
    Variable("tumour_lysis_cells_per_day", ROW, "real", "cells/d", "Largest number of leukaemic cells that die per day"),
    Variable("tumour_lysis_day", ROW, "real", "d", "Day on which that interval begins"),
    Variable("tumour_lysis_risk", ROW, "flag", "1", "Whether that number reached the limit of the clinic, a proxy of tumour lysis"),
    Variable("toxic_death_day", ROW, "real", "d", "Day of a death of low counts as the first event, external (drawn from published hazards)"),
    Variable("toxic_death_cause", ROW, "text", "1", "Hazard that it is drawn from"),
    Variable("detection_day", ROW, "real", "d", "Day on which the sensitive cells reach the size of detection"),
)

ENDPOINT_PATTERNS = (
    Variable(r"(?P<what>\w+)_nadir_percent", ROW, "real", "%", "Nadir of {what}, percent of the vehicle twin"),
    Variable(r"(?P<what>\w+)_nadir_day", ROW, "real", "d", "Day of the nadir of {what}"),
    Variable(r"(?P<what>\w+)_nadir", ROW, "real", None, "Lowest count of {what}"),
    Variable(r"(?P<what>\w+)_grade_3_days", ROW, "real", "d", "Days with {what} at CTCAE v5 grade 3 or more"),
    Variable(r"(?P<what>\w+)_recovery_day", ROW, "real", "d", "Day of recovery of {what}"),
    Variable(r"(?P<what>\w+)_ctcae_grade", ROW, "integer", "1", "Highest CTCAE v5 grade of {what}"),
    Variable(r"mrd_negative_day_(?P<what>\w+)", ROW, "flag", "1", "Whether residual disease on day {what} is below the limit of the assay"),
    Variable(r"mrd_day_(?P<what>\w+)", ROW, "real", "1", "Residual disease on day {what} as the assay reads it"),
    Variable(r"auc_(?P<what>\w+)", ROW, "real", None, "Area under the concentration of {what}"),
    Variable(r"c_max_(?P<what>\w+)", ROW, "real", None, "Highest concentration of {what}"),
    Variable(r"c_trough_(?P<what>\w+)", ROW, "real", None, "Lowest concentration of {what} between doses"),
)

EVENTS = (
    Variable("arm", ("row",), "text", "1", "Arm"),
    Variable("subject", ("row",), "text", "1", "Subject"),
    Variable("kind", ("row",), "text", "1", "Kind of event"),
    Variable("time", ("row",), "real", "d", "Time since randomisation"),
    Variable("value", ("row",), "real", "1", "Value that belongs to the event, in the unit of its kind"),
)

CLONES = (
    Variable("id", ("row",), "integer", "1", "Clone"),
    Variable("parent", ("row",), "integer", "1", "Clone that it arose from; -1 for a founder"),
    Variable("mechanism", ("row",), "text", "1", "Mechanism that sets it apart from its parent"),
    Variable("birth_time", ("row",), "real", "d", "Time of its first cell since randomisation"),
    Variable("origins", ("row",), "integer", "1", "Number of independent origins"),
    Variable("pooled", ("row",), "flag", "1", "Whether several origins share this line"),
    Variable("arm", ("row",), "text", "1", "Arm"),
    Variable("subject", ("row",), "text", "1", "Subject"),
    Variable("count", ("row",), "integer", "cells", "Cells on the last day"),
)
OPTIONAL_COLUMNS = {"clones": frozenset({"arm", "subject", "count"})}
COLUMN_ALIASES = {"time_days": "time", "birth_time_days": "birth_time"}

ENGINE = (
    Variable("packets", None, "integer", "1", "Packets in use at the end"),
    Variable("packets_peak", None, "integer", "1", "Largest number of packets in use"),
    Variable("splits", None, "integer", "1", "Splits of packets"),
    Variable("merges", None, "integer", "1", "Merges of packets"),
    Variable("capacity", None, "integer", "1", "Packets that the arrays hold per subject and arm"),
    Variable("dt_hours", None, "real", "h", "Step"),
    Variable("device", None, "text", "1", "Device"),
    Variable("wall_seconds", None, "real", "s", "Wall time"),
)

_PLATES = ("leukaemia", "dose_a", "dose_b")
DOSE_MATRIX = (
    Variable("leukaemia", ("leukaemia",), "text", "1", "Leukaemia"),
    Variable("dose_a", ("dose_a",), "real", "nmol/L", "Concentration of the first drug in the medium"),
    Variable("dose_b", ("dose_b",), "real", "nmol/L", "Concentration of the second drug in the medium"),
    Variable("replicate", ("replicate",), "integer", "1", "Plate"),
    Variable("drug_a", (), "text", "1", "First drug"),
    Variable("drug_b", (), "text", "1", "Second drug"),
    Variable("viability", (*_PLATES, "replicate"), "real", "1", "Viable cells over those of the untreated well of the plate"),
    Variable("viability_mean", _PLATES, "real", "1", "Viability, mean over plates"),
    Variable("excess_bliss", _PLATES, "real", "1", "Viability expected by Bliss less the observed one"),
    Variable("excess_hsa", _PLATES, "real", "1", "Viability expected by HSA less the observed one"),
    Variable("excess_loewe", _PLATES, "real", "1", "Viability expected by Loewe less the observed one"),
    Variable("excess_zip", _PLATES, "real", "1", "Viability expected by ZIP less the observed one"),
)

_KNOWN = {
    "series": {v.name: v for v in SERIES},
    "lead_in": {v.name: v for v in SERIES},
    "endpoints": {v.name: v for v in ENDPOINTS},
    "events": {v.name: v for v in EVENTS},
    "clones": {v.name: v for v in CLONES},
    "engine": {v.name: v for v in ENGINE},
    "dose_matrix": {v.name: v for v in DOSE_MATRIX},
}

SHARES = ("human_cd45_fraction", "blast_fraction", "mrd")
FINITE = ("concentration", "human_cd45_fraction", "blast_fraction", "mrd", "neutrophils", "platelets", "haemoglobin", "lymphocytes")


def describe(group: str, name: str) -> Variable | None:
    """Declaration of a variable of a group; None for an extension that the layout does not name."""
    top = group.split("/")[0]
    found = _KNOWN.get(top, {}).get(name)
    if found is None and (top in ARRAY_GROUPS or name == "row"):
        found = AXES.get(name)
    if found is None and top == "endpoints":
        found = _from_pattern(name)
    if found is not None and top == "lead_in" and found.dims is not None:
        dims = tuple(d for d in found.dims if d != "arm")
        long_name = "Time since injection" if name == "time" else found.long_name.replace("since day 0", "since injection")
        found = Variable(name, dims, found.kind, found.units, long_name)
    return found


def _from_pattern(name: str) -> Variable | None:
    for pattern in ENDPOINT_PATTERNS:
        match = re.fullmatch(pattern.name, name)
        if match:
            what = match["what"].replace("_", " ")
            return Variable(name, pattern.dims, pattern.kind, pattern.units, pattern.long_name.format(what=what))
    return None


def required_columns(group: str) -> tuple[str, ...]:
    """Columns that a table must have."""
    optional = OPTIONAL_COLUMNS.get(group, frozenset())
    return tuple(name for name in _KNOWN[group] if name not in optional)
