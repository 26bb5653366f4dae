"""What a surface may show while it happens and no journal keeps: streamed text, output and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelText:
    """A piece of the model's answer, in order."""

    text: str
    type: Literal["model_text"] = "model_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """A chunk that the code of a call printed; not cut at line ends."""

    call_id: str
    text: str
    type: Literal["tool_output"] = "tool_output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What the training watch saw at optimizer step `step`, from 1; `total` is the expected last step, if known."""

    call_id: str
    step: int
    values: Mapping[str, float]
    total: int | None = None
    type: Literal["metric"] = "metric"


Live: TypeAlias = ModelText | ToolOutput | Metric
Watcher: TypeAlias = Callable[[Live], None]


def ignore(live: Live) -> None:
    """Show nothing."""
    del live
