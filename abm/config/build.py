"""From the composed tree to a validated `Experiment`: `build(compose([...]))`.

All validation happens here, before JAX is imported; nothing downstream checks user
input again.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from abm.config.cross_checks import cross_check
from abm.config.event_files import with_event_files
from abm.config.measured_files import KEY as MEASURED
from abm.config.measured_files import with_measured_files
from abm.config.schema import read_record
from abm.config.sources_apart import with_sources
from abm.errors import InputError, unknown_name
from abm.parameters.dose_matrix import DoseMatrix
from abm.parameters.experiment import Experiment
from abm.yaml_text import to_yaml

MAX_SHOWN = 12
LIBRARIES = ("drugs", "regimens", "leukaemias", "mechanisms", "lineages", "stem_cells", "assays", "products", "arms")


def build(cfg: DictConfig | Mapping[str, Any]) -> Experiment:
    """Validate a composed tree and read it into records; unused library entries are left out.

    Args:
        cfg: the tree of `compose`, or the stored configuration of a run.

    Raises:
        InputError: one line per value that is refused.
    """
    problems: list[str] = []
    tree = with_measured_files(with_event_files(plain(cfg), problems), problems)
    experiment = read_record(Experiment, tree, "", problems)
    if experiment is not None:
        experiment = _read_task_keys(experiment, tree, problems)
    if problems:
        _refuse(problems)
    assert experiment is not None  # a record is missing only where a problem was noted
    experiment = _with_mix(experiment)
    cross_check(experiment, problems)
    if problems:
        _refuse(problems)
    return _prune(experiment)


def _with_mix(experiment: Experiment) -> Experiment:
    """The experiment whose cohort names the leukaemias of its mix, if it has one."""
    cohort = experiment.cohort
    if not cohort.mix:
        return experiment
    return dataclasses.replace(experiment, cohort=dataclasses.replace(cohort, leukaemias=tuple(cohort.mix)))  # type: ignore[arg-type]


def plain(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The tree as plain containers, interpolations resolved, without hydra's own part."""
    try:
        tree = OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else dict(cfg)
    except OmegaConfBaseException as error:
        raise InputError(f"The configuration cannot be resolved: {' '.join(str(error).split())}") from error
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items() if key != "hydra"}


def stored_config(cfg: DictConfig | Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """What a result stores: the composed tree with its sources, without the library entries that the run does not use.

    Measured values change no number of a run and stand in a table of the result instead.
    """
    tree: dict[str, Any] = {**with_sources(with_event_files(plain(cfg), [])), MEASURED: []}
    for name in LIBRARIES:
        used = getattr(experiment, name)
        tree[name] = {key: value for key, value in (tree.get(name) or {}).items() if key in used}
    return tree


def stored_yaml(cfg: DictConfig | Mapping[str, Any], experiment: Experiment) -> str:
    """`stored_config` as YAML; equal configurations give equal text."""
    return to_yaml(stored_config(cfg, experiment))


def _refuse(problems: list[str]) -> None:
    shown = problems[:MAX_SHOWN]
    more = len(problems) - len(shown)
    raise InputError("\n".join([*shown, *([f"... and {more} more."] if more else [])]))


def _read_task_keys(experiment: Experiment, tree: Mapping[str, Any], problems: list[str]) -> Experiment:
    """Read the keys of a theory experiment, the robustness study or a dose matrix into the values that their records declare."""
    theory, robustness, dose_matrix = experiment.theory, experiment.robustness, experiment.dose_matrix
    if theory is not None:
        theory = _read_theory(tree["theory"], problems)
    if robustness is not None and experiment.task == "claim_robustness":
        cls = getattr(_module("abm.parameters.robustness"), "Robustness", None)
        robustness = _read_as(cls, tree["robustness"], "robustness", problems) if cls else robustness
    if dose_matrix is not None and experiment.task == "dose_matrix":
        dose_matrix = _read_as(DoseMatrix, tree["dose_matrix"], "dose_matrix", problems)
    return dataclasses.replace(experiment, theory=theory, robustness=robustness, dose_matrix=dose_matrix)


def _read_theory(node: Mapping[str, Any], problems: list[str]) -> dict[str, Any] | None:
    records: Mapping[str, type] = getattr(_module("abm.parameters.theory"), "THEORY_RECORDS", {})
    name = node.get("name")
    if name not in records:
        problems.append(str(unknown_name("theory.name", str(name), records, noun="theory experiment")))
        return None
    cls = records[str(name)]
    has_name = any(field.name == "name" for field in dataclasses.fields(cls))
    body = {key: value for key, value in node.items() if has_name or key != "name"}
    read = _read_as(cls, body, "theory", problems)
    return None if read is None else {"name": name, **read}


def _read_as(cls: type, node: Mapping[str, Any], where: str, problems: list[str]) -> dict[str, Any] | None:
    read = read_record(cls, node, where, problems)
    return None if read is None else {field.name: getattr(read, field.name) for field in dataclasses.fields(read)}


def _module(name: str) -> Any:
    """A module of parameters; an absent one declares nothing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _prune(experiment: Experiment) -> Experiment:
    """Leave out what the run does not use; the order of what stays is that of its first mention."""
    if experiment.task == "theory":
        unused: dict[str, Any] = {name: {} for name in LIBRARIES}
        return dataclasses.replace(experiment, **unused)
    regimens = {arm.regimen: experiment.regimens[arm.regimen] for arm in experiment.arms.values()}
    given = [event.drug for regimen in regimens.values() for event in regimen.events]
    if experiment.task == "dose_matrix" and experiment.dose_matrix is not None:
        given += [experiment.dose_matrix["drug_a"], experiment.dose_matrix["drug_b"]]
    drugs = {drug: experiment.drugs[drug] for drug in given}
    return dataclasses.replace(
        experiment,
        regimens=regimens,
        drugs=drugs,
        leukaemias={name: experiment.leukaemias[name] for name in experiment.cohort.leukaemias},
        mechanisms={name: experiment.mechanisms[name] for name in experiment.cohort.resistance},
        lineages={name: lineage for name, lineage in experiment.lineages.items() if lineage.species == experiment.host.species},
        assays={name: assay for name, assay in experiment.assays.items() if name == experiment.readout.mrd_assay},
        products={name: experiment.products[name] for regimen in regimens.values() for name in regimen.products},
        stem_cells={name: pool for name, pool in experiment.stem_cells.items() if pool.followed and pool.species == experiment.host.species},
    )
