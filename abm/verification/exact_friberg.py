"""Friberg's model of blood solved another way than the program does, and the noise of its cells.

Levels themselves are integrated (the program integrates logarithms) with concentrations from
closed forms (the program solves them along).  Fluctuations of a finite number of cells follow the
linear noise approximation (van Kampen 2007, Stochastic Processes in Physics and Chemistry, ch. X),
which is exact to the leading order in 1/N.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from abm.verification.exact_pharmacokinetics import Doses, Drug, concentration
from abm.verification.findings import FloatArray

STAGES = 5


class Blood(NamedTuple):
    """A case; hours."""

    circ0: float
    mtt_h: float
    gamma: float
    slope: float
    drug: Drug
    doses: Doses


def _breaks(case: Blood, end: float) -> FloatArray:
    times = [0.0, end, *(t + case.drug.lag for s, _, w in case.doses for t in (s, s + w))]
    edges: FloatArray = np.unique([t for t in times if 0.0 <= t <= end])
    return edges


def _drift(case: Blood, hours: float, y: FloatArray) -> FloatArray:
    k = 4.0 / case.mtt_h
    effect = case.slope * float(concentration(case.drug, case.doses, hours))
    feed = (case.circ0 / y[-1]) ** case.gamma
    return k * np.concatenate([[y[0] * ((1.0 - effect) * feed - 1.0)], y[:-1] - y[1:]])


def levels(case: Blood, hours: FloatArray) -> FloatArray:
    """Levels (time, stage) at rising `hours` from 0, in the unit of circ0."""
    return _solve(case, hours, lambda t, y: _drift(case, t, y), np.full(STAGES, case.circ0))


def _solve(case: Blood, hours: FloatArray, slope: Callable[[float, FloatArray], FloatArray], y: FloatArray) -> FloatArray:
    seen = np.zeros((len(hours), len(y)))
    seen[hours <= 0.0] = y
    edges = _breaks(case, float(hours[-1]))
    for start, stop in itertools.pairwise(edges):
        inside = (hours > start) & (hours <= stop)
        last = stop - 1e-9  # a dose at the end of a phase has not entered in it
        wanted = np.minimum(hours[inside], last)
        times = np.unique(np.append(wanted, last))
        solved = solve_ivp(slope, (start, last), y, t_eval=times, method="DOP853", rtol=1e-11, atol=1e-12)
        seen[inside], y = solved.y[:, np.searchsorted(times, wanted)].T, solved.y[:, -1]
    return seen


def nadir(case: Blood, start: float, stop: float) -> tuple[float, float]:
    """(hour, level) of the lowest blood count between two times that hold one minimum."""
    grid = np.linspace(start, stop, 400)
    blood = levels(case, np.concatenate([[0.0], grid]))[1:, -1]
    i = int(np.clip(np.argmin(blood), 1, len(grid) - 2))
    parabola = np.polyfit(grid[i - 1 : i + 2] - grid[i], blood[i - 1 : i + 2], 2)
    found = minimize_scalar(lambda t: float(np.polyval(parabola, t)), bounds=(grid[i - 1] - grid[i], grid[i + 1] - grid[i]), method="bounded")
    return float(grid[i] + found.x), float(found.fun)


def stable_below() -> float:
    """Largest feedback exponent at which the state of rest is stable: lambda (lambda + k)^4 + gamma k^5 = 0 has a root on the axis."""
    tangent = np.tan(np.pi / 8.0)
    return float(tangent * (1.0 + tangent**2) ** 2)


def growth_of_oscillation(gamma: float) -> tuple[float, float]:
    """(rate, angular frequency) of the slowest mode about rest, in units of ktr."""
    coefficients = np.zeros(6)
    coefficients[:5] = np.poly([-1.0] * 4)
    coefficients[5] = gamma
    slowest = max(np.roots(coefficients), key=lambda root: root.real)
    return float(slowest.real), float(abs(slowest.imag))


def relative_variance(case: Blood, hours: FloatArray, cells: float) -> FloatArray:
    """Var(Circ) / circ0^2 at `hours` when circ0 is `cells` cells, by the linear noise approximation from a start without variance.

    dC/dt = J C + C J' + B, with the Jacobian J of the drift and B the rates of events times their jumps squared.
    """
    k = 4.0 / case.mtt_h
    relative = case._replace(circ0=1.0)

    def slope(t: float, y: FloatArray) -> FloatArray:
        x, c = y[:STAGES], y[STAGES:].reshape(STAGES, STAGES)
        effect = case.slope * float(concentration(case.drug, case.doses, t))
        feed = x[-1] ** -case.gamma
        jacobian = k * (np.diag(np.ones(STAGES - 1), -1) - np.eye(STAGES))
        jacobian[0, 0] = k * ((1.0 - effect) * feed - 1.0)
        jacobian[0, -1] = -k * case.gamma * x[0] * (1.0 - effect) * feed / x[-1]
        noise = np.zeros((STAGES, STAGES))
        noise[0, 0] = k * x[0] * feed * (1.0 + effect)
        for stage in range(STAGES):
            jump = np.zeros(STAGES)
            jump[stage] = -1.0
            if stage + 1 < STAGES:
                jump[stage + 1] = 1.0
            noise += k * x[stage] * np.outer(jump, jump)
        change = jacobian @ c + c @ jacobian.T + noise / cells
        return np.concatenate([_drift(relative, t, x), change.ravel()])

    start = np.concatenate([np.ones(STAGES), np.zeros(STAGES * STAGES)])
    solved = _solve(relative, hours, slope, start)
    variance: FloatArray = solved[:, -1]
    return variance
