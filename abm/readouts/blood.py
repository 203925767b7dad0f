"""Blood counts, the human share of blood leukocytes and the blast share of the marrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.parameters.host import Host
from abm.parameters.lineage import LEUKOCYTES, Lineage, by_readout, follows_leukocytes
from abm.readouts.registry import CURVE, readout
from abm.readouts.view import View

if TYPE_CHECKING:
    import xarray as xr

_PER_UNIT = 1e9  # leukocytes per litre for 1e9/L


def human_cd45_fraction(leukaemic_blood: np.ndarray, healthy_blood: np.ndarray, lineages: dict[str, Lineage]) -> np.ndarray:
    """Human share of blood leukocytes, in [0, 1].

    Args:
        leukaemic_blood: Leukaemic cells in blood, any shape.
        healthy_blood: Healthy blood cells, the same shape with an axis of lineages appended.
        lineages: Lineages in the order of that axis; those that are leukocytes declare
            which share of all leukocytes they are, and stand for the others.
    """
    share = np.array([lineage.white_cell_share for lineage in lineages.values()])
    circulating = np.array([lineage.circulating_fraction for lineage in lineages.values()])
    host_leukocytes = (healthy_blood * circulating)[..., share > 0.0].sum(-1) / max(share.sum(), 1e-300)
    everyone = leukaemic_blood + host_leukocytes
    return np.divide(leukaemic_blood, everyone, out=np.zeros(everyone.shape), where=everyone > 0)


def blast_fraction(leukaemic_tissue: np.ndarray, host: Host) -> np.ndarray:
    """Blasts among nucleated marrow cells; healthy ones give way as the marrow fills."""
    blasts = leukaemic_tissue * host.marrow_share
    healthy = host.marrow_nucleated_cells / (1.0 + leukaemic_tissue / host.crowding_half_burden)
    return np.asarray(blasts / (blasts + healthy))


def _leukocytes(per_litre: Sequence[Any], lineages: Sequence[Lineage]) -> Any:
    """Leukocytes, 1e9/L, from the cells per litre of every lineage."""
    share = sum(lineage.white_cell_share for lineage in lineages)
    return sum(x for x, lineage in zip(per_litre, lineages, strict=True) if lineage.white_cell_share > 0.0) / share / _PER_UNIT


def leukocyte_baseline(lineages: Mapping[str, Lineage]) -> float | None:
    """Leukocytes of a healthy subject, 1e9/L; None where fewer than two of their lineages are followed."""
    items = list(lineages.values())
    if not follows_leukocytes(items):
        return None
    return float(_leukocytes([lineage.baseline * lineage.cells_per_unit for lineage in items], items))


@readout
def blood_counts(view: View) -> xr.Dataset:
    """Blood counts in their own units, `leukocytes`, `human_cd45_fraction` and `blast_fraction`.

    Lineages of one readout add up.  `leukocytes` are the healthy ones, in 1e9/L, where more
    than one of their lineages is followed.
    """
    import xarray as xr  # here because the lead-in uses the functions above before any table is made

    healthy = np.asarray(view.seen.lineages.cells)[..., 2]
    data = {
        "human_cd45_fraction": (CURVE, human_cd45_fraction(view.blood_cells(), healthy, view.lineages)),
        "blast_fraction": (CURVE, blast_fraction(view.tissue_cells(), view.host)),
    }
    dataset = xr.Dataset(data)
    lineages = list(view.lineages.values())
    per_litre = [healthy[..., i] * lineage.circulating_fraction / view.host.blood_volume_l for i, lineage in enumerate(lineages)]
    for count, members in by_readout(view.lineages).items():
        parts = [per_litre[i] / lineage.cells_per_unit for i, lineage in enumerate(lineages) if lineage.readout == count]
        attributes = {"units": members[0].readout_units, "long_name": " and ".join(lineage.label for lineage in members)}
        dataset[count] = xr.DataArray(np.sum(parts, axis=0), dims=CURVE, attrs=attributes)
    if follows_leukocytes(lineages):
        values = _leukocytes(per_litre, lineages)
        dataset[LEUKOCYTES] = xr.DataArray(values, dims=CURVE, attrs={"units": "1e9/L", "long_name": "Healthy leukocytes"})
    return dataset
