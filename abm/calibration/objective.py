"""What is fitted to what: residuals of a set of numbers against measured values and published targets, in standard deviations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from abm.calibration.courses import Courses, Resolution, Scene, simulate_courses
from abm.calibration.errors import LARGEST, ErrorLaw, target_residual
from abm.calibration.free_numbers import FreeNumber, has_key, values_at
from abm.parameters.experiment import Experiment
from abm.parameters.measured import Measurement
from abm.studies.robustness_draws import changed
from abm.targets.published import Published
from abm.targets.twin import SHIPPED, twin_values

Array = NDArray[np.float64]
# Sets of numbers that one program computes together; fewer are filled up, so that it is compiled once.
BATCH = 8


@dataclasses.dataclass(frozen=True)
class Problem:
    """Data, free numbers and what they are compared with.

    Attributes:
        experiment: The trial that the measured values belong to.
        library: The same with every leukaemia, lineage and drug, for the published targets.
        numbers: What is fitted.
        measured: Values used for the fit.
        laws: Of their errors, by variable.
        targets: Published targets used for the fit.
        batch: Sets of numbers computed together.
    """

    experiment: Experiment
    library: Experiment
    numbers: tuple[FreeNumber, ...]
    measured: tuple[Measurement, ...]
    laws: dict[str, ErrorLaw]
    targets: tuple[Published, ...]
    resolution: Resolution = dataclasses.field(default_factory=Resolution)
    batch: int = BATCH
    tell: Callable[[int], None] = lambda evaluations: None

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Leukaemias and arms that were measured."""
        return tuple(dict.fromkeys((m.leukaemia, m.arm) for m in self.measured))

    @property
    def start(self) -> Array:
        """Places of the configured numbers."""
        return np.array([number.place(number.value) for number in self.numbers])

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Which residuals belong to one subject: a number per residual; values without a subject, and targets, stand alone."""
        names: list[tuple[str, ...]] = []
        for i, m in enumerate(self.measured):
            names.append((m.leukaemia, m.arm, m.subject) if m.subject else ("", "", str(i)))
        names += [("", "target", entry.key) for entry in self.targets]
        order = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array([order[name] for name in names], np.int64)

    def residuals(self, places: Array) -> Array:
        """Residuals (points, observations) at places (points, numbers): of the measured values, then of the targets."""
        parts = [self._measured_residuals(places[k : k + self.batch]) for k in range(0, len(places), self.batch)] if self.measured else []
        measured = np.concatenate(parts) if parts else np.zeros((len(places), 0))
        targets = np.array([[target_residual(e, v) for e, v in zip(self.targets, self.target_values(p), strict=True)] for p in places])
        if not self.measured:
            self.tell(len(places))
        return np.concatenate([measured, targets.reshape(len(places), len(self.targets))], axis=1)

    def target_values(self, place: Array, targets: Sequence[Published] | None = None) -> list[float]:
        """Simulated values of targets (those of the fit by default) at one place."""
        entries = self.targets if targets is None else targets
        if not entries:
            return []
        values = twin_values(with_numbers(self.library, values_at(self.numbers, place)), [e.key for e in entries], SHIPPED)
        return [values[e.key] for e in entries]

    def _measured_residuals(self, places: Array) -> Array:
        filled = np.concatenate([places, np.repeat(places[-1:], self.batch - len(places), axis=0)])
        courses = self.courses(filled, self.scenes, max(m.day for m in self.measured))
        self.tell(len(places))
        return np.clip(measured_residuals(courses, self.measured, self.scenes, self.laws), -LARGEST, LARGEST)[: len(places)]

    def courses(self, places: Array, scenes: Sequence[Scene], days: float) -> Courses:
        """Courses of typical subjects at places."""
        experiments = [with_numbers(self.experiment, values_at(self.numbers, place)) for place in places]
        return simulate_courses(experiments, scenes, days, self.resolution)


def with_numbers(experiment: Experiment, values: dict[str, float]) -> Experiment:
    """The experiment with other numbers; keys of parts that it does not use are left out."""
    found: Experiment = changed(experiment, {key: value for key, value in values.items() if has_key(experiment, key)})
    return found


def measured_residuals(courses: Courses, measured: Sequence[Measurement], scenes: Sequence[Scene], laws: dict[str, ErrorLaw]) -> Array:
    """(simulated - measured) / sd on the scale of the errors, (experiments, measured values)."""
    curves = {name: law.transformed(courses.values[name]) for name, law in laws.items()}
    columns = []
    for m in measured:
        law = laws[m.variable]
        curve = curves[m.variable][:, :, scenes.index((m.leukaemia, m.arm))]
        k = min(int(np.searchsorted(courses.days, m.day, side="right")) - 1, len(courses.days) - 2)
        share = (m.day - courses.days[k]) / (courses.days[k + 1] - courses.days[k])
        columns.append(((1.0 - share) * curve[k] + share * curve[k + 1] - float(law.transformed(np.array(m.value)))) / law.sd)
    return np.stack(columns, axis=1)
