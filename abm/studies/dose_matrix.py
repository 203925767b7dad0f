"""A dose matrix: two drugs in a culture plate, `experiment=dose_matrix`.

Wells are rows of the packet engine, with the model, the exposure and the cells of the
trial.  What is put into the medium stays there; a wash-out empties the medium and
leaves alone what is bound inside the cells.
"""

from __future__ import annotations

import time

import jax
import numpy as np

from abm.biology.trafficking import BLOOD
from abm.engine.batches import Batches
from abm.engine.devices import batches_of
from abm.engine.program import Carry, start_carry
from abm.engine.simulate import Grid
from abm.errors import RunFault, Stopped
from abm.models.engraftment import engraft
from abm.models.observation import Observation, observe
from abm.models.xenograft import Xenograft
from abm.models.xenograft_setup import build_params, capacity_of, clone_layout, param_axes, start_rows
from abm.output.result import RunResult
from abm.parameters.experiment import Experiment
from abm.studies.context import Context
from abm.studies.dose_matrix_result import assemble, well_means
from abm.studies.dose_matrix_wells import Wells, make_wells
from abm.studies.grids import step_hours, trial_grid
from abm.studies.trial import check_draws


def run_dose_matrix(experiment: Experiment, context: Context) -> RunResult:
    """Run the dose matrix of `experiment`.

    Raises:
        InputError: The draws are too far apart for the sampler.
        Stopped: `context.should_stop` asked for it.  Nothing is kept: these runs are short.
        RunFault: Cells were lost, made up, or left the dish.
    """
    clock = {"start": time.monotonic()}
    wells = make_wells(experiment)
    check_draws(wells.experiment)
    plates = _Plates(wells)
    clock["set_up"] = time.monotonic()
    looks, days = plates.run(context)
    clock["simulation"] = time.monotonic()
    return assemble(wells, context, looks, days, well_means(plates.params, plates.simulation.carry().packets), plates.simulation, clock)


class _Plates:
    """The program over all wells."""

    def __init__(self, wells: Wells) -> None:
        self.wells, experiment = wells, wells.experiment
        self.grid: Grid = trial_grid(experiment)
        layout = clone_layout(experiment)
        self.model = Xenograft(n_clones=layout.n_clones, layout=layout)
        self.params = build_params(experiment, wells.rows, layout.founders, self.grid.times)
        packets, plated = engraft(experiment, wells.plated, layout.founders, capacity_of(experiment))
        packets = jax.tree.map(lambda x: np.asarray(x)[wells.source], packets)
        self.simulation = self._simulation(start_carry(self.model, packets, start_rows(self.params, experiment, plated[wells.source])), 0)

    def _simulation(self, carry: Carry, step: int) -> Batches:
        engine, rows, axes = self.wells.experiment.engine, self.wells.rows, param_axes(self.params)
        batches = batches_of(len(rows.keys), len(self.wells.doses[0]), engine.devices)
        return Batches(batches, self.model, engine.packets, self.params, axes, rows.keys, carry, self.grid, devices=engine.devices, step=step)

    def run(self, context: Context) -> tuple[list[Observation], np.ndarray]:
        """Culture all wells to the end: (looks, their days)."""
        context.progress.begin("Culture")
        hours = step_hours(self.wells.experiment)
        every = max(1, round(self.wells.experiment.readout.interval_hours / hours))
        stops = sorted({*range(every, self.grid.steps + 1, every), self.grid.steps})
        washed = None if self.wells.settings.washout_h is None else round(self.wells.settings.washout_h / hours)
        looks = [self.simulation.observe(observe)]
        for k in sorted({*stops, *(() if washed is None else (washed,))}):
            if context.should_stop():
                raise Stopped(f"stopped at {self.grid.times[self.simulation.step] * 24.0:g} h; a dose matrix begins again from 0 h.")
            self.simulation.run_to(k)
            if k == washed:
                self._wash()
            if k in stops:
                looks.append(self._look(k))
            context.progress.update(k / self.grid.steps, f"{self.grid.times[k] * 24.0:.0f} h")
        return looks, np.array([0.0, *(self.grid.times[k] for k in stops)])

    def _wash(self) -> None:
        """Replace the medium by one without drugs."""
        carry = self.simulation.carry()
        nothing = np.zeros_like(carry.rows.drug_state)
        record = carry.rows.record._replace(now=np.zeros_like(carry.rows.record.now))
        self.simulation = self._simulation(carry._replace(rows=carry.rows._replace(drug_state=nothing, record=record)), self.simulation.step)

    def _look(self, k: int) -> Observation:
        look: Observation = self.simulation.observe(observe)
        cells = np.asarray(look.tally.cells)
        if (cells < 0).any() or (cells[..., BLOOD] != 0).any():
            row = int(np.argmax((cells < 0).any((1, 2)) | (cells[..., BLOOD] != 0).any(1)))
            arm, subject = divmod(row, len(self.wells.subjects.labels))
            where = f"'{self.wells.subjects.labels[subject]}', '{list(self.wells.experiment.arms)[arm]}', {self.grid.times[k] * 24.0:g} h"
            raise RunFault(f"a count is negative or cells left the dish: {where}")
        return look
