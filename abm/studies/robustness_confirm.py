"""Repeats a draw of the claim-robustness study with packets, to see that the mean-field twin speaks for the simulator."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from abm.engine.devices import leading_rows
from abm.engine.packets import total_count
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Simulation, make_grid
from abm.models.engraftment import engraft
from abm.models.xenograft import Xenograft, XenograftParams
from abm.models.xenograft_setup import Rows, build_params, capacity_for, param_axes, start_rows
from abm.parameters.experiment import Experiment
from abm.parameters.robustness import Robustness
from abm.studies.robustness_claims import burden_at
from abm.subject import cohort_subjects


def as_twin(experiment: Experiment, settings: Robustness) -> Experiment:
    """The experiment of one mouse as the twin sees it: typical pharmacokinetics and growth, treated from a given burden."""
    drugs = {}
    for name, drug in experiment.drugs.items():
        typical = {key: dataclasses.replace(pk, clearance_cv=0.0, volume_cv=0.0) for key, pk in drug.pharmacokinetics.items()}
        drugs[name] = dataclasses.replace(drug, pharmacokinetics=typical)
    burden = float(round(burden_at(experiment.host, experiment.trial.start_human_cd45_percent)))
    return dataclasses.replace(
        experiment,
        drugs=drugs,
        host=dataclasses.replace(experiment.host, growth_cv=0.0, injected_cells=burden, seeding_fraction=1.0),
        lineages={name: experiment.lineages[name] for name in settings.lineages[:1]},
        leukaemias={settings.typical: experiment.leukaemias[settings.typical]},
        cohort=dataclasses.replace(experiment.cohort, subjects=1, leukaemias=[settings.typical]),
        engine=dataclasses.replace(experiment.engine, packets=settings.confirm_packets, strata=1),
    )


def _cells(params: XenograftParams, carry: Carry) -> jax.Array:
    return jnp.sum(total_count(carry.packets), axis=1)


def joined(parts: list[XenograftParams], rows_each: int) -> tuple[XenograftParams, XenograftParams]:
    """(params, row axes) of several draws in one program, each row with a machinery of its own, `rows_each` rows for each; the doses are the same in all."""
    axes = param_axes(parts[0])
    params: XenograftParams = jax.tree.map(lambda axis, *x: x[0] if axis < 0 else np.concatenate(x, axis=axis), axes, *parts)

    def column(*values: Any) -> np.ndarray:
        return np.repeat(np.stack([np.asarray(v) for v in values]), rows_each, axis=0)

    def per_row(*trees: Any) -> Any:
        return jax.tree.map(lambda *values: column(*values)[:, None], *trees)

    params = params._replace(
        cell=per_row(*(p.cell for p in parts)),
        host=per_row(*(p.host for p in parts)),
        targets=jax.tree.map(column, *(p.targets for p in parts)),
        free=column(*(p.free for p in parts)),
    )
    own = {"cell": params.cell, "host": params.host, "targets": params.targets, "free": params.free}
    return params, axes._replace(**{name: leading_rows(tree) for name, tree in own.items()})


def packet_burdens(experiments: Sequence[Experiment], settings: Robustness) -> dict[str, np.ndarray]:
    """Leukaemic cells of one mouse with the typical leukaemia per experiment at the end of treatment, by arm."""
    twins = [as_twin(e, settings) for e in experiments]
    first = twins[0]
    engine, arms = first.engine, list(first.arms)
    n_clones = 1 + len(first.leukaemias[settings.typical].subclones)
    subjects = cohort_subjects(first.seed, (settings.typical,), 1)
    rows = Rows(np.repeat(subjects.keys, len(arms), axis=0), (settings.typical,) * len(arms), np.arange(len(arms), dtype=np.int32))
    grid = make_grid(first.trial.treatment_days, engine.dt_hours, engine.window_hours, engine.packing_hours)
    model = Xenograft(n_clones=n_clones)
    parts, carries = [], []
    for e in twins:
        parts.append(build_params(e, rows, n_clones, grid.times))
        packets, seeded = engraft(e, subjects, n_clones, capacity_for(engine.packets))
        copied = jax.tree.map(lambda x: jnp.repeat(jnp.asarray(x), len(arms), axis=0), packets)
        carries.append(start_carry(model, copied, start_rows(parts[-1], e, np.repeat(seeded, len(arms)))))
    params, axes = joined(parts, len(arms))
    carry = jax.tree.map(lambda *x: np.concatenate(x), *carries)
    simulation = Simulation(model, engine.packets, params, axes, np.tile(rows.keys, (len(twins), 1)), carry, grid, devices=engine.devices)
    simulation.run_to(grid.steps)
    cells = np.asarray(simulation.observe(_cells), float).reshape(len(twins), len(arms))
    return dict(zip(arms, cells.T, strict=True))


def confirm(experiments: Sequence[Experiment], results: pd.DataFrame, numbers: Sequence[int], settings: Robustness) -> pd.DataFrame:
    """Log10 reduction against the vehicle at the end of treatment by both programs: draw, arm, twin_log10, packets_log10, difference_log10.

    Args:
        experiments: All draws.
        results: Outcomes of the twin in all draws.
        numbers: Draws to repeat.
        settings: Settings of the study.
    """
    rows = []
    cells = packet_burdens([experiments[number] for number in numbers], settings)
    for place, number in enumerate(numbers):
        for role in ("venetoclax", "everolimus", "combination"):
            arm = getattr(settings, role)
            twin = float(results[f"{role}_log10"].iloc[number])
            packets = float(np.log10(max(cells[settings.vehicle][place], 1.0) / max(cells[arm][place], 1.0)))
            rows.append({"draw": int(number), "arm": arm, "twin_log10": twin, "packets_log10": packets, "difference_log10": packets - twin})
    return pd.DataFrame(rows, columns=["draw", "arm", "twin_log10", "packets_log10", "difference_log10"])
