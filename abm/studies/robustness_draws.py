"""Drawing the uncertain numbers of a configuration from the ranges that stand beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from scipy.stats import qmc

from abm.output.provenance import gather_sources
from abm.parameters.experiment import Experiment
from abm.parameters.robustness import Robustness, Tie

ROOTS = ("cell", "leukaemias", "host", "lineages", "drugs")
NOT_DRAWN = ("setting", "override", "unsourced")
# Factors of a drug that enter only where the host's meal or other medication differs.
OTHER_HOSTS = ("cyp3a_inhibitor_clearance_factor", "food_bioavailability")


@dataclasses.dataclass(frozen=True)
class Uncertain:
    """One number that is drawn."""

    key: str
    value: float
    low: float
    high: float
    leader: str  # key whose place in its range this number shares; its own if none
    of: str | None = None  # key that the number is a multiple of; value, low and high are then multiples

    def at(self, place: np.ndarray, range_fraction: float) -> np.ndarray:
        """Values at places in (0, 1) of the range: on a log scale where it lies above 0, else linear."""
        if self.low > 0.0:
            low, value, high = np.log([self.low, self.value, self.high])
        else:
            low, value, high = self.low, self.value, self.high
        low, high = value + range_fraction * (low - value), value + range_fraction * (high - value)
        drawn: np.ndarray = low + (high - low) * place
        return np.exp(drawn) if self.low > 0.0 else drawn


def uncertain_numbers(config: Mapping[str, Any], overrides: Sequence[str], settings: Robustness, species: str) -> list[Uncertain]:
    """Numbers of a stored configuration that have a range and are neither settings nor set by the user."""
    found = gather_sources(config, overrides)
    names = [key for key in found if _is_drawn(key, found[key], settings, species)]
    multiples = {m.key: m for m in settings.multiples}
    result = []
    for key in names:
        low, high = (float(x) for x in found[key]["range"])
        value = float(found[key]["value"])
        if key in multiples:
            m = multiples[key]
            result.append(Uncertain(key, value / float(found[m.of]["value"]), m.low, m.high, key, m.of))
            continue
        leader = _leader(key, settings.ties)
        if leader == key or leader in names:
            result.append(Uncertain(key, value, low, high, leader))
    return result


def _is_drawn(key: str, source: Mapping[str, Any], settings: Robustness, species: str) -> bool:
    parts = key.split(".")
    if parts[0] not in ROOTS or source["kind"] in NOT_DRAWN or "range" not in source:
        return False
    if float(source["range"][0]) >= float(source["range"][1]) or any(fnmatchcase(key, pattern) for pattern in settings.held):
        return False
    if parts[0] == "drugs" and parts[2] == "pharmacokinetics" and parts[3] != species:
        return False
    if parts[0] == "drugs" and parts[2] in OTHER_HOSTS:
        return False
    return parts[0] != "lineages" or parts[1] in settings.lineages


def _leader(key: str, ties: Sequence[Tie]) -> str:
    """The key at the end of the chain of ties; the tie of the longest branch counts."""
    fitting = [tie for tie in ties if key == tie.key or key.startswith(f"{tie.key}.")]
    if not fitting:
        return key
    tie = max(fitting, key=lambda t: len(t.key))
    return _leader(tie.follows + key[len(tie.key) :], ties)


def draw_numbers(
    numbers: Sequence[Uncertain], settings: Robustness, seed: int, defaults: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(values, drawn): the value of every number in each draw, and the independent numbers among them by key.

    A multiple appears in `drawn` as the multiple itself.  Draws are a scrambled Sobol
    sequence over the independent numbers; more draws begin with the same ones.
    """
    leaders = list(dict.fromkeys(n.leader for n in numbers))
    sobol = qmc.Sobol(max(len(leaders), 1), scramble=True, seed=np.random.default_rng(seed))
    places = dict(zip(leaders, sobol.random(1 << (settings.draws - 1).bit_length())[: settings.draws].T, strict=False))
    values: dict[str, np.ndarray] = {}
    drawn: dict[str, np.ndarray] = {}
    for number in sorted(numbers, key=lambda n: n.of is not None):
        here = number.at(places[number.leader], settings.range_fraction)
        if number.key == number.leader:
            drawn[number.key] = here
        values[number.key] = here if number.of is None else here * values.get(number.of, np.full(settings.draws, defaults.get(number.of, np.nan)))
    return values, drawn


def changed(record: Any, values: Mapping[str, float]) -> Any:
    """A record (or mapping of records) with the numbers at dotted keys replaced."""
    below: dict[str, dict[str, float]] = {}
    here: dict[str, Any] = {}
    for key, value in values.items():
        name, _, rest = key.partition(".")
        if rest:
            below.setdefault(name, {})[rest] = value
        else:
            here[name] = float(value)
    if isinstance(record, Mapping):
        return {**record, **{name: changed(record[name], inner) for name, inner in below.items()}}
    return dataclasses.replace(record, **here, **{name: changed(getattr(record, name), inner) for name, inner in below.items()})


def drawn_experiments(experiment: Experiment, values: Mapping[str, np.ndarray], draws: int) -> list[Experiment]:
    """The experiment with the numbers of each draw."""
    return [changed(experiment, {key: float(column[i]) for key, column in values.items()}) for i in range(draws)]
