"""An autonomous machine learning engineer whose runtime enforces what others ask for in a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_intern.core.version import VERSION

if TYPE_CHECKING:
    from ml_intern.agent import InternAgent, RunResult

__all__ = ["InternAgent", "RunResult", "__version__"]

__version__ = VERSION


def __getattr__(name: str) -> object:
    if name in {"InternAgent", "RunResult"}:
        from ml_intern import agent  # noqa: PLC0415 - `import ml_intern` stays light

        return getattr(agent, name)
    raise AttributeError(f"module 'ml_intern' has no attribute {name!r}")
