"""The public names are few and known; a change of them is a decision."""

from __future__ import annotations

import abm

PUBLIC = ["AbmError", "FormatError", "InputError", "Run", "RunFault", "RunResult", "Stopped", "compose", "forecast", "load", "simulate"]


def test_public_names() -> None:
    assert abm.__all__ == PUBLIC
    assert dir(abm) == PUBLIC


def test_every_public_name_loads_and_is_documented() -> None:
    for name in PUBLIC:
        assert getattr(abm, name).__doc__, name


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(abm, "simulte")
