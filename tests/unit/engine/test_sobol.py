"""Sobol' points are those of SciPy, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from abm.engine.sobol import MOST_DIMENSIONS, sobol_points


@pytest.mark.parametrize("dimensions", range(1, MOST_DIMENSIONS + 1))
@pytest.mark.parametrize(("n", "seed"), [(1, 7), (8, 7), (1024, 11), (32768, 0)])
def test_points_are_those_of_scipy(dimensions: int, n: int, seed: int) -> None:
    np.testing.assert_array_equal(sobol_points(dimensions, n, seed), qmc.Sobol(dimensions, scramble=True, seed=seed).random(n))


def test_a_part_is_the_beginning_of_the_whole() -> None:
    np.testing.assert_array_equal(sobol_points(7, 300, 3), sobol_points(7, 512, 3)[:300])
    assert sobol_points(7, 0, 3).shape == (0, 7)


@pytest.mark.parametrize(("dimensions", "n"), [(0, 8), (MOST_DIMENSIONS + 1, 8), (1, -1), (1, 2**31)])
def test_what_cannot_be_is_refused(dimensions: int, n: int) -> None:
    with pytest.raises(ValueError, match="at most 7 dimensions"):
        sobol_points(dimensions, n, 0)
