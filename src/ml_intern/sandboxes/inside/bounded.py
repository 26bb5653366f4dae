"""Pass output on up to a limit, and of the rest keep a count and the end."""

from __future__ import annotations

import codecs
from collections.abc import Callable

TAIL = 8192
"""Bytes kept of what came after the limit."""


class Bounded:
    """Output of one execution. `emit` gets the stream's name and a piece of text, never half a character."""

    def __init__(self, limit: int, emit: Callable[[str, str], None]) -> None:
        self._room = limit
        self._emit = emit
        self._cut = 0
        self._tail = b""
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("backslashreplace") for name in ("stdout", "stderr")}

    def feed(self, stream: str, data: bytes) -> None:
        """Take what the code wrote, at most a pipe's worth at a time."""
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        if head and (text := self._decoders[stream].decode(head)):
            self._emit(stream, text)
        if rest:
            self._cut += len(rest)
            self._tail = (self._tail + rest)[-TAIL:]

    def finish(self) -> tuple[int, str]:
        """Give the number of bytes lost and the text of the tail."""
        for stream, decoder in self._decoders.items():
            if text := decoder.decode(b"", final=True):
                self._emit(stream, text)
        return self._cut - len(self._tail), self._tail.decode("utf-8", "backslashreplace")
