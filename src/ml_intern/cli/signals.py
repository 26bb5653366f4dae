"""Ctrl-C and SIGTERM: the first asks the run to stop, the second ends it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ASKED = b"\nml-intern: stopping at the next safe point; once more ends it at once\n"
_STDERR = 2


@contextmanager
def stopping(cancel: Callable[[], None]) -> Generator[None]:
    """Call `cancel` at the first signal inside the block and raise `KeyboardInterrupt` at the second.

    From the third on the system's default ends the process, even one that hangs while it cleans up. The handlers
    from before come back after the block. Main thread only.
    """

    def first(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in _SIGNALS:
            signal.signal(each, second)
        cancel()
        # not print: the signal may have interrupted one, and a buffered stream cannot be entered twice
        os.write(_STDERR, _ASKED)

    def second(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, first) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
