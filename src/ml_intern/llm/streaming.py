"""Run an asynchronous request for a synchronous caller, who hears the text while it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

_T = TypeVar("_T")


def run(request: Callable[[Callable[[str], None]], Awaitable[_T]], *, on_text: Callable[[str], None]) -> _T:
    """Run `request` to its end in a thread of its own; what it says reaches `on_text` in the caller's thread.

    The thread has its own event loop, so a caller whose loop is running (a notebook) may call this too. An exception
    of the caller, an interrupt or one that `on_text` raises, cancels the request and closes its connection: that is
    how the portal ends when an exception passes through it.
    """
    pieces: SimpleQueue[str | None] = SimpleQueue()
    with start_blocking_portal() as portal:
        answer = portal.start_task_soon(request, pieces.put)
        answer.add_done_callback(lambda _: pieces.put(None))
        while (piece := pieces.get()) is not None:
            on_text(piece)
        return answer.result()
