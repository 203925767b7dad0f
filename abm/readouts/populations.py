"""Numbers of cells by population, with the tallies that account for every one of them.

count = count(0) + births - deaths + gained - lost holds to the cell for each population.
Cells that mutated at their birth are gained, not born; cells that switch a mechanism on or
off leave one population for another, and the leukaemia as a whole neither gains nor loses them.
Cells in a sanctuary are a population of their own, whatever else they acquire there.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from abm.biology.trafficking import BLOOD, CYCLING, QUIESCENT
from abm.models.xenograft_setup import FOUNDER
from abm.parameters.blood_product import STEM_CELLS
from abm.readouts.registry import CURVE, readout
from abm.readouts.view import View

TALLIES = ("count", "births", "deaths", "gained", "lost")
STAGE_SUFFIX = ("_progenitors", "_maturing", "")

Numbers = dict[str, np.ndarray]


def mechanism_names(view: View) -> list[str]:
    """Mechanisms of subclones of any leukaemia of the view, and those that cells can acquire."""
    return sorted({m for names in view.mechanisms.values() for m in names if m not in ("", FOUNDER)})


def _columns(view: View, columns: tuple[int, ...], clones: np.ndarray) -> Numbers:
    """Tallies of a set of columns, summed over the clones of mask (subjects, clones)."""
    tally = view.seen.tally
    inside = list(columns)
    outside = [c for c in (CYCLING, QUIESCENT, BLOOD) if c not in columns]

    def over_clones(x: np.ndarray) -> np.ndarray:
        summed: np.ndarray = np.sum(np.where(clones[None, :, None, :], x, 0), axis=3)
        return summed

    cells, deaths, moves = np.asarray(tally.cells), np.asarray(tally.deaths), np.asarray(tally.moves)
    births, gained, lost = (over_clones(np.asarray(x)) for x in (tally.births, tally.gained, tally.lost))
    cycling = 1 if CYCLING in columns else 0
    # Within all clones together nobody arrives or leaves.
    arrived, left = (over_clones(np.asarray(x)[..., inside].sum(-1)) * (not clones.all()) for x in (tally.arrived, tally.left))
    return {
        "count": over_clones(cells[..., inside].sum(-1)),
        "births": births * cycling,
        "deaths": over_clones(deaths[..., inside].sum(-1)),
        "gained": over_clones(moves[..., outside, :][..., inside].sum((-1, -2))) + gained * cycling + arrived,
        "lost": over_clones(moves[..., inside, :][..., outside].sum((-1, -2))) + lost * cycling + left,
    }


def _transferred(numbers: Numbers, cells: np.ndarray) -> Numbers:
    """Tallies of a population with `cells`, int64 (arms, subjects, times), more than its own, or fewer where negative.

    What they came and went by between two looks is booked as gained or lost on the whole.
    """
    change = np.diff(cells, axis=2, prepend=cells[:, :, :1])
    came, went = (np.cumsum(np.maximum(sign * change, 0), axis=2) for sign in (1, -1))
    return {**numbers, "count": numbers["count"] + cells, "gained": numbers["gained"] + came, "lost": numbers["lost"] + went}


def _by_place(view: View, populations: dict[str, Numbers], masks: dict[str, np.ndarray]) -> dict[str, Numbers]:
    """Populations with every cell in the sanctuary counted there, by where it is, and in no other place or mechanism.

    Cells that acquire a mechanism inside go to a clone of that mechanism and stay where they are.

    Args:
        masks: Clones (subjects, clones) of the populations by mechanism.
    """
    inside = np.asarray(view.seen.inside)
    here = np.any([masks[name] for name in view.sanctuary], axis=0)[None, :, None, :, None]
    nested = np.where(here, 0, inside)
    moved = {"leukaemia_marrow": -nested[..., [CYCLING, QUIESCENT]].sum((3, 4)), "leukaemia_blood": -inside[..., BLOOD].sum(3)}
    for mechanism, mask in masks.items():
        own = np.where(mask[None, :, None, :, None], inside, 0).sum((3, 4))
        moved[f"leukaemia_{mechanism}"] = nested.sum((3, 4)) if mechanism in view.sanctuary else -own
    return {name: _transferred(numbers, moved[name]) if name in moved else numbers for name, numbers in populations.items()}


def leukaemic_populations(view: View) -> dict[str, Numbers]:
    """Leukaemia as a whole, by compartment, by condition and by the mechanism that a cell's line acquired last."""
    n_clones = view.seen.tally.births.shape[3]
    everyone = np.ones((len(view.subjects), n_clones), bool)
    outside = np.array([[m not in view.sanctuary for m in view.mechanisms[name]] for name in view.leukaemias]) if view.sanctuary else everyone
    whole = (CYCLING, QUIESCENT, BLOOD)
    populations = {
        "leukaemia": _columns(view, whole, everyone),
        "leukaemia_marrow": _columns(view, (CYCLING, QUIESCENT), outside),
        "leukaemia_blood": _columns(view, (BLOOD,), everyone),
        "leukaemia_cycling": _columns(view, (CYCLING,), everyone),
        "leukaemia_quiescent": _columns(view, (QUIESCENT,), everyone),
    }
    masks = {m: np.array([[clone == m for clone in view.mechanisms[name]] for name in view.leukaemias]) for m in mechanism_names(view)}
    populations |= {f"leukaemia_{mechanism}": _columns(view, whole, mask) for mechanism, mask in masks.items()}
    return _by_place(view, populations, masks) if view.sanctuary else populations


def healthy_populations(view: View) -> dict[str, Numbers]:
    """Progenitors, maturing cells and blood cells of each lineage, and stem cells where they are followed."""
    lineages = view.seen.lineages
    populations = {}
    for index, lineage in enumerate(view.lineages.values()):
        for stage, suffix in enumerate(STAGE_SUFFIX):
            arrays = (lineages.cells, lineages.births, lineages.deaths, lineages.gained, lineages.lost)
            numbers = {name: np.rint(np.asarray(a)[..., index, stage]).astype(np.int64) for name, a in zip(TALLIES, arrays, strict=True)}
            populations[lineage.population_name + suffix] = numbers
    if not isinstance(view.seen.stem, tuple):
        columns = np.moveaxis(np.rint(np.asarray(view.seen.stem)).astype(np.int64), -1, 0)
        populations[STEM_CELLS] = dict(zip(TALLIES, columns, strict=True))
    return populations


@readout
def populations(view: View) -> xr.Dataset:
    """All populations as variables (arm, subject, time, population), int64."""
    found = {**leukaemic_populations(view), **healthy_populations(view)}
    dims = (*CURVE, "population")
    data = {name: (dims, np.stack([numbers[name] for numbers in found.values()], axis=3).astype(np.int64)) for name in TALLIES}
    return xr.Dataset(data, coords={"population": list(found)})
