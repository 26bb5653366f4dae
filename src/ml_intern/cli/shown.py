"""What a printer can show: lines, streamed text, progress. Values, free of any terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Style: TypeAlias = Literal["title", "plain", "model", "plan", "call", "output", "good", "bad", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One whole line."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of the model's words, shown as it comes; not cut at line ends."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training is: `step` from 1, `total` the last step if it is known."""

    step: int
    total: int | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEnded:
    """The training is over; its bar may go."""


Shown: TypeAlias = Line | Chunk | Progress | ProgressEnded


class Printer(Protocol):
    """A place to show things: plain lines, or a terminal with colours and a bar."""

    def show(self, shown: Shown) -> None:
        """Print it at once, neutralised."""
        ...

    def close(self) -> None:
        """End an open line or bar; safe to call twice."""
        ...


def measured(values: Mapping[str, float]) -> str:
    """Write metrics in a fixed order: loss and learning rate first, the rest as it came."""
    first = [name for name in ("loss", "learning_rate") if name in values]
    rest = [name for name in values if name not in first]
    return "  ".join(f"{name} {values[name]:.4g}" for name in [*first, *rest])
