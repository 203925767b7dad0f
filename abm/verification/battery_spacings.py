"""Tests of random words as points: Marsaglia's birthday spacings and collisions.

Marsaglia & Tsang 2002, Some difficult-to-pass tests of randomness, doi:10.18637/jss.v007.i03;
Knuth, The Art of Computer Programming 2, 3.3.2.I.  Both numbers are Poisson for a good generator,
to a relative error of the order of points over cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

_BIRTHDAYS = 4096  # in a year of 2**32 days: 4 equal spacings on average
_CELL_BITS = 26


def _two_sided(seen: int, mean: float) -> float:
    return float(min(1.0, 2.0 * min(poisson.sf(seen - 1, mean), poisson.cdf(seen, mean))))


def birthday_spacings(words: NDArray[np.uint32]) -> dict[str, float]:
    """Equal spacings among birthdays, over years of 4096 words."""
    years = words.size // _BIRTHDAYS
    days = np.sort(words[: years * _BIRTHDAYS].reshape(years, _BIRTHDAYS).astype(np.int64), axis=1)
    spacings = np.sort(np.diff(days, axis=1), axis=1)
    return {"birthday spacings": _two_sided(int(np.sum(spacings[:, 1:] == spacings[:, :-1])), years * _BIRTHDAYS**3 / (4.0 * 2.0**32))}


def collisions(words: NDArray[np.uint32]) -> dict[str, float]:
    """Words that fall into a cell that is taken, by their upper and by their lower bits."""
    cells = float(1 << _CELL_BITS)
    n = min(words.size, 1 << (_CELL_BITS // 2 + 3))
    expected = n - cells * -np.expm1(n * np.log1p(-1.0 / cells))
    found = {}
    for name, cell in (("upper", words[:n] >> np.uint32(32 - _CELL_BITS)), ("lower", words[:n] & np.uint32((1 << _CELL_BITS) - 1))):
        found[f"collisions, {name} bits"] = _two_sided(n - np.unique(cell).size, expected)
    return found


def points(words: NDArray[np.uint32]) -> dict[str, float]:
    """All tests of this module."""
    return birthday_spacings(words) | collisions(words)
