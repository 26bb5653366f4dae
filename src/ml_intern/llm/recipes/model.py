"""The chat model of the built-in recipes: it sees what a language model sees, and answers from rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ml_intern.core.messages import Message, Reply, ToolCall, ToolSpec, Usage
from ml_intern.llm.recipes.policy import Act, decide
from ml_intern.llm.recipes.trail import read_trail


class RecipeModel:
    """Acts only through the tools, and decides from the conversation alone, so it resumes like any other model."""

    def __init__(self, *, is_teaching: bool = False) -> None:
        """Keep the mode.

        Args:
            is_teaching: let the first draft of a network have a mistake, to show how the runtime catches it.
        """
        self._is_teaching = is_teaching

    @property
    def label(self) -> str:
        """How every surface names it."""
        return "built-in recipes, no language model"

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        """Give nothing: rules cost nothing."""
        del messages, tools
        return Usage()

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        """Take the next step of the recipe that fits the task."""
        trail = read_trail(messages)
        step = decide(trail, {tool.name for tool in tools}, is_teaching=self._is_teaching)
        on_text(step.text)
        if not isinstance(step, Act):
            return Reply(text=step.text, model=self.label)
        call = ToolCall(id=f"{step.tool}-{len(trail.steps) + 1}", name=step.tool, arguments=step.arguments)
        return Reply(text=step.text, calls=(call,), model=self.label)
