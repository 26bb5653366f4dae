"""A chat model that replays given replies: for tests, demos and golden runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ml_intern.core.errors import ModelError
from ml_intern.core.messages import Message, Reply, ToolSpec, Usage
from ml_intern.llm import conversation


class ScriptedModel:
    """Answers with `replies` in order, whatever it is asked.

    Which one is due follows from the conversation alone, so a run that is resumed after a crash goes on where it was.
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = tuple(replies)

    @property
    def label(self) -> str:
        """How every surface names it."""
        return "scripted"

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        """Give the usage of the reply that is due; nothing where none is left."""
        del tools
        due = self._replies[conversation.turns(messages) :]
        return due[0].usage if due else Usage()

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        """Return the reply that is due; its text is shown in one piece.

        Raises:
            ModelError: the script is used up.
        """
        del tools
        turn = conversation.turns(messages)
        if turn >= len(self._replies):
            raise ModelError(f"the script has {len(self._replies)} replies and was asked for reply {turn + 1}")
        reply = self._replies[turn]
        if reply.text:
            on_text(reply.text)
        return reply
