"""Checks of a dose matrix that need more than one value."""

from __future__ import annotations

from itertools import pairwise

from abm.errors import unknown_name
from abm.parameters.dose_matrix import DoseMatrix, with_zero
from abm.parameters.experiment import Experiment

DISH = "dish"
_TOLERANCE = 1e-6


def check_dose_matrix(experiment: Experiment, problems: list[str]) -> None:
    """Append one line to `problems` for everything in a dose matrix that does not fit together."""
    if experiment.dose_matrix is None:
        return  # noted already
    settings, host = DoseMatrix(**experiment.dose_matrix), experiment.host
    if host.species != DISH:
        problems.append(f"host.species = {host.species}: a dose matrix is made in a dish; choose host=dish.")
    if experiment.arms:
        problems.append(f"arms = {', '.join(experiment.arms)}: a dose matrix makes its own arms from its doses; choose arms=none.")
    if experiment.cohort.resistance:
        problems.append(f"cohort.resistance = {list(experiment.cohort.resistance)}: cells do not mutate in a dose matrix; choose cohort.resistance=[].")
    _check_drugs(experiment, settings, problems)
    for name in ("a", "b"):
        _check_doses(f"dose_matrix.doses_{name}_nm", getattr(settings, f"doses_{name}_nm"), problems)
    _check_times(experiment, settings, problems)


def _check_drugs(experiment: Experiment, settings: DoseMatrix, problems: list[str]) -> None:
    for key, name in (("drug_a", settings.drug_a), ("drug_b", settings.drug_b)):
        if name not in experiment.drugs:
            problems.append(str(unknown_name(f"dose_matrix.{key}", name, experiment.drugs, noun="drug")))
        elif DISH not in experiment.drugs[name].pharmacokinetics:
            problems.append(
                f"dose_matrix.{key} = {name}: has no pharmacokinetics for a dish; add 'dish' under its pharmacokinetics (see conf/drug/generic.yaml)."
            )
    if settings.drug_a == settings.drug_b:
        problems.append(f"dose_matrix.drug_b = {settings.drug_b}: is the first drug too; choose two drugs.")


def _check_doses(key: str, doses: list[float], problems: list[str]) -> None:
    if any(dose < 0.0 for dose in doses):
        problems.append(f"{key} = {list(doses)}: a concentration cannot be below 0 nmol/L.")
    elif any(after <= before for before, after in pairwise(doses)):
        problems.append(f"{key} = {list(doses)}: concentrations must rise, each given once.")
    elif len(with_zero(doses)) < 2:
        problems.append(f"{key} = {list(doses)}: at least one concentration above 0 nmol/L is needed.")


def _check_times(experiment: Experiment, settings: DoseMatrix, problems: list[str]) -> None:
    """The wells are read and washed where the cells are drawn, so that reading changes nothing."""
    window = experiment.engine.window_hours
    for key, hours in (("hours", settings.hours), ("washout_h", settings.washout_h)):
        if hours is not None and abs(hours / window - round(hours / window)) > _TOLERANCE:
            problems.append(f"dose_matrix.{key} = {hours:g}: must be a multiple of engine.window_hours = {window:g}.")
    if settings.washout_h is not None and settings.washout_h >= settings.hours:
        problems.append(f"dose_matrix.washout_h = {settings.washout_h:g}: must lie before the end, dose_matrix.hours = {settings.hours:g}; null = no wash-out.")
