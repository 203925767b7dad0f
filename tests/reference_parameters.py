"""Records with round numbers for tests that must not depend on `conf/`.

The numbers are those of the project's calibration of a typical T-ALL in a mouse.
They only need to be plausible: tests compare two programs under the same numbers.
Trafficking has no calibrated value; the ones here give a blood share of a few
percent.  Times in days, concentrations in nmol/L.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from abm.parameters.cell import Amounts, Apoptosis, Bh3Binding, Bmf, Cell, CellTraits, Mcl1, Mtorc1, Proliferation, Stress
from abm.parameters.drug import Bh3Mimetic, Drug, Mtorc1Inhibitor, Targets
from abm.parameters.host import Host
from abm.parameters.leukaemia import Growth, Leukaemia, Subclone
from abm.parameters.lineage import Lineage


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Everything that the reference needs."""

    cell: Cell
    leukaemia: Leukaemia
    host: Host
    lineage: Lineage
    drugs: dict[str, Drug]


def parameters() -> Parameters:
    """Default records: typical T-ALL, mouse, neutrophil lineage, venetoclax and everolimus."""
    return Parameters(cell=_cell(), leukaemia=_leukaemia(), host=_host(), lineage=_neutrophils(), drugs=_drugs())


def changed(given: Parameters, **values: float) -> Parameters:
    """`given` with other numbers, written `record__field=value`; the records are those of the cell, growth, traits, host and lineage."""
    paths = {"growth": ("leukaemia", "growth"), "traits": ("leukaemia", "traits"), "host": ("host",), "lineage": ("lineage",)}
    for key, value in values.items():
        owner, field = key.split("__")
        given = _replace(given, paths.get(owner, ("cell", owner)), field, value)
    return given


def _replace(record: Any, path: tuple[str, ...], field: str, value: float) -> Any:
    if not path:
        return dataclasses.replace(record, **{field: value})
    return dataclasses.replace(record, **{path[0]: _replace(getattr(record, path[0]), path[1:], field, value)})


def subclone(fraction: float, **factors: float) -> Subclone:
    """Subclone of `fraction` of the cells that differs from the founder by `factors` only."""
    neutral = {f.name: 1.0 for f in dataclasses.fields(Subclone) if f.name not in ("fraction", "mechanism")}
    return Subclone(fraction=fraction, mechanism="test", **(neutral | factors))


def _cell() -> Cell:
    return Cell(
        mtorc1=Mtorc1(relaxation_per_hour=float(np.log(2.0) / 0.3), loss_half_point=1.25, loss_steepness=6.0),
        stress=Stress(basal=0.05, gain=1.0, rate_per_hour=0.125),
        bmf=Bmf(basal_nm=5.0, induced_nm=130.0, stress_half_point=0.5, stress_hill=3.0, rate_per_hour=float(np.log(2.0) / 3.0), direct_fraction=0.0),
        mcl1=Mcl1(loss_fraction=0.5),
        bh3=Bh3Binding(kd_bcl2_nm=5.0, kd_bclxl_nm=5.0, kd_mcl1_nm=3.0),
        apoptosis=Apoptosis(half_activator_nm=18.0, hill=4.0, max_per_day=1.0, stress_per_day=0.0),
        proliferation=Proliferation(slowing_max=0.5),
        amounts=Amounts(reference_nm=100.0, cv=0.2, cv_size=0.2, redraw_probability=0.2),
    )


def _leukaemia() -> Leukaemia:
    traits = CellTraits(bcl2=3.0, bclxl=1.6, mcl1=1.0, bim=1.5, bmf_competence=1.0, bmf_competence_cv=0.3, set_point=1.9, set_point_cv=0.1)
    growth = Growth(net_per_day=float(np.log(2.0) / 2.5), death_per_day=0.02, quiescent_fraction=0.4, quiescent_to_cycling_per_day=0.1)
    return Leukaemia(label="typical T-ALL", traits=traits, growth=growth, subclones={})


def _host() -> Host:
    return Host(
        label="mouse",
        species="mouse",
        weight_kg=0.025,
        blood_volume_l=0.0018,
        carrying_capacity=2e9,
        injected_cells=1e6,
        seeding_fraction=0.05,
        blood_residence_days=0.5,
        egress_at_half_cd45_per_day=0.1,
        burden_at_half_cd45=1.31e9,
        egress_exponent=0.4,
        crowding_half_burden=2e9,
        marrow_nucleated_cells=4e8,
        marrow_share=0.3,
        growth_cv=0.0,
    )


def _neutrophils() -> Lineage:
    traits = CellTraits(bcl2=1.2, bclxl=0.85, mcl1=0.85, bim=1.2, bmf_competence=1.0, bmf_competence_cv=0.3, set_point=1.0, set_point_cv=0.1)
    return Lineage(
        label="neutrophils",
        species="mouse",
        readout="neutrophils",
        readout_units="1e9/L",
        baseline=1.0,
        cells_per_unit=1e9,
        progenitors=traits,
        blood_cells=None,
        transit_time_days=2.5,
        blood_life_days=0.5,
        feedback_exponent=0.25,
        feedback_max=4.0,
        upstream_fraction=0.1,
        yield_per_cell=1.0,
        white_cell_share=0.2,
    )


def _drugs() -> dict[str, Drug]:
    none = Targets(bh3=None, mtorc1=None, stress=None, bim=None, cytotoxic=None)
    venetoclax = dataclasses.replace(none, bh3=Bh3Mimetic(ki_bcl2_nm=0.04, ki_bclxl_nm=48.0, ki_mcl1_nm=1e4))
    everolimus = dataclasses.replace(none, mtorc1=Mtorc1Inhibitor(ic50_nm=0.2, koff_per_h=float(np.log(2.0) / 36.0), max_inhibition=0.9))
    return {
        "venetoclax": Drug(label="venetoclax", matrix="plasma", molar_mass_g_per_mol=868.44, pharmacokinetics={}, targets=venetoclax),
        "everolimus": Drug(label="everolimus", matrix="blood", molar_mass_g_per_mol=958.2, pharmacokinetics={}, targets=everolimus),
    }
