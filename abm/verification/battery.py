"""Statistical tests of random bits.

Rukhin et al. 2010, A Statistical Test Suite for Random and Pseudorandom Number Generators for
Cryptographic Applications, NIST SP 800-22 rev. 1a, section 2 (numbers of sections below).  Each
function takes bits, uint8 of 0 and 1, and returns p-values that are uniform for a good generator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.special import erfc, gammaincc, ndtr

Bits = NDArray[np.uint8]
PValues = dict[str, float]

# Longest run of ones in a block: (bits from which it applies, block, shortest class, probabilities of the classes), section 2.4.
_LONGEST_RUN = (
    (128, 8, 1, (0.2148, 0.3672, 0.2305, 0.1875)),
    (6272, 128, 4, (0.1174, 0.2430, 0.2493, 0.1752, 0.1027, 0.1124)),
    (750_000, 10_000, 10, (0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727)),
)


def bits_of(words: NDArray[np.uint32]) -> Bits:
    """Bits of 32-bit words, the most significant first."""
    return np.unpackbits(words.astype(">u4").view(np.uint8))


def monobit(bits: Bits) -> PValues:
    """As many ones as zeros (2.1)."""
    return {"monobit": float(erfc(abs(2.0 * bits.sum() - bits.size) / np.sqrt(2.0 * bits.size)))}


def block_frequency(bits: Bits, block: int = 128) -> PValues:
    """As many ones as zeros in every block (2.2)."""
    blocks = bits.size // block
    share = bits[: blocks * block].reshape(blocks, block).mean(axis=1)
    return {"block frequency": float(gammaincc(0.5 * blocks, 2.0 * block * np.sum((share - 0.5) ** 2)))}


def runs(bits: Bits) -> PValues:
    """Number of runs of equal bits (2.3)."""
    share = float(bits.mean())
    if abs(share - 0.5) >= 2.0 / np.sqrt(bits.size):
        return {"runs": 0.0}
    seen = 1 + int(np.sum(bits[1:] != bits[:-1]))
    expected = 2.0 * bits.size * share * (1.0 - share)
    return {"runs": float(erfc(abs(seen - expected) / (2.0 * np.sqrt(2.0 * bits.size) * share * (1.0 - share))))}


def longest_run(bits: Bits) -> PValues:
    """Longest run of ones in blocks (2.4)."""
    _, block, shortest, chances = next(row for row in reversed(_LONGEST_RUN) if bits.size >= row[0])
    blocks = bits.size // block
    longest, current = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    for column in bits[: blocks * block].reshape(blocks, block).T:
        current = (current + 1) * column
        np.maximum(longest, current, out=longest)
    seen = np.bincount(np.clip(longest - shortest, 0, len(chances) - 1), minlength=len(chances))
    expected = blocks * np.array(chances)
    return {"longest run": float(gammaincc(0.5 * (len(chances) - 1), 0.5 * np.sum((seen - expected) ** 2 / expected)))}


def _ranks(matrices: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """Rank over GF(2) of matrices (n, size) whose rows are numbers of `size` bits."""
    rows = matrices.copy()
    rank = np.zeros(len(rows), np.int64)
    for bit in range(size - 1, -1, -1):
        has = (rows >> np.uint64(bit)) & np.uint64(1)
        # Rows from `rank` on are still free; the first of them with this bit becomes the pivot.
        free = (np.arange(size)[None, :] >= rank[:, None]) & (has == 1)
        found = free.any(axis=1)
        which = np.flatnonzero(found)
        pivot, target = free[which].argmax(axis=1), rank[which]
        chosen = rows[which, pivot]
        rows[which, pivot] = rows[which, target]
        rows[which, target] = chosen
        has = ((rows[which] >> np.uint64(bit)) & np.uint64(1)) == 1
        has &= np.arange(size)[None, :] != target[:, None]
        rows[which] ^= np.where(has, chosen[:, None], np.uint64(0))
        rank[which] += 1
    return rank


def matrix_rank(bits: Bits, size: int = 32) -> PValues:
    """Rank of square matrices of bits (2.5)."""
    n = bits.size // size**2
    shaped = bits[: n * size**2].reshape(n, size, size).astype(np.uint64)
    weights = np.uint64(1) << np.arange(size - 1, -1, -1, dtype=np.uint64)
    rank = _ranks((shaped * weights).sum(axis=2, dtype=np.uint64), size)
    chances = [_chance_of_rank(size, size), _chance_of_rank(size, size - 1)]
    expected = n * np.array([*chances, 1.0 - sum(chances)])
    seen = np.array([np.sum(rank == size), np.sum(rank == size - 1), np.sum(rank < size - 1)])
    return {"matrix rank": float(np.exp(-0.5 * np.sum((seen - expected) ** 2 / expected)))}


def _chance_of_rank(size: int, rank: int) -> float:
    i = np.arange(rank, dtype=np.float64)
    product = np.prod((1.0 - 2.0 ** (i - size)) ** 2 / (1.0 - 2.0 ** (i - rank)))
    return float(2.0 ** (rank * (2 * size - rank) - size * size) * product)


def spectral(bits: Bits) -> PValues:
    """Peaks of the Fourier transform (2.6, with the variance n 0.95 0.05 / 4 of the revision)."""
    n = bits.size - bits.size % 2
    height = np.abs(rfft(2.0 * bits[:n].astype(np.float64) - 1.0))[: n // 2]
    seen = float(np.sum(height < np.sqrt(n * np.log(1.0 / 0.05))))
    return {"spectral": float(erfc(abs(seen - 0.95 * n / 2.0) / np.sqrt(2.0 * n * 0.95 * 0.05 / 4.0)))}


def _patterns(bits: Bits, length: int) -> NDArray[np.int64]:
    """How often each pattern of `length` bits occurs, the sequence closed to a ring."""
    if length == 0:
        return np.array([bits.size])
    ring = np.concatenate([bits, bits[: length - 1]]).astype(np.int64)
    code = np.zeros(bits.size, np.int64)
    for i in range(length):
        code = 2 * code + ring[i : i + bits.size]
    return np.bincount(code, minlength=1 << length)


def serial(bits: Bits, length: int = 10) -> PValues:
    """All patterns equally frequent (2.11)."""
    squares = [
        float((1 << m) / bits.size * np.sum(_patterns(bits, m).astype(np.float64) ** 2) - bits.size) if m > 0 else 0.0 for m in (length, length - 1, length - 2)
    ]
    first, second = squares[0] - squares[1], squares[0] - 2.0 * squares[1] + squares[2]
    return {"serial 1": float(gammaincc(2.0 ** (length - 2), 0.5 * first)), "serial 2": float(gammaincc(2.0 ** (length - 3), 0.5 * second))}


def approximate_entropy(bits: Bits, length: int = 8) -> PValues:
    """Patterns of neighbouring lengths (2.12)."""

    def phi(m: int) -> float:
        share = _patterns(bits, m) / bits.size
        share = share[share > 0.0]
        return float(np.sum(share * np.log(share)))

    statistic = 2.0 * bits.size * (np.log(2.0) - (phi(length) - phi(length + 1)))
    return {"approximate entropy": float(gammaincc(2.0 ** (length - 1), 0.5 * statistic))}


def cumulative_sums(bits: Bits) -> PValues:
    """Largest excursion of the walk, from either end (2.13)."""
    walk = np.cumsum(2 * bits.astype(np.int64) - 1)
    backward = walk[-1] - np.concatenate([[0], walk[:-1]])
    n, found = bits.size, {}
    for name, path in (("cumulative sums, forward", walk), ("cumulative sums, backward", backward)):
        z = float(np.max(np.abs(path)))
        root = np.sqrt(n)
        k = np.arange(np.floor((-n / z + 1.0) / 4.0), np.floor((n / z - 1.0) / 4.0) + 1.0)
        first = np.sum(ndtr((4.0 * k + 1.0) * z / root) - ndtr((4.0 * k - 1.0) * z / root))
        k = np.arange(np.floor((-n / z - 3.0) / 4.0), np.floor((n / z - 1.0) / 4.0) + 1.0)
        second = np.sum(ndtr((4.0 * k + 3.0) * z / root) - ndtr((4.0 * k + 1.0) * z / root))
        found[name] = float(np.clip(1.0 - first + second, 0.0, 1.0))
    return found


def nist(words: NDArray[np.uint32]) -> PValues:
    """All tests of this module on the bits of `words`."""
    bits = bits_of(words)
    found: PValues = {}
    for test in (monobit, block_frequency, runs, longest_run, matrix_rank, spectral, serial, approximate_entropy, cumulative_sums):
        found |= test(bits)
    return found
