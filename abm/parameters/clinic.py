"""How a clinic looks at a patient: assays of residual disease, criteria of response, survival after failure."""

from __future__ import annotations

import numpy as np

from abm.records import choice, listing, named_parts, part, quantity, record, text


@record
class Assay:
    """How a readout is measured (`abm.readouts.laboratory`): residual disease in the marrow, or any readout that a visit asks for."""

    label: str = text("Label in figures.", default="")
    cv: float = quantity("1", "CV of the reading (log-normal with mean 1).", low=0.0, high=2.0, default=0.0)
    cells_assayed: float | None = quantity("cells", "Cells that the assay of a share looks at (Poisson); null = all.", above=0.0, default=None)
    limit_of_detection: float = quantity("readout", "A smaller reading is negative: it counts as 0.", low=0.0, default=0.0)


@record
class Salvage:
    """Survival after a treatment has failed, from publications: Weibull's law through one published point.

    The share alive a time t after failure is share_alive ^ ((t / months) ^ shape).
    """

    label: str = text("Whose survival it is.")
    months: float = quantity("months", "Time after failure of the published point.", above=0.0)
    share_alive: float = quantity("1", "Share alive then.", above=0.0, high=1.0)
    shape: float = quantity("1", "Weibull's shape; below 1 most die early and the curve levels off.", above=0.0, high=5.0)


@record
class CountHazard:
    """A hazard of death on days with a low blood count, from publications."""

    readout: str = text("Blood count.")
    below: float = quantity("readout", "The hazard acts while the count is below this.", above=0.0)
    per_day: float = quantity("1/d", "Hazard of death; hazards that act at once add up.", low=0.0, high=1.0)


@record
class Clinic:
    """Criteria by which the course of a patient is judged; xenografts are judged by `trial` alone."""

    label: str = text("Label in figures.")
    age_group: str = choice("Whom the numbers are for.", ("adult", "child"))
    marrow_days: list[float] = listing("Days on which the marrow is looked at; none, and no interval = at every look of the series.", default=())
    marrow_interval_days: float | None = quantity(
        "d", "Interval of further looks at the marrow after the last of those days; null = none.", above=0.0, default=None
    )
    remission_blasts: float = quantity("1", "Share of blasts in the marrow below which it is in remission, and at which it has relapsed.", above=0.0, high=1.0)
    overt_blasts: float = quantity("1", "Share of blasts at which a relapse shows between two looks at the marrow.", above=0.0, high=1.0, default=0.25)
    remission_neutrophils: float = quantity("1e9/L", "Neutrophils of a complete remission.", low=0.0)
    remission_platelets: float = quantity("1e9/L", "Platelets of a complete remission.", low=0.0)
    extramedullary_cells: float = quantity("cells", "Leukaemic cells outside marrow and blood (a population such as leukaemia_cns) that are found.", above=0.0)
    remission_by_day: float | None = quantity("d", "Day on which a patient who was never in remission counts as failed; null = never.", above=0.0)
    salvage: Salvage = part("Survival after relapse or failure; published, not simulated.")
    toxic_death: dict[str, CountHazard] = named_parts("Deaths of low counts by cause; published hazards on simulated counts.", default={})
    tumour_lysis_cells_per_day: float | None = quantity(
        "cells/d", "Leukaemic cells dying per day from which tumour lysis is a risk (a proxy); null = not judged.", above=0.0, default=None
    )

    def marrow_visits(self, until_day: float) -> list[float]:
        """Days up to a last one on which the marrow is looked at; empty if the clinic keeps no calendar."""
        last = max(self.marrow_days, default=0.0)
        every = self.marrow_interval_days
        later = [] if every is None else np.arange(last + every, until_day + 0.5 * every, every).tolist()
        return [day for day in sorted({*self.marrow_days, *later}) if day <= until_day]
