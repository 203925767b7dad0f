"""From the keys of a dose matrix to wells: an arm for every pair of concentrations, on cells that grow as in a dish."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from abm.models.xenograft_setup import Rows
from abm.parameters.dose_matrix import DoseMatrix, well_name, with_zero
from abm.parameters.drug import Drug
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Arm, DoseEvent, Regimen
from abm.pharmacology.medium import unbound_in_medium
from abm.subject import SubjectTable, cohort_subjects
from abm.units import hours_to_days, mg_per_l_to_nmol_per_l


@dataclasses.dataclass(frozen=True)
class Wells:
    """All wells of a study; rows of the engine are (pair of concentrations, subject).

    Attributes:
        experiment: The experiment whose arms are the pairs; its leukaemias grow and its drugs bind as in the dish.
        settings: Keys of the study.
        doses: Concentrations of each drug, 0 first, nmol/L.
        subjects: Plates: one leukaemia and replicate each.
        plated: Subjects that are plated, one for each entry of `source`'s values.
        source: Plated subject of every row, int (rows,).
        rows: What stands in every row.
    """

    experiment: Experiment
    settings: DoseMatrix
    doses: tuple[list[float], list[float]]
    subjects: SubjectTable
    plated: SubjectTable
    source: np.ndarray
    rows: Rows

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(first drug, second drug, replicates, leukaemias): rows lie in this order."""
        leukaemias = len(self.experiment.cohort.leukaemias)
        return len(self.doses[0]), len(self.doses[1]), len(self.subjects.labels) // leukaemias, leukaemias

    def by_matrix(self, values: np.ndarray) -> np.ndarray:
        """Values of rows, (rows, ...), as (leukaemia, first drug, second drug, replicate, ...)."""
        return np.moveaxis(values.reshape(*self.shape, *values.shape[1:]), 3, 0)


def make_wells(experiment: Experiment) -> Wells:
    """The wells of `experiment`."""
    assert experiment.dose_matrix is not None  # a task without its keys was refused by the configuration
    settings = DoseMatrix(**experiment.dose_matrix)
    doses = with_zero(settings.doses_a_nm), with_zero(settings.doses_b_nm)
    dish = in_dish(experiment, settings)
    pairs = {well_name(settings.drug_a, a, settings.drug_b, b): (a, b) for a in doses[0] for b in doses[1]}
    dish = dataclasses.replace(
        dish,
        regimens={name: _regimen(dish, settings, name, pair) for name, pair in pairs.items()},
        arms={name: Arm(regimen=name) for name in pairs},
    )
    cohort = dish.cohort
    subjects = cohort_subjects(dish.seed, tuple(cohort.leukaemias), cohort.subjects)
    n, wells = len(subjects.labels), len(pairs)
    plated, source = subjects, np.tile(np.arange(n), wells)
    if cohort.design == "parallel":  # every well has cells of its own
        tables = [cohort_subjects(dish.seed, tuple(cohort.leukaemias), cohort.subjects, arm=name) for name in pairs]
        keys = np.concatenate([table.keys for table in tables])
        plated, source = SubjectTable(subjects.labels * wells, subjects.leukaemias * wells, keys), np.arange(n * wells)
    leukaemias = tuple(plated.leukaemias[i] for i in source)
    rows = Rows(plated.keys[source], leukaemias, np.repeat(np.arange(wells, dtype=np.int32), n))
    return Wells(dish, settings, doses, subjects, plated, source, rows)


def in_dish(experiment: Experiment, settings: DoseMatrix) -> Experiment:
    """The experiment with the growth of the dish, drugs that bind to its medium, and a course as long as the culture."""
    days = hours_to_days(settings.hours)
    trial = dataclasses.replace(experiment.trial, treatment_days=days, follow_up_days=days)
    return dataclasses.replace(
        experiment,
        trial=trial,
        leukaemias={name: dataclasses.replace(leukaemia, growth=settings.growth) for name, leukaemia in experiment.leukaemias.items()},
        drugs={name: _in_medium(drug, experiment.host.species, settings.serum_fraction) for name, drug in experiment.drugs.items()},
    )


def _in_medium(drug: Drug, species: str, serum_fraction: float) -> Drug:
    pk = drug.pharmacokinetics[species]
    bound = dataclasses.replace(pk, fraction_unbound=unbound_in_medium(pk.fraction_unbound, serum_fraction))
    return dataclasses.replace(drug, pharmacokinetics={**drug.pharmacokinetics, species: bound})


def _regimen(dish: Experiment, settings: DoseMatrix, name: str, pair: tuple[float, float]) -> Regimen:
    drugs = (settings.drug_a, settings.drug_b)
    return Regimen(label=name, events=[_put_in(dish, drug, dose) for drug, dose in zip(drugs, pair, strict=True)])


def _put_in(dish: Experiment, drug: str, concentration_nm: float) -> DoseEvent:
    """The bolus at the start that makes a concentration in the medium."""
    pk = dish.drugs[drug].pharmacokinetics[dish.host.species]
    amount = concentration_nm / mg_per_l_to_nmol_per_l(dish.drugs[drug].molar_mass_g_per_mol) * pk.central_volume_l / pk.bioavailability
    numbers: dict[str, Any] = {"day": 0.0, "amount": amount, "duration_h": 0.0, "interval_days": 1.0, "additional": 0}
    return DoseEvent(drug=drug, amount_unit="mg", skip_days=[], **numbers)
