"""Scrambled Sobol' points in seven dimensions, the traits of a cell.

SciPy has the same points in `scipy.stats.qmc`, bit for bit; to import it takes a sixth of
the time in which a run begins.

Direction numbers: Joe & Kuo 2008, SIAM J Sci Comput 30:2635, doi:10.1137/070709359; scrambling
by a random linear map and shift: Matousek 1998, J Complexity 14:527, doi:10.1006/jcom.1998.0489.
"""

from __future__ import annotations

import numpy as np

BITS = 30
# Primitive polynomials and first direction numbers of dimensions 2 to 7.
_POLYNOMIALS = (3, 7, 11, 13, 19, 25)
_FIRST = ((1,), (1, 3), (1, 3, 1), (1, 1, 1), (1, 1, 3, 3), (1, 3, 5, 13))
MOST_DIMENSIONS = 1 + len(_POLYNOMIALS)


def sobol_points(dimensions: int, n: int, seed: int) -> np.ndarray:
    """The first n points of a scrambled Sobol' sequence, float64 (n, dimensions) in [0, 1).

    Args:
        dimensions: At most 7.
        n: Number of points; evenly spread if a power of two.
        seed: Seed of the scrambling.

    Raises:
        ValueError: More dimensions than there are numbers for, or more points than 2^30.
    """
    if not 0 < dimensions <= MOST_DIMENSIONS or not 0 <= n <= 1 << BITS:
        raise ValueError(f"{n} points in {dimensions} dimensions: at most {MOST_DIMENSIONS} dimensions and 2^{BITS} points")
    generator = np.random.default_rng(seed)
    powers = 2 ** np.arange(BITS, dtype=np.int64)
    shift = generator.integers(2, size=(dimensions, BITS), dtype=np.uint32).astype(np.int64) @ powers
    lower = np.tril(generator.integers(2, size=(dimensions, BITS, BITS), dtype=np.uint32), -1).astype(np.int64) + np.eye(BITS, dtype=np.int64)
    bits = _directions(dimensions)[:, None, :] >> np.arange(BITS - 1, -1, -1)[:, None] & 1  # (dimensions, bit, column), highest bit first
    columns = np.einsum("dbc,b->dc", lower @ bits % 2, powers[::-1])
    index = np.arange(n)
    gray = index ^ index >> 1
    points = np.broadcast_to(shift, (n, dimensions)).copy()
    for column in range(max(n - 1, 0).bit_length()):
        points ^= (gray >> column & 1)[:, None] * columns[:, column]
    return points / float(1 << BITS)


def _directions(dimensions: int) -> np.ndarray:
    """Direction numbers scaled to BITS bits, int64 (dimensions, BITS)."""
    numbers = np.ones((dimensions, BITS), np.int64)
    for row, polynomial, first in zip(numbers[1:], _POLYNOMIALS, _FIRST, strict=False):
        degree = polynomial.bit_length() - 1
        row[:degree] = first
        for j in range(degree, BITS):
            row[j] = row[j - degree]
            for k in range(1, degree + 1):
                row[j] ^= (polynomial >> degree - k & 1) * (row[j - k] << k)
    scaled: np.ndarray = numbers << np.arange(BITS - 1, -1, -1)
    return scaled
