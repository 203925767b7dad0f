"""Speed of the packet engine with the full mechanism on the default trial.

Prints packet-steps per second as the median of several repeats of whole simulated days in
one process, over everything that a day costs: steps of drugs, healthy blood and cells,
draws and moves, packing, a daily look; all rows of the trial in one batch.  A packet-step is one packet in use advanced by
one step of `engine.dt_hours`.

    scripts/benchmark                     the default trial
    scripts/benchmark engine.packets=4096 any override of `abm`
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from abm.config.build import build
from abm.config.compose import compose
from abm.records import enable_pytrees

REPEATS = 5
DAYS_PER_REPEAT = 4
WARM_UP_DAYS = 2


def main(overrides: list[str]) -> None:
    """Measure and print."""
    experiment = build(compose(overrides))
    from abm.engine.devices import configure_jax

    configure_jax(experiment.engine.devices)
    enable_pytrees()
    import jax
    import numpy as np

    from abm.engine.program import start_carry
    from abm.engine.simulate import Simulation, make_grid
    from abm.models.engraftment import engraft
    from abm.models.observation import observe
    from abm.models.xenograft import Xenograft
    from abm.models.xenograft_setup import Rows, build_params, capacity_for, clone_mechanisms, param_axes, start_rows
    from abm.studies.grids import step_hours
    from abm.subject import SubjectTable, cohort_subjects

    engine = experiment.engine
    cohort = cohort_subjects(experiment.seed, tuple(experiment.cohort.leukaemias), experiment.cohort.subjects)
    arms, n = len(experiment.arms), len(cohort.labels)
    source = np.tile(np.arange(n), arms)
    table = SubjectTable(tuple(cohort.labels[i] for i in source), tuple(cohort.leukaemias[i] for i in source), cohort.keys[source])
    rows = Rows(table.keys, table.leukaemias, np.repeat(np.arange(arms, dtype=np.int32), n))
    n_clones = len(next(iter(clone_mechanisms(experiment).values())))
    last = WARM_UP_DAYS + REPEATS * DAYS_PER_REPEAT
    grid = make_grid(last, step_hours(experiment), engine.window_hours, engine.packing_hours)
    params = build_params(experiment, rows, n_clones, grid.times)
    packets, seeded = engraft(experiment, table, n_clones, capacity_for(engine.packets))
    model = Xenograft(n_clones=n_clones)
    carry = start_carry(model, packets, start_rows(params, experiment, seeded))
    simulation = Simulation(model, engine.packets, params, param_axes(params), rows.keys, carry, grid, devices=engine.devices)

    def day(number: int) -> Any:
        simulation.run_to(grid.index(float(number)))
        return simulation.observe(observe)

    for number in range(1, WARM_UP_DAYS + 1):
        day(number)
    rates, core_rates = [], []
    number = WARM_UP_DAYS
    for _ in range(REPEATS):
        begin, busy, in_use = time.perf_counter(), time.process_time(), 0
        steps = 0
        for _ in range(DAYS_PER_REPEAT):
            number += 1
            before = simulation.step
            look = day(number)
            steps = simulation.step - before
            in_use += int(np.asarray(look.stats.packets).sum()) * steps
        rates.append(in_use / (time.perf_counter() - begin))
        core_rates.append(in_use / (time.process_time() - busy))
    device = jax.devices()[0]
    print(f"device: {device.platform} {device.device_kind} x {simulation.mesh.devices.size}; jax {jax.__version__}")
    print(f"rows: {len(table.labels)} (subjects x arms), packets per subject: {engine.packets}, step: {step_hours(experiment):g} h")
    spread = f"min {min(rates):.3g}, max {max(rates):.3g}"
    print(f"packet-steps/s: median {statistics.median(rates):.3g} ({spread}) over {REPEATS} repeats of {DAYS_PER_REPEAT} days")
    print(f"packet-steps per second of processor time (one core): median {statistics.median(core_rates):.3g}")


if __name__ == "__main__":
    main(sys.argv[1:])
