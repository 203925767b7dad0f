"""Counter-based random numbers that belong to cells.

Threefry-2x32 with 20 rounds (Salmon et al. 2011, doi:10.1145/2063384.2063405), written
in plain 32-bit operations so that the same code runs on NumPy arrays and inside a JAX
kernel, where it fuses with the arithmetic that uses the numbers.

A draw is a function of (seed, subject, phase, step, stream) through the key and of the
packet's 64-bit uid through the counter: never of the row, the device, the arm or the
order of computation.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

# Streams: one number per independent use of random bits within a step.
STREAM_DIVISION_AND_DEATH = 1
STREAM_HIDDEN = 2
STREAM_MERGE = 3
STREAM_SPLIT = 4
STREAM_SWITCH_CYCLING = 5
STREAM_SWITCH_QUIESCENT = 6
STREAM_SWITCH_BLOOD = 7
STREAM_REDRAW_WHO = 8
STREAM_REDRAW_AMOUNTS = 9
STREAM_REDRAW_SIZE = 10
STREAM_REDRAW_SET_POINT = 11
STREAM_REDRAW_CHILD = 12
STREAM_CONVERTED = 13
STREAM_LAZY_DEATH = 24  # and the following, one for each lazy column
STREAM_MUTANTS = 32  # and the following, two for each mechanism
STREAM_HEALTHY = 64  # and the following
STREAM_STEM = 96  # and the following
STREAM_DONOR = 128
STREAM_SWITCH_STATE = 512  # and the following, STREAMS_OF_SWITCH for each mechanism

STREAMS_OF_SWITCH = 8

# Phases of a run keep their streams apart; subject-level draws have their own.
PHASE_LEAD_IN = np.uint32(1)
PHASE_TRIAL = np.uint32(2)
PHASE_SUBJECT = np.uint32(3)

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(key0: Any, key1: Any, counter0: Any, counter1: Any) -> tuple[Any, Any]:
    """Two 32-bit words for a 64-bit key and a 64-bit counter.

    Args:
        key0, key1: uint32 arrays (NumPy or JAX), broadcastable with the counters.
        counter0, counter1: uint32 arrays.

    Returns:
        Two uint32 arrays of the broadcast shape.
    """
    u32 = np.uint32
    schedule = (key0, key1, key0 ^ key1 ^ u32(_PARITY))
    x0, x1 = counter0 + schedule[0], counter1 + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group & 1]:
            x0 = x0 + x1
            x1 = ((x1 << u32(rotation)) | (x1 >> u32(32 - rotation))) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + u32(group + 1)
    return x0, x1


def name_key(name: str) -> int:
    """32-bit key of a name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")


def subject_key(seed: int, leukaemia: str, replicate: int) -> np.ndarray:
    """Key of one subject, shape (2,), uint32.

    It depends on the names, not on positions: more subjects, more leukaemias or more
    arms leave the draws of this subject unchanged.
    """
    low, high = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
    with np.errstate(over="ignore"):
        words = threefry(low, high, np.uint32(name_key(leukaemia)), np.uint32(replicate))
    return np.array(words, dtype=np.uint32)


def step_key(subject_key0: Any, subject_key1: Any, phase: Any, step: Any, stream: Any) -> tuple[Any, Any]:
    """Key of every draw of one subject in one step and stream, all uint32; shapes as the subject keys."""
    return threefry(subject_key0, subject_key1, step, (phase << 16) | stream)


def stacked_words(key0: Any, key1: Any, phase: Any, step: Any, streams: tuple[int, ...], uid_high: Any, uid_low: Any) -> tuple[Any, Any]:
    """Words of several streams at once, two arrays of shape (streams, rows, packets).

    The loop over streams keeps XLA from copying the generator into every consumer, which
    would multiply the time to compile.

    Args:
        key0, key1: Keys of the subjects, uint32 (rows,).
        phase: uint32 scalar or (rows,).
        step: Absolute step, uint32 scalar.
        uid_high, uid_low: Counters, uint32 (rows or 1, packets).
    """
    import jax

    def one(stream: Any) -> tuple[Any, Any]:
        k0, k1 = step_key(key0, key1, phase, step, stream)
        return threefry(k0[:, None], k1[:, None], uid_high, uid_low)

    words: tuple[Any, Any] = jax.lax.map(one, np.array(streams, np.uint32))
    return words


def subject_words(key: np.ndarray, name: str, n: int) -> np.ndarray:
    """`n` 32-bit words that belong to a subject and a named quantity, not to a cell; shape (n,), uint32.

    They depend on the name alone: further quantities change nothing.
    """
    with np.errstate(over="ignore"):
        k0, k1 = step_key(key[0], key[1], PHASE_SUBJECT, np.uint32(name_key(name)), 0)
        index = np.arange((n + 1) // 2, dtype=np.uint32)
        first, second = threefry(k0, k1, index, np.zeros_like(index))
    return np.stack([first, second], axis=1).reshape(-1)[:n]


def subject_uniforms(key: np.ndarray, name: str, n: int) -> np.ndarray:
    """`n` uniforms in (0, 1) that belong to a subject and a named quantity; shape (n,), float64."""
    uniforms: np.ndarray = (subject_words(key, name, n).astype(np.float64) + 0.5) * 2.0**-32
    return uniforms


def subject_generator(key: np.ndarray, name: str) -> np.random.Generator:
    """NumPy generator that belongs to a subject and a named quantity, for draws made once on the host."""
    return np.random.Generator(np.random.Philox(key=subject_words(key, name, 4).view(np.uint64)))
