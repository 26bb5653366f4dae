"""JSON lines to and from the host; never waits, so that limits are kept whatever the host does."""

from __future__ import annotations

import os

import lean
import processes

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FULL = 4 << 20
"""Bytes that wait for the host, above which no more output shall be taken from the code."""


class Channel:
    """The pipes of process 1 to the host. `obey` gets each request; `relieved` is called when all was taken."""

    def __init__(
        self,
        loop: processes.Loop,
        requests: int,
        events: int,
        *,
        obey: Callable[[dict[str, Any]], None],
        relieved: Callable[[], None],
    ) -> None:
        self._requests = requests
        self._events = events
        self._obey = obey
        self._relieved = relieved
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._loop = loop
        self.is_closed = False
        os.set_blocking(requests, False)
        os.set_blocking(events, False)
        loop.watch(requests, self._receive)

    @property
    def is_full(self) -> bool:
        """Whether the host is far behind."""
        return len(self._outgoing) > _FULL

    def send(self, **event: object) -> None:
        """Queue one event and write what the host takes."""
        self._outgoing += lean.dumps(event).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._outgoing:
                del self._outgoing[: os.write(self._events, memoryview(self._outgoing)[: 1 << 16])]
        except BlockingIOError:
            self._loop.watch_writing(self._events, self._flush)
            return
        except OSError:
            self.is_closed = True
        self._loop.forget_writing(self._events)
        self._relieved()

    def _receive(self) -> None:
        data = processes.read(self._requests)
        if data == b"":
            self.is_closed = True
            self._loop.forget(self._requests)
        self._incoming += data or b""
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = rest
        for line in lines:
            try:
                request = lean.loads(line)
            except ValueError:
                continue
            self._obey(request)
