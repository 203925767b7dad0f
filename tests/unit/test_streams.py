"""Threefry against its published vectors; keys that keep draws apart."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from abm import streams
from abm.config.cross_checks import MOST_MECHANISMS
from abm.streams import (
    PHASE_LEAD_IN,
    PHASE_SUBJECT,
    PHASE_TRIAL,
    name_key,
    stacked_words,
    step_key,
    subject_generator,
    subject_key,
    subject_uniforms,
    subject_words,
    threefry,
)

# Known-answer tests of Random123 (Salmon et al. 2011), threefry2x32, 20 rounds: counter, key, words.
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]
STREAMS = {name: value for name, value in vars(streams).items() if name.startswith("STREAM_")}


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter: tuple[int, int], key: tuple[int, int], words: tuple[int, int]) -> None:
    host = threefry(*(np.array([x], np.uint32) for x in (*key, *counter)))
    device = jax.jit(threefry)(*(jnp.array([x], jnp.uint32) for x in (*key, *counter)))
    assert tuple(int(w[0]) for w in host) == words
    assert tuple(int(w[0]) for w in device) == words


def test_numpy_and_jax_agree_on_many_words() -> None:
    generator = np.random.default_rng(1)
    arrays = [generator.integers(0, 2**32, 4096, dtype=np.uint32) for _ in range(4)]
    for host, device in zip(threefry(*arrays), jax.jit(threefry)(*map(jnp.asarray, arrays)), strict=True):
        np.testing.assert_array_equal(host, np.asarray(device))


def test_words_of_packets_are_those_of_their_key_and_uid() -> None:
    keys = np.array([[1, 2], [3, 4]], np.uint32)
    uid = np.arange(6, dtype=np.uint32).reshape(2, 3)
    words = stacked_words(keys[:, 0], keys[:, 1], PHASE_TRIAL, np.uint32(9), (1, 5), uid, uid + np.uint32(7))
    for s, row, i in itertools.product(range(2), range(2), range(3)):
        key = step_key(*(keys[row : row + 1, j] for j in (0, 1)), PHASE_TRIAL, np.uint32(9), (1, 5)[s])
        expected = threefry(*key, uid[row, i : i + 1], uid[row, i : i + 1] + np.uint32(7))
        assert [int(w[s, row, i]) for w in words] == [int(w[0]) for w in expected]


def test_streams_do_not_overlap() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS)
    assert max(STREAMS.values()) < 2**16
    # Columns that only die take the numbers after theirs, mechanisms two each, blood and stem cells some, switches the rest.
    several = [
        streams.STREAM_LAZY_DEATH,
        streams.STREAM_MUTANTS,
        streams.STREAM_HEALTHY,
        streams.STREAM_STEM,
        streams.STREAM_DONOR,
        streams.STREAM_SWITCH_STATE,
    ]
    assert sorted(STREAMS.values())[-6:] == several
    assert streams.STREAM_MUTANTS + 2 * MOST_MECHANISMS <= streams.STREAM_HEALTHY


def test_keys_differ_between_subjects_phases_steps_and_streams() -> None:
    steps = np.arange(300, dtype=np.uint32)
    with np.errstate(over="ignore"):
        seen = [
            np.stack(step_key(*subject_key(seed, name, replicate), phase, steps, stream), axis=1)
            for seed, name, replicate in itertools.product((0, 1, 2**32), ("a", "b"), (0, 1))
            for phase in (PHASE_LEAD_IN, PHASE_TRIAL, PHASE_SUBJECT)
            for stream in sorted(STREAMS.values())
        ]
    keys = np.concatenate(seen)
    # 2^64 keys: a chance collision among these 2e5 has probability 1e-9.
    assert len(np.unique(keys, axis=0)) == len(keys)


def test_subject_keys_depend_on_names_only() -> None:
    assert subject_key(7, "typical", 3).tolist() == subject_key(7, "typical", 3).tolist()
    assert name_key("typical") == name_key("typical") != name_key("Typical")
    assert subject_key(2**32 + 7, "typical", 3).tolist() != subject_key(7, "typical", 3).tolist()


def test_named_draws_of_a_subject() -> None:
    key = subject_key(1, "a", 0)
    np.testing.assert_array_equal(subject_words(key, "growth", 3), subject_words(key, "growth", 8)[:3])
    assert subject_words(key, "growth", 4).tolist() != subject_words(key, "pharmacokinetics/x", 4).tolist()
    u = subject_uniforms(key, "growth", 20_000)
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert stats.kstest(u, "uniform").pvalue > 1e-6
    first, again, other = (subject_generator(key, name).random(4).tolist() for name in ("x", "x", "y"))
    assert first == again != other


def test_bits_of_neighbouring_counters_look_independent() -> None:
    """Mean and correlations of bits over counters, uids, steps and streams that differ by one; false alarm 1e-6."""
    n = 1 << 16
    uid = np.arange(n, dtype=np.uint32)
    zero = np.zeros(n, np.uint32)
    with np.errstate(over="ignore"):
        key = [step_key(np.uint32(1), np.uint32(2), PHASE_TRIAL, np.uint32(k), s) for k, s in ((5, 1), (5, 2), (6, 1))]
        words = [w for k in key for w in threefry(*k, zero, uid)]
    words.append(np.roll(words[0], 1))
    bits = np.concatenate([np.unpackbits(w.view(np.uint8)).reshape(n, 32) for w in words], axis=1) * 2.0 - 1.0
    correlation = bits.T @ bits / np.sqrt(n)
    z = correlation[np.triu_indices(len(correlation), 1)]
    limit = stats.norm.isf(0.5e-6 / z.size)
    assert np.abs(z).max() < limit
    assert np.abs(bits.mean(axis=0) * np.sqrt(n)).max() < limit
