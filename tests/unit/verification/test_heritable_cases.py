"""The cases of heritable change on samples of the exact law and of a wrong one, in place of the program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from abm.verification.cases import heritable
from abm.verification.exact_mutants import lea_coulson
from abm.verification.runner import Runner


def branched(rng: np.random.Generator, keys: dict[str, Any], factor: float) -> tuple[np.ndarray, np.ndarray]:
    """(sensitive, resistant) of many subjects, event by event in small steps of exact Poisson thinning; `factor` times the mutations."""
    n = keys["replicates"]
    s, r = np.full(n, keys["s0"]), np.full(n, keys["r0"])
    start, h = 0.0, 0.05
    u = keys["u"] * factor
    for end, b_s, d_s, b_r, d_r in keys["phases"]:
        for _ in range(round((end - start) / h)):
            # One event a cell at most: first order, good to 1 % at this step.
            divide, die = rng.multinomial(s, [b_s * h, d_s * h, 1.0 - (b_s + d_s) * h])[:, :2].T
            mutant = rng.binomial(divide, u)
            more, less = rng.multinomial(r, [b_r * h, d_r * h, 1.0 - (b_r + d_r) * h])[:, :2].T
            s, r = s + divide - mutant - die, r + mutant + more - less
        start = end
    return s, r


class Double(Runner):
    """Answers as the program would, from a simulation of its own."""

    factor = 1.0

    def size(self, quick: int, full: int) -> int:
        return 700

    def run(self, name: str, engine: dict[str, Any] | None = None, **keys: Any) -> xr.Dataset:  # type: ignore[override]
        s, r = branched(np.random.default_rng(1), keys, self.factor)
        counts = np.stack([s, r], axis=1)[None, :, None, :]
        coords = {"arm": ["theory"], "population": ["sensitive", "resistant"], "time": [keys["phases"][-1][0]]}
        return xr.Dataset({"count": (("arm", "subject", "time", "population"), counts)}, coords=coords)


def test_a_right_program_passes_and_one_with_twice_the_mutations_fails() -> None:
    law = heritable.TT_P1
    right, _ = heritable._two_types(Double(quick=True), law, 200, "day 100")
    assert all(finding.passed for finding in right), [f for f in right if not f.passed]
    twice = Double(quick=True)
    twice.factor = 2.0
    wrong, _ = heritable._two_types(twice, law, 200, "day 100")
    assert not next(f for f in wrong if f.quantity.startswith("P(no resistant")).passed


def test_growth_without_chance_would_be_rejected() -> None:
    law = np.maximum(heritable.luria_delbruck(100, 1.0, 0.0, 1.0, 2.7e-4, 5.0, 512), 0.0)
    toy = lea_coulson(2.7e-4 * 100.0 * np.expm1(5.0), 1000)
    beyond = float(1.0 - toy[:100].sum())
    n = 10_000
    assert not heritable.check_proportion("tail", round(n * (1.0 - beyond)), n, float(law[:100].sum()), heritable.TAIL_SHIFT).passed
    assert heritable.check_proportion("tail", round(n * float(law[:100].sum())), n, float(law[:100].sum()), heritable.TAIL_SHIFT).passed
    assert law[0] == pytest.approx(0.02018, abs=6e-6)
