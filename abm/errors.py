"""Errors that a user can meet, each with the exit code of the program.

Every message names what was given, what is allowed and what to do.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable

EXIT_COMPLETE = 0
EXIT_FAULT = 1
EXIT_REFUSED = 2
EXIT_STOPPED = 75


class AbmError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = EXIT_FAULT


class InputError(AbmError):
    """Input that does not make sense; nothing was run and nothing was written."""

    exit_code = EXIT_REFUSED


class RunFault(AbmError):
    """The simulation broke one of its own laws (conservation, NaN, capacity)."""


class Stopped(AbmError):
    """The run was stopped by a signal and left a checkpoint that `resume=true` continues."""

    exit_code = EXIT_STOPPED


class FormatError(AbmError):
    """A file that is not a valid result of this program."""

    exit_code = EXIT_REFUSED


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Phrase that suggests the valid name closest to `name`, or nothing."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


FAULTS = (AbmError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What one case of many may end with, without ending the others."""


def in_a_line(error: BaseException) -> str:
    """Kind and words of an error."""
    return "".join(traceback.format_exception_only(error)).strip()


def unknown_name(key: str, name: str, allowed: Iterable[str], *, noun: str = "name") -> InputError:
    """Error for a name that is not one of a known set."""
    names = sorted(allowed)
    listed = ", ".join(names) if names else "none is defined"
    return InputError(f"{key}: unknown {noun} '{name}'.{nearest(name, names)} Allowed: {listed}.")
