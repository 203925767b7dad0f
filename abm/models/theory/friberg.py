"""Friberg's equations of blood under a cytotoxic drug, solved with their pharmacokinetics.

The stages are solved as logarithms, so that every level is positive however deep the nadir.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

from abm.errors import RunFault
from abm.models.theory.pharmacokinetics import individual_pk
from abm.parameters.theory import Myelosuppression
from abm.pharmacology.compartments import CENTRAL, PERIPHERAL, FloatArray, Flow
from abm.pharmacology.schedule import SAME_MOMENT_H, SHORTEST_INFUSION_H

POPULATIONS = ("proliferating", "transit_1", "transit_2", "transit_3", "circulating")
STAGES = len(POPULATIONS)
_COMPARTMENTS = PERIPHERAL + 1
_TOLERANCE = 1e-10


class FribergCurves(NamedTuple):
    """Solution at given times."""

    levels: FloatArray  # (time, stage), in the unit of circ0
    concentration: FloatArray  # (time,), amount/L
    fewest: float  # lowest blood count that the solver met
    highest: float  # highest concentration that it met


class _Inputs(NamedTuple):
    """Doses as they enter, bioavailability included."""

    boluses: list[tuple[float, float]]  # time (h), amount
    infusions: list[tuple[float, float, float]]  # start (h), stop (h), amount per hour


def transit_rate_per_h(record: Myelosuppression) -> float:
    """ktr, 1/h: three transits and the blood take MTT on average."""
    return 4.0 / record.mtt_h


def _inputs(record: Myelosuppression) -> _Inputs:
    boluses, infusions = [], []
    for time, amount, duration in record.doses:
        start = time + record.lag
        if duration > SHORTEST_INFUSION_H:
            infusions.append((start, start + duration, record.f * amount / duration))
        else:
            boluses.append((start, record.f * amount))
    return _Inputs(boluses, infusions)


def _edges(inputs: _Inputs, end: float) -> FloatArray:
    """Times at which what enters changes, 0 and the end, h."""
    times = [0.0, end, *(t for t, _ in inputs.boluses), *(t for start, stop, _ in inputs.infusions for t in (start, stop))]
    inside = np.unique([t for t in times if 0.0 <= t <= end])
    edges: FloatArray = inside[np.append(True, np.diff(inside) > SAME_MOMENT_H)]
    return edges


def solve(record: Myelosuppression, times_h: FloatArray) -> FribergCurves:
    """Counts and concentration at `times_h`, rising from 0; relative error about 1e-8.

    Raises:
        RunFault: The solver gave up.
    """
    flow = Flow(individual_pk(record))
    generator, volume = flow.generator[0, 0], record.v1
    entry = int(np.argmax(flow.entry[0, 0]))
    k, inputs = transit_rate_per_h(record), _inputs(record)
    rates = generator[:_COMPARTMENTS, :_COMPARTMENTS]
    entering = np.zeros(_COMPARTMENTS)

    def slope(_: float, y: FloatArray) -> FloatArray:
        amounts, logs = y[:_COMPARTMENTS], y[_COMPARTMENTS:]
        effect = record.slope * amounts[CENTRAL] / volume
        proliferating = k * ((1.0 - effect) * np.exp(-record.gamma * logs[-1]) - 1.0)
        return np.concatenate([rates @ amounts + entering, [proliferating], k * np.expm1(logs[:-1] - logs[1:])])

    given = sum(amount for _, amount in inputs.boluses) + sum((stop - start) * rate for start, stop, rate in inputs.infusions)
    absolute = np.array([_TOLERANCE * max(given, 1e-300)] * _COMPARTMENTS + [_TOLERANCE] * STAGES)
    y = np.zeros(_COMPARTMENTS + STAGES)
    seen = np.zeros((len(times_h), len(y)))
    met: list[FloatArray] = []
    edges = _edges(inputs, float(times_h[-1]))
    for start, stop in zip(edges, [*edges[1:], np.inf], strict=True):
        y[entry] += sum(amount for time, amount in inputs.boluses if abs(time - start) <= SAME_MOMENT_H)
        seen[np.abs(times_h - start) <= SAME_MOMENT_H] = y
        met.append(y[:, None].copy())
        if np.isinf(stop):
            break
        entering[entry] = sum(rate for begin, end, rate in inputs.infusions if begin <= start + SAME_MOMENT_H and end >= stop - SAME_MOMENT_H)
        inside = (times_h > start + SAME_MOMENT_H) & (times_h < stop - SAME_MOMENT_H)
        solved = solve_ivp(slope, (start, stop), y, method="LSODA", rtol=_TOLERANCE, atol=absolute, dense_output=True)
        if not solved.success:
            raise RunFault(f"theory/myelosuppression: the equations could not be solved beyond hour {solved.t[-1]:g}: {solved.message}")
        if inside.any():
            assert solved.sol is not None  # asked for by dense_output
            seen[inside] = solved.sol(times_h[inside]).T
        met.append(solved.y)
        y = solved.y[:, -1].copy()
    path = np.concatenate(met, axis=1)
    return FribergCurves(
        levels=record.circ0 * np.exp(seen[:, _COMPARTMENTS:]),
        concentration=seen[:, CENTRAL] / volume,
        fewest=record.circ0 * float(np.exp(path[-1].min())),
        highest=float(path[CENTRAL].max()) / volume,
    )
