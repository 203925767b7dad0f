"""The first packets of a subject: founders, injected cells, subclones, and the mutants of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from abm.biology.heredity import N_NORMALS, express
from abm.biology.intracellular import resting_state
from abm.cells import Traits
from abm.engine.clones import NO_PARENT
from abm.engine.packets import Packets, new_packets
from abm.engine.packing import clone_shares
from abm.engine.sobol import sobol_points
from abm.errors import InputError
from abm.models.factors import only
from abm.models.individuals import individuals
from abm.models.mutation import means_of_kinds, mutation_params
from abm.models.past import NO_PAST, Line, Past
from abm.models.xenograft_setup import cell_params, clone_layout, clone_means, factors_of
from abm.parameters.cell import Amounts
from abm.parameters.experiment import Experiment
from abm.parameters.leukaemia import Leukaemia
from abm.streams import subject_generator
from abm.subject import SubjectTable

# Compiled as a whole: operation by operation they would take seconds to start.
_express = jax.jit(express)
_clone_shares = jax.jit(clone_shares, static_argnums=1)


def _deal_counts(total: int, parts: int, offset: float) -> np.ndarray:
    """Whole cells in `parts` nearly equal packets by systematic rounding."""
    return np.diff(np.floor(np.arange(parts + 1) * (total / parts) + offset))


def _founder_normals(n: int, cells: int, generator: np.random.Generator) -> np.ndarray:
    """Normals of n packets, (7, n): independent where every packet is a cell, else jittered strata of a Sobol set."""
    if cells <= n:
        return generator.standard_normal((N_NORMALS, n))
    points = sobol_points(N_NORMALS, n, seed=11)
    shifted = np.mod(points + generator.random(N_NORMALS), 1.0)
    return ndtri(np.clip(shifted, 1e-9, 1.0 - 1e-9)).T


class _Start(NamedTuple):
    """Packets that begin the lead-in, filled row by row."""

    counts: np.ndarray  # (2, rows, packets), cycling and quiescent
    clone: np.ndarray  # int32 (rows, packets)
    kind: np.ndarray  # int32 (rows, packets)
    z: np.ndarray  # (normals, rows, packets)


def engraft(experiment: Experiment, subjects: SubjectTable, n_clones: int, capacity: int, pasts: Sequence[Past] = ()) -> tuple[Packets, np.ndarray]:
    """Packets that begin the lead-in, and the number of cells of each subject.

    The cells are the founders and, of those that are injected, Binomial(injected, seeding
    fraction); subclones share them multinomially, mutants of the past of each subject (`pasts`)
    are taken from the founder clone; the quiescent ones are binomial in each packet.

    Raises:
        InputError: There are more clones than places for packets.
    """
    host, resolution = experiment.host, experiment.engine.packets
    rows, width = len(subjects.labels), capacity if pasts else resolution
    none = np.zeros((rows, width), np.int32)
    start = _Start(np.zeros((2, rows, width)), none, none.copy(), np.zeros((N_NORMALS, rows, width)))
    seeded = np.zeros(rows)
    own = [subject.leukaemia for subject in individuals(experiment, subjects.keys, subjects.leukaemias)]
    for row, (key, leukaemia) in enumerate(zip(subjects.keys, own, strict=True)):
        generator = subject_generator(key, "engraftment")
        seeded[row] = generator.binomial(int(host.injected_cells), host.seeding_fraction) + int(host.founder_cells)
        fractions = [s.fraction for s in leukaemia.subclones.values()]
        cells = generator.multinomial(int(seeded[row]), [1.0 - sum(fractions), *fractions])
        _deal_lines(start, row, _with_mutants(cells, pasts[row] if pasts else NO_PAST), resolution, leukaemia.growth.quiescent_fraction, generator)
    traits = _expressed(experiment, own, start.kind, start.z, n_clones)
    fast = resting_state(traits, cell_params(experiment.cell))
    if pasts:  # what is beyond the founders' packets is blank unless mutants are there
        blank = (start.counts.sum(axis=0) == 0.0) & (np.arange(width) >= resolution)
        traits, fast = jax.tree.map(lambda x: np.where(blank, np.float32(0), np.asarray(x)), (traits, fast))
    kind = start.kind if experiment.cohort.resistance else ()
    return new_packets([*start.counts, np.zeros((rows, width))], start.clone, traits, fast, capacity, kind), seeded


def _deal_lines(start: _Start, row: int, lines: list[Line], resolution: int, quiescent_fraction: float, generator: np.random.Generator) -> None:
    """Give the lines of a row their packets.

    Raises:
        InputError: There are more lines than places.
    """
    shares = np.asarray(_clone_shares(np.array([[line.cells for line in lines]], np.float64), resolution))[0].astype(int)
    if shares.sum() > start.clone.shape[1]:
        raise InputError(f"engine.packets = {resolution}: too few for the {len(lines)} clones of a subject at the start.")
    place = 0
    for line, n_packets in zip(lines, shares.tolist(), strict=True):
        if line.cells == 0:
            continue
        here = slice(place, place + n_packets)
        dealt = _deal_counts(line.cells, n_packets, generator.random())
        quiescent = generator.binomial(dealt.astype(np.int64), quiescent_fraction)
        start.counts[0, row, here], start.counts[1, row, here] = dealt - quiescent, quiescent
        start.clone[row, here], start.kind[row, here] = line.row, line.kind
        start.z[:, row, here] = _founder_normals(n_packets, line.cells, generator)
        if line.parent >= 0 and line.origins == 1:
            start.z[-1, row, here] = start.z[-1, row, place]  # one cell's competence, which its line keeps
        place += n_packets


def _with_mutants(cells: np.ndarray, past: Past) -> list[Line]:
    """Lines of the start: founders and subclones, of which there are `cells`, then mutants, whose cells are taken from the founders."""
    lines = [Line(row, NO_PARENT, row, int(n), 0.0, 1) for row, n in enumerate(cells)]
    for line in past.lines:
        taken = min(line.cells, lines[0].cells)
        lines[0] = lines[0]._replace(cells=lines[0].cells - taken)
        if taken:
            lines.append(line._replace(cells=taken))
    return lines


def _expressed(experiment: Experiment, own: list[Leukaemia], kind: np.ndarray, z: np.ndarray, n_clones: int) -> Traits:
    """Traits of the packets of each row's leukaemia at the start, float32 (rows, packets)."""
    amounts: Amounts = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), experiment.cell.amounts)
    reference, layout = experiment.cell.amounts.reference_nm, clone_layout(experiment)
    per_row = [clone_means(leukaemia, reference, n_clones) for leukaemia in own]
    if layout.mechanisms:
        mutation = mutation_params([experiment.mechanisms[name] for name in experiment.cohort.resistance], layout)
        per_row = [means_of_kinds(founders, mutation, layout) for founders in per_row]
    mean = only(jax.tree.map(lambda *values: np.take_along_axis(np.stack(values), kind, axis=1), *per_row), factors_of(experiment))

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, np.float32)[:, None]

    traits_of = [leukaemia.traits for leukaemia in own]
    competence_cv, set_point_cv = column([t.bmf_competence_cv for t in traits_of]), column([t.set_point_cv for t in traits_of])
    expressed: Traits = _express(mean, list(z.astype(np.float32)), amounts, competence_cv, set_point_cv)
    return expressed
