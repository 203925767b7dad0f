"""Seeds of tests: fixed ones, or with `pytest --reseed` fresh ones that one printed number brings back."""

from __future__ import annotations

import hashlib
import os
import secrets

VARIABLE = "ABM_TEST_RESEED"


def seed(fixed: int) -> int:
    """The seed to use in place of `fixed`: itself, or under --reseed one that depends on it and on the number of the session."""
    session = os.environ.get(VARIABLE)
    if session is None:
        return fixed
    return int.from_bytes(hashlib.blake2b(f"{session}/{fixed}".encode(), digest_size=4).digest(), "little") >> 1


def fresh() -> int:
    """A number of a session, from the operating system."""
    return secrets.randbelow(2**31)
