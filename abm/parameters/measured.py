"""A measurement of the laboratory that a trial is shown beside: which variables there are, and in which units they may be written."""

from __future__ import annotations

from abm.records import count, quantity, record, text

_SHARE = {"1": 1.0, "%": 0.01}
_COUNT = {"1e9/L": 1.0, "1e3/uL": 1.0, "1/uL": 1e-3}

# Variables of the series that can be measured; of each its units with the factor to that of the series, which comes first.
VARIABLES: dict[str, dict[str, float]] = {
    "human_cd45_fraction": _SHARE,
    "blast_fraction": _SHARE,
    "mrd": _SHARE,
    "neutrophils": _COUNT,
    "platelets": _COUNT,
    "lymphocytes": _COUNT,
    "monocytes": _COUNT,
    "leukocytes": _COUNT,
    "haemoglobin": {"g/L": 1.0, "g/dL": 10.0},
}
SHARES = tuple(name for name, units in VARIABLES.items() if units is _SHARE)


@record
class Measurement:
    """One measured value."""

    arm: str = text("Arm of the trial that it belongs to.")
    leukaemia: str = text("Leukaemia of the subject.")
    subject: str = text("Name of the subject; empty = not told apart.", default="")
    day: float = quantity("d", "Days since randomisation.", low=0.0)
    variable: str = text("Variable of the series.")
    value: float = quantity("unit of the series", "Measured value.", low=0.0)
    file: str = text("File that it was read from.", default="")
    line: int = count("Line of that file.", default=0)

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"measured: {self.file}, line {self.line}"
