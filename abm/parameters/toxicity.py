"""Criteria by which low blood counts are graded."""

from __future__ import annotations

from abm.records import named_parts, quantity, record, text


@record
class CountCriterion:
    """Limits of one blood count in adults; a grade is reached below its limit."""

    term: str = text("Term of the criteria.")
    units: str = text("Unit of the count.")
    healthy: float = quantity("units", "Count of a healthy adult; other species' limits are scaled by their healthy count over it.", above=0.0)
    grade_1: float = quantity("units", "Grade 1 below this count, the lower limit of the normal range.", above=0.0)
    grade_2: float = quantity("units", "Grade 2 below this count.", above=0.0)
    grade_3: float = quantity("units", "Grade 3 below this count.", above=0.0)
    grade_4: float | None = quantity("units", "Grade 4 below this count; null where it is not defined by a count.", above=0.0)

    @property
    def limits(self) -> tuple[float, ...]:
        """Limits of grades 1, 2, 3 and, where there is one, 4."""
        four = () if self.grade_4 is None else (self.grade_4,)
        return (self.grade_1, self.grade_2, self.grade_3, *four)


@record
class Toxicity:
    """Criteria of low blood counts."""

    label: str = text("Name of the criteria.")
    recovered_fraction: float = quantity("1", "Share of the reference at which a count has recovered.", above=0.0, high=1.0)
    counts: dict[str, CountCriterion] = named_parts("Limits by readout.")
