"""Pass output on up to a limit, keep more of it up to a quota, and of the rest a count and the end."""

from __future__ import annotations

import codecs

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable

TAIL = 8192
"""Bytes kept of what came after a limit."""


class Bounded:
    """Output of one execution.

    `emit` gets the stream's name, a piece of text, never half a character, and whether it is within `limit` bytes and
    so to be shown; what comes after `limit` is to be stored only, and what comes after `quota` is lost but for its end.
    """

    def __init__(self, limit: int, quota: int, emit: Callable[[str, str, bool], None]) -> None:
        self._room, self._more = limit, max(quota - limit, 0)
        self._emit = emit
        self._not_shown, self._not_stored = _Rest(), _Rest()
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("backslashreplace") for name in ("stdout", "stderr")}

    def feed(self, stream: str, data: bytes) -> None:
        """Take what the code wrote, at most a pipe's worth at a time."""
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        self._pass_on(stream, head, is_shown=True)
        if rest:
            self._not_shown.add(rest)
            head, rest = rest[: self._more], rest[self._more :]
            self._more -= len(head)
            self._pass_on(stream, head, is_shown=False)
            self._not_stored.add(rest)

    def finish(self) -> dict[str, object]:
        """Give the bytes not shown and the text of their end, and the same of those not stored."""
        for stream, decoder in self._decoders.items():
            if text := decoder.decode(b"", final=True):
                self._emit(stream, text, True)
        (dropped, tail), (lost, end) = self._not_shown.told(), self._not_stored.told()
        return {"dropped": dropped, "tail": tail, "lost": lost, "end": end}

    def _pass_on(self, stream: str, data: bytes, *, is_shown: bool) -> None:
        if data and (text := self._decoders[stream].decode(data)):
            self._emit(stream, text, is_shown)


class _Rest:
    def __init__(self) -> None:
        self._cut = 0
        self._tail = b""

    def add(self, data: bytes) -> None:
        self._cut += len(data)
        self._tail = (self._tail + data[-TAIL:])[-TAIL:]

    def told(self) -> tuple[int, str]:
        """Give the number of bytes lost and the text of the tail."""
        return self._cut - len(self._tail), self._tail.decode("utf-8", "backslashreplace")
