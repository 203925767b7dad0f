"""The battery against the worked examples of NIST, against brute force, and against generators with a fault."""

from __future__ import annotations

import numpy as np
import pytest

from abm.verification import battery as nist
from abm.verification.battery_spacings import birthday_spacings, collisions
from abm.verification.cases.random_numbers import ORDERS, battery
from abm.verification.findings import LEVEL


def sequence(text: str) -> np.ndarray:
    return np.array([int(c) for c in text], np.uint8)


# First 100 binary digits of pi, and the 128 bits of section 2.4.8.
PI = sequence("1100100100001111110110101010001000100001011010001100001000110100110001001100011001100010100010111000")
RUNS = sequence("11001100000101010110110001001100111000000000001001001101010100010001001111010110100000001101011111001100111001101101100010110010")


def test_examples_of_nist() -> None:
    assert nist.monobit(PI)["monobit"] == pytest.approx(0.109599, abs=1e-6)
    assert nist.block_frequency(PI, 10)["block frequency"] == pytest.approx(0.706438, abs=1e-6)
    assert nist.runs(PI)["runs"] == pytest.approx(0.500798, abs=1e-6)
    assert nist.approximate_entropy(PI, 2)["approximate entropy"] == pytest.approx(0.235301, abs=1e-6)
    sums = nist.cumulative_sums(PI)
    assert sums["cumulative sums, forward"] == pytest.approx(0.219194, abs=1e-6)
    assert sums["cumulative sums, backward"] == pytest.approx(0.114866, abs=1e-6)
    patterns = nist.serial(sequence("0011011101"), 3)
    assert (patterns["serial 1"], patterns["serial 2"]) == pytest.approx((0.808792, 0.670320), abs=1e-6)
    # NIST rounds the chances of the classes to four digits in one place and not in another.
    assert nist.longest_run(RUNS)["longest run"] == pytest.approx(0.180609, abs=2e-5)


def test_ranks_of_the_example_and_by_elimination() -> None:
    assert nist._ranks(np.array([[0b010, 0b110, 0b010], [0b010, 0b101, 0b011]], np.uint64), 3).tolist() == [2, 3]
    rng = np.random.default_rng(1)
    matrices = rng.integers(0, 2, (200, 6, 6))
    rows = (matrices * (1 << np.arange(5, -1, -1))).sum(axis=2).astype(np.uint64)
    seen = nist._ranks(rows, 6)

    def rank(matrix: np.ndarray) -> int:
        spanned = {0}
        for row in matrix:
            spanned |= {s ^ int(row) for s in spanned}
        return int(np.log2(len(spanned)))

    assert seen.tolist() == [rank(m) for m in rows]
    assert [nist._chance_of_rank(32, 32 - i) for i in range(2)] == pytest.approx([0.2888, 0.5776], abs=5e-5)


def test_peaks_of_the_fourier_transform_are_counted_right() -> None:
    # By the definition of the transform; the worked example of NIST's section 2.6 counts its ten bits wrongly.
    n = PI.size
    k = np.arange(n)
    heights = np.abs(np.exp(-2j * np.pi * np.outer(k[: n // 2], k) / n) @ (2.0 * PI - 1.0))
    below = int(np.sum(heights < np.sqrt(np.log(20.0) * n)))
    deviate = (below - 0.95 * n / 2) / np.sqrt(n * 0.95 * 0.05 / 4)
    assert nist.spectral(PI)["spectral"] == pytest.approx(nist.erfc(abs(deviate) / np.sqrt(2.0)), rel=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_the_generator_passes_in_every_order(order: str) -> None:
    with np.errstate(over="ignore"):
        found = battery(ORDERS[order](1 << 15, 5))
    assert len(found) == 14
    assert min(found.values()) > LEVEL


def linear_congruential(n: int) -> np.ndarray:
    """RANDU, whose low bits hardly change."""
    words = np.empty(n, np.uint32)
    x = 1
    for i in range(n):
        x = (65539 * x) % 2**31
        words[i] = 2 * x
    return words


def test_bad_generators_fail() -> None:
    rng = np.random.default_rng(2)
    n = 1 << 15
    good = rng.integers(0, 2**32, n, dtype=np.uint32)
    assert min(battery(good).values()) > LEVEL
    biased = good | (rng.random(n) < 0.4).astype(np.uint32) * np.uint32(0x80000000)
    repeated = np.concatenate([good[: n // 2]] * 2)
    faults = {
        "randu": linear_congruential(n),
        "a counter": np.arange(n, dtype=np.uint32) * np.uint32(2654435761),
        "a biased bit": biased,
        "the same words twice": repeated,
        "16 bits twice": (good & np.uint32(0xFFFF)) * np.uint32(65537),
    }
    for name, words in faults.items():
        assert min(battery(words).values()) < LEVEL, name


def test_points_of_a_good_generator_are_poisson() -> None:
    rng = np.random.default_rng(3)
    p = [birthday_spacings(rng.integers(0, 2**32, 1 << 15, dtype=np.uint32))["birthday spacings"] for _ in range(20)]
    q = [x for _ in range(10) for x in collisions(rng.integers(0, 2**32, 1 << 15, dtype=np.uint32)).values()]
    assert 0.2 < np.mean(p) < 0.8
    assert 0.2 < np.mean(q) < 0.8
