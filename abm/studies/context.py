"""What a study is given besides its experiment: where to write, whom to tell, when to stop."""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

CHECKPOINT_NAME = "checkpoint.npz"
_SPARSE_SECONDS = 15.0


class Reporter(Protocol):
    """Whom a study tells how far it is."""

    def begin(self, label: str) -> None:
        """A phase starts, e.g. 'Lead-in'; the one before is complete."""

    def update(self, fraction: float, text: str = "") -> None:
        """`fraction` (0 to 1) of the phase is done; `text` says what is going on."""

    def close(self) -> None:
        """Nothing more will be reported."""


class SilentReporter:
    """Reports nothing."""

    def begin(self, label: str) -> None:
        pass

    def update(self, fraction: float, text: str = "") -> None:
        pass

    def close(self) -> None:
        pass


class BarReporter:
    """A progress bar with the time that is left, for a terminal."""

    _FORMAT = "{desc:<12} {percentage:3.0f}% |{bar:28}| {elapsed}<{remaining} {postfix}"

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, label: str) -> None:
        from tqdm import tqdm

        self.close()
        self._bar = tqdm(total=1.0, desc=label, bar_format=self._FORMAT, dynamic_ncols=True, leave=True, file=sys.stderr)

    def update(self, fraction: float, text: str = "") -> None:
        if self._bar is None:
            self.begin("Run")
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(min(max(fraction, 0.0), 1.0) - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class LineReporter:
    """A line at the start of a phase, at its end and at most every 15 s, for logs."""

    def __init__(self, write: Callable[[str], Any] | None = None) -> None:
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._label = "Run"
        self._last = float("-inf")

    def begin(self, label: str) -> None:
        self._label = label
        self._last = time.monotonic()
        self._write(f"{label} ...")

    def update(self, fraction: float, text: str = "") -> None:
        now = time.monotonic()
        if fraction >= 1.0 or now - self._last >= _SPARSE_SECONDS:
            self._last = now
            self._write(f"{self._label} {100.0 * fraction:3.0f}% {text}".rstrip())

    def close(self) -> None:
        pass


def make_reporter(progress: bool) -> Reporter:
    """A bar on a terminal, sparse lines elsewhere, silence if not wanted."""
    if not progress:
        return SilentReporter()
    return BarReporter() if sys.stderr.isatty() else LineReporter()


class StopSignals:
    """Remembers that SIGTERM or Ctrl-C arrived, so that a study can stop at its next checkpoint.

    A second Ctrl-C stops at once.  One object serves a whole process: in a sweep the
    members after the stopped one stop too.
    """

    def __init__(self) -> None:
        self._received: str | None = None

    @property
    def received(self) -> str | None:
        """Name of the signal that arrived, e.g. 'SIGTERM', or None."""
        return self._received

    def __call__(self) -> bool:
        return self._received is not None

    def clear(self) -> None:
        """Forget what arrived."""
        self._received = None

    @contextmanager
    def listening(self) -> Iterator[StopSignals]:
        """Handle SIGTERM and SIGINT in this block; a thread other than the main one only shares the flag."""
        previous: dict[int, Any] = {}
        try:
            for stop in (signal.SIGTERM, signal.SIGINT):
                previous[stop] = signal.signal(stop, self._handle)
        except ValueError:  # not the main thread
            pass
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = signal.Signals(number).name
        print(f"\n{self._received}: stopping at the next checkpoint (Ctrl-C again stops at once).", file=sys.stderr, flush=True)


def _never() -> bool:
    return False


@dataclasses.dataclass(frozen=True)
class Context:
    """Surroundings of a run.

    Attributes:
        folder: where the result and the checkpoint go; None keeps everything in memory.
        progress: whom to tell how far the run is.
        should_stop: True once the run ought to write a checkpoint and raise `abm.errors.Stopped`.
        overrides: what the user changed, for provenance.
        config_yaml: the resolved configuration with its sources, as it is stored.
        resume: whether a checkpoint in `folder` is to be continued.
    """

    folder: Path | None = None
    progress: Reporter = dataclasses.field(default_factory=SilentReporter)
    should_stop: Callable[[], bool] = _never
    overrides: tuple[str, ...] = ()
    config_yaml: str = ""
    resume: bool = False

    @property
    def checkpoint(self) -> Path | None:
        """File of the checkpoint, or None without a folder."""
        return None if self.folder is None else self.folder / CHECKPOINT_NAME
