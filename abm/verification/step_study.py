"""The full mechanism at several steps, with so many cells that chance is out of sight.

Every row is one leukaemia under one treatment.  The host is a mouse whose numbers of cells are
all multiplied by SCALE, so that a count has a relative noise of about 1e-6: what differs
between two runs is the error of the step, of the window or of the calendar of packings.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from abm.biology.trafficking import BLOOD
from abm.config.build import build
from abm.config.compose import compose
from abm.engine.devices import configure_jax
from abm.engine.program import start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.models.engraftment import engraft
from abm.models.observation import observe
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import Rows, build_params, capacity_of, clone_layout, param_axes, start_rows
from abm.parameters.drug import Drug, Pharmacokinetics
from abm.parameters.experiment import Experiment
from abm.parameters.regimen import Arm, DoseEvent, Regimen
from abm.records import enable_pytrees
from abm.subject import cohort_subjects
from abm.verification.findings import FloatArray

SCALE = 1e4
START = 1e8  # leukaemic cells at the start, in a mouse that is not scaled
NEVER = 1e6
LEUKAEMIAS = ("bmf_competent", "etp_like")
ARMS = ("vehicle", "venetoclax", "everolimus", "combination", "navitoclax", "held", "pulses")
# Free concentrations that are there from day 0 on, nmol/L: hazards jump at the start.
HELD_NM = {"venetoclax": 2.0, "everolimus": 6.0}
# A cytotoxic drug injected every second day, gone with a half-life of two hours.
PULSE_NM, PULSE_CLEARANCE, PULSE_MAX_PER_DAY = 2000.0, 0.35, 6.0


class Numerics(NamedTuple):
    """Settings whose error is measured, h: the defaults of the program, but without packing."""

    dt: float = 1.0
    window: float = 12.0
    packing: float = NEVER
    packets: int = 64


class Courses(NamedTuple):
    """Cells by name (`leukaemia`, `deaths`, `births` and healthy blood cells), float64 (arm, subject, day); subjects of a leukaemia lie together."""

    days: FloatArray
    cells: dict[str, FloatArray]


def one_litre(clearance_l_per_h: float) -> Pharmacokinetics:
    """One litre into which a dose is injected and of which all is free; with clearance 0 its concentration stays."""
    return Pharmacokinetics(
        scaling="per_subject",
        clearance_l_per_h=clearance_l_per_h,
        central_volume_l=1.0,
        intercompartmental_l_per_h=0.0,
        peripheral_volume_l=1.0,
        absorption_per_h=None,
        bioavailability=1.0,
        lag_h=0.0,
        fraction_unbound=1.0,
        tissue_factor=1.0,
        clearance_cv=0.0,
        volume_cv=0.0,
    )


def _injection(name: str, drug: Drug, nm: float, additional: int) -> DoseEvent:
    """Doses that give `nm` nmol in one litre."""
    amount = nm * drug.molar_mass_g_per_mol * 1e-6
    return DoseEvent(drug=name, day=0.0, amount=amount, amount_unit="mg", duration_h=0.0, interval_days=2.0, additional=additional, skip_days=[])


def study_experiment(numerics: Numerics, subjects: int = 1, arms: tuple[str, ...] = ARMS, leukaemias: tuple[str, ...] = LEUKAEMIAS) -> Experiment:
    """The default trial in a scaled mouse, each leukaemia at START cells on day 0.

    Arms beside those of the library: `held` is the combination at concentrations that never change,
    `pulses` are injections of the cytotoxic drug.
    """
    enable_pytrees()
    base = build(compose([f"cohort.leukaemias=[{','.join(leukaemias)}]", f"cohort.subjects={subjects}", "+arms.navitoclax={regimen: navitoclax}"]))
    pulsed = build(compose(["+arms.pulses={regimen: navitoclax}", "regimens.navitoclax.events.0.drug=generic"])).drugs["generic"]
    cytotoxic = pulsed.targets.cytotoxic
    assert cytotoxic is not None
    strong = dataclasses.replace(pulsed.targets, cytotoxic=dataclasses.replace(cytotoxic, max_per_day=PULSE_MAX_PER_DAY))
    species = base.host.species
    extra = {f"{name}_held": dataclasses.replace(base.drugs[name], pharmacokinetics={species: one_litre(0.0)}) for name in HELD_NM}
    extra["generic"] = dataclasses.replace(pulsed, targets=strong, pharmacokinetics={species: one_litre(PULSE_CLEARANCE)})
    held = [_injection(f"{name}_held", extra[f"{name}_held"], nm, 0) for name, nm in HELD_NM.items()]
    regimens = {
        "held": Regimen(label="held", events=held),
        "pulses": Regimen(label="pulses", events=[_injection("generic", extra["generic"], PULSE_NM, 10)]),
    }
    host = base.host
    sizes = ("blood_volume_l", "carrying_capacity", "burden_at_half_cd45", "crowding_half_burden", "production_half_burden")
    scaled = {name: SCALE * value for name in sizes if (value := getattr(host, name)) is not None}
    return dataclasses.replace(
        base,
        engine=dataclasses.replace(base.engine, packets=numerics.packets, window_hours=numerics.window, packing_hours=numerics.packing),
        host=dataclasses.replace(host, injected_cells=SCALE * START, seeding_fraction=1.0, **scaled),
        drugs=base.drugs | extra,
        regimens=base.regimens | regimens,
        arms={name: Arm(regimen=name) for name in arms},
    )


def run_study(experiment: Experiment, numerics: Numerics, days: tuple[float, ...]) -> Courses:
    """Numbers at `days`; the step is `numerics.dt` itself, also where a trial would divide it."""
    configure_jax(experiment.engine.devices)
    names = tuple(experiment.cohort.leukaemias)
    subjects = cohort_subjects(experiment.seed, names, experiment.cohort.subjects)
    arms, n = len(experiment.arms), len(subjects.labels)
    source = np.tile(np.arange(n), arms)
    rows = Rows(subjects.keys[source], tuple(subjects.leukaemias[i] for i in source), np.repeat(np.arange(arms, dtype=np.int32), n))
    grid = make_grid(days[-1], numerics.dt, numerics.window, numerics.packing)
    layout = clone_layout(experiment)
    params = build_params(experiment, rows, layout.founders, grid.times)
    packets, seeded = engraft(experiment, subjects, layout.founders, capacity_of(experiment))
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    start = start_carry(model, jax.tree.map(lambda x: np.asarray(x)[source], packets), start_rows(params, experiment, seeded[source]))
    simulation = Simulation(model, numerics.packets, params, param_axes(params), rows.keys, start, grid)
    seen: dict[str, list[FloatArray]] = {}
    for day in days:
        simulation.run_to(grid.index(day))
        look = simulation.observe(observe)
        healthy = {name: look.lineages.cells[:, i, BLOOD] for i, name in enumerate(experiment.lineages)}
        cells = {"leukaemia": look.tally.cells.sum((1, 2)), "births": look.tally.births.sum(1), "deaths": look.tally.deaths.sum((1, 2)), **healthy}
        for name, values in cells.items():
            seen.setdefault(name, []).append(np.asarray(values, np.float64).reshape(arms, n))
    return Courses(np.array(days), {name: np.stack(values, axis=2) for name, values in seen.items()})


def relative_error(course: Courses, reference: Courses, name: str) -> FloatArray:
    """Error of a number over its value in the reference, (arm, subject, day)."""
    error: FloatArray = course.cells[name] / np.maximum(reference.cells[name], 1.0) - 1.0
    return error


def order_of(coarse: FloatArray, middle: FloatArray, fine: FloatArray) -> FloatArray:
    """Order of convergence from three steps, each half of the one before: log2 of the ratio of their differences."""
    with np.errstate(divide="ignore", invalid="ignore"):
        order: FloatArray = np.log2(np.abs((coarse - middle) / (middle - fine)))
    return order
