"""Overrides that hydra would accept silently, or refuse in words of its own.

Hydra takes `+typo=3` and `++group.typo=1` without a murmur, merges all options of
`group=[a,b]`, and knows no bounds.  Here every override is held against the groups
that exist and the keys that the records declare, before anything is composed.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from abm.config.keys import unknown_key_problem
from abm.config.library import LIBRARY_GROUPS, Catalogue
from abm.errors import InputError, nearest, unknown_name

LIBRARY_USES = {
    "drug": "regimens.NAME.events, or add a file to conf/regimen",
    "regimen": "arms.NAME.regimen=..., or '+arms.NAME={regimen: ...}'",
    "leukaemia": "cohort.leukaemias=[...]",
    "lineage": "host=..., whose species decides",
    "stem_cell": "stem_cells.NAME.followed=..., and host=..., whose species decides",
    "resistance": "cohort.resistance=[...]",
    "product": "regimens.NAME.transfusions and rules",
}


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides in hydra's grammar.

    Raises:
        InputError: an override cannot be read.
    """
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            raise InputError(f"{text}: cannot be read as key=value. {_first_line(error)} Quote values with spaces or brackets: 'key=[a, b]'.") from error
    return parsed


def check_overrides(overrides: Sequence[str], catalogue: Catalogue, *, multirun: bool = False) -> None:
    """Refuse overrides that name no group, option or key, or are not of a form that makes sense.

    Raises:
        InputError: with one line per override that is refused.
    """
    problems = []
    for override in parse_overrides(overrides):
        if not override.is_hydra_override():
            problem = _problem(override, catalogue, multirun)
            if problem:
                problems.append(problem)
    if problems:
        raise InputError("\n".join(problems))


def group_of(override: Override, catalogue: Catalogue) -> str | None:
    """The group that an override chooses an option of, or None if it sets a value."""
    key = override.key_or_group.lstrip("/")
    if key not in catalogue.options:
        return None
    return None if isinstance(override.value(), dict) else key


def _problem(override: Override, catalogue: Catalogue, multirun: bool) -> str | None:
    line = override.input_line or override.key_or_group
    if override.is_sweep_override() and not multirun:
        return f"{line}: several values need --multirun (one run each). For one list write {override.key_or_group}=[...]."
    key = override.key_or_group.lstrip("/")
    group = group_of(override, catalogue)
    if group is not None:
        return _group_problem(override, group, catalogue, line)
    if "/" in key or override.package is not None:
        return str(unknown_name(line, key, catalogue.options, noun="group"))
    problem = unknown_key_problem(key)
    if problem and "." not in key:
        close = difflib.get_close_matches(key, catalogue.options, n=1, cutoff=0.7)
        if close and "Did you mean" not in problem:
            problem = f"{key}: there is no such key or group.{nearest(key, catalogue.options)} Groups: {', '.join(catalogue.options)}."
    return problem


def _group_problem(override: Override, group: str, catalogue: Catalogue, line: str) -> str | None:
    options = catalogue.options[group]
    if group in LIBRARY_GROUPS:
        return f"{line}: all files of '{group}' are loaded ({', '.join(options)}); choose by {LIBRARY_USES[group]}."
    if override.is_delete():
        return f"{line}: a group cannot be removed. Options of {group}: {', '.join(options)}."
    if override.is_add() or override.is_force_add():
        return f"{line}: '{group}' has an option already; write {line.lstrip('+')} without '+'."
    values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    for value in values:
        if isinstance(value, list):
            return f"{line}: choose one option of '{group}', not a list. Options: {', '.join(options)}."
        if value is None and group == "experiment":
            continue
        if str(value) not in options:
            return str(unknown_name(line, str(value), options, noun=f"option of '{group}',"))
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."
