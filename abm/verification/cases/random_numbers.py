"""The counter generator as the engine uses it: bits in a row over cells, steps, streams and subjects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from abm.models.theory.program import replicate_keys
from abm.streams import PHASE_TRIAL, STREAM_DIVISION_AND_DEATH, step_key, subject_key, threefry
from abm.verification.battery import nist
from abm.verification.battery_spacings import points
from abm.verification.findings import Finding, Outcome, PValuePanel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.tests_of_chance import check_error

Words = NDArray[np.uint32]

# Known answers of threefry2x32, 20 rounds: file kat_vectors of Random123 (counter, key, output).
KNOWN_ANSWERS = (
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
)


def over_cells(n: int, seed: int) -> Words:
    """One subject, step and stream; the 64-bit uid counts."""
    key = subject_key(seed, "verification", 0)
    k0, k1 = step_key(key[0], key[1], PHASE_TRIAL, np.uint32(7), STREAM_DIVISION_AND_DEATH)
    return _both(threefry(k0, k1, np.uint32(0), np.arange(n // 2, dtype=np.uint32)))


def over_steps(n: int, seed: int) -> Words:
    """One subject, stream and cell; the step counts."""
    key = subject_key(seed, "verification", 0)
    k0, k1 = step_key(key[0], key[1], PHASE_TRIAL, np.arange(n // 2, dtype=np.uint32), STREAM_DIVISION_AND_DEATH)
    return _both(threefry(k0, k1, np.uint32(0), np.uint32(3)))


def over_streams(n: int, seed: int) -> Words:
    """One subject and cell; 128 streams of one step after the other."""
    key = subject_key(seed, "verification", 0)
    index = np.arange(n // 2, dtype=np.uint32)
    k0, k1 = threefry(key[0], key[1], index // np.uint32(128), np.uint32(PHASE_TRIAL << 16) | (index % np.uint32(128)))
    return _both(threefry(k0, k1, np.uint32(0), np.uint32(3)))


def over_subjects(n: int, seed: int) -> Words:
    """One step, stream and cell; replicates count, with the keys of the theory experiments."""
    keys = replicate_keys(seed, "verification", n // 2)
    k0, k1 = step_key(keys[:, 0], keys[:, 1], PHASE_TRIAL, np.uint32(7), STREAM_DIVISION_AND_DEATH)
    return _both(threefry(k0, k1, np.uint32(0), np.uint32(3)))


def _both(words: tuple[Words, Words]) -> Words:
    """Both words of every draw, one after the other."""
    return np.stack(words, axis=-1).reshape(-1)


ORDERS: dict[str, Callable[[int, int], Words]] = {"cells": over_cells, "steps": over_steps, "streams": over_streams, "subjects": over_subjects}


def battery(words: Words) -> dict[str, float]:
    """p-values of all tests on one sequence of words."""
    return nist(words) | points(words)


@case(
    "random_bits",
    shows="bits of the generator in a row over cells, over steps, over streams and over subjects, by NIST's and Marsaglia's tests",
    source="NIST SP 800-22 rev. 1a; Marsaglia & Tsang 2002, doi:10.18637/jss.v007.i03; Knuth 2, 3.3.2",
    reading="Right: p-values along the diagonal. Wrong: points that leave the diagonal downwards at the lower left: p-values that are too small.",
)
def bits(runner: Runner) -> Outcome:
    """14 tests on each of four orders, and their p-values together."""
    n = runner.size(1 << 16, 1 << 20)
    findings: list[Finding] = []
    groups: dict[str, np.ndarray] = {}
    for order, draw in ORDERS.items():
        with np.errstate(over="ignore"):
            found = battery(draw(n, runner.seed))
        groups[f"over {order}"] = np.array(sorted(found.values()))
        findings += [Finding(f"{name}, over {order}: p-value", float("nan"), p, p=p, basis=f"asymptotic law, {32 * n} bits") for name, p in found.items()]
    together = float(kstest(np.concatenate(list(groups.values())), "uniform").pvalue)
    findings.append(Finding("all p-values are uniform: p-value", float("nan"), together, p=together, basis="Kolmogorov-Smirnov"))
    return Outcome(findings, [PValuePanel("p-values of all tests", groups)], remark=f"{4 * 32 * n:.3g} bits in all.")


@case(
    "random_known_answers",
    shows="the generator gives the published words of Threefry-2x32-20, on the host and inside a compiled program",
    source="Salmon et al. 2011, doi:10.1145/2063384.2063405; known answers of the library Random123",
    reading="Right: dots at 0. Wrong: any other word.",
)
def known_answers(runner: Runner) -> Outcome:
    """Three vectors, two words each, NumPy and JAX."""
    import jax

    findings = []
    for i, (counter, key, output) in enumerate(KNOWN_ANSWERS):
        arguments = [np.array([x], np.uint32) for x in (*key, *counter)]
        with np.errstate(over="ignore"):
            host = threefry(*arguments)
        compiled = jax.jit(threefry)(*arguments)
        for place, words in (("NumPy", host), ("JAX", compiled)):
            for j in (0, 1):
                findings.append(check_error(f"vector {i + 1}, word {j + 1}, {place}", float(output[j]), float(np.asarray(words[j])[0])))
    return Outcome(findings)
