"""Let one request at a time out to arXiv from this machine, and never two within three seconds.

The terms of the arXiv API (info.arxiv.org/help/api/tou) allow one request every three seconds over one connection,
counted over all processes. A lock on a file keeps the second, the time written in that file the first.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from ml_intern.core.errors import ConfigError, ToolError

INTERVAL = 3.1
"""Seconds from the end of one request to the start of the next."""
PATIENCE = 60.0
"""Seconds a caller waits for its turn before it is told when to come again."""
LONGEST_PAUSE = 3600.0
"""Seconds; a longer one in the file means that the clock was set back, and a longer one asked for is cut."""


class Gate:
    """A turnstile shared by every process that uses the same folder."""

    def __init__(
        self,
        folder: Path,
        *,
        interval: float = INTERVAL,
        service: str = "arXiv",
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = folder / "gate"
        self._interval = interval
        self._service = service
        self._patience = patience
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def turn(self) -> Generator[Callable[[float], None]]:
        """Wait for the turn and hold the gate during the block.

        The block may call what it is given with the seconds for which the service asked everybody to stay away.

        Raises:
            ToolError: the turn is further away than the patience of this gate; says when it comes.
            ConfigError: the folder cannot be written.
        """
        with self._locked() as file:
            self._wait(_read(file) - self._clock())
            _write(file, self._clock() + self._interval)  # kept if the process dies during its request
            pauses = [self._interval]
            try:
                yield pauses.append
            finally:
                _write(file, self._clock() + min(max(pauses), LONGEST_PAUSE))

    def closed(self, seconds: float) -> ToolError:
        """Say when to come again, for a service that asks to stay away for `seconds`."""
        when = datetime.fromtimestamp(self._clock() + seconds, UTC)
        return ToolError(
            f"{self._service} asks this machine to send no request now. Try again after {when:%H:%M:%S} UTC"
            f" (in {seconds:.0f} s), and do something else until then."
        )

    def _wait(self, seconds: float) -> None:
        if seconds > LONGEST_PAUSE:
            seconds = self._interval
        if seconds > self._patience:
            raise self.closed(seconds)
        if seconds > 0:
            self._sleep(seconds)

    @contextmanager
    def _locked(self) -> Generator[FileIO]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            file = FileIO(self._file, "a+")
        except OSError as error:
            raise ConfigError(
                f"{self._file.parent} cannot be written ({error.strerror}); set ML_INTERN_HOME to a folder that can"
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes, also by the death of the process
            yield file


def _read(file: FileIO) -> float:
    """Give the Unix time before which nobody may send; 0 for a new or damaged file."""
    file.seek(0)
    try:
        return float(file.read(64))
    except ValueError:
        return 0.0


def _write(file: FileIO, until: float) -> None:
    file.seek(0)
    file.truncate()
    file.write(f"{until:.3f}".encode())
