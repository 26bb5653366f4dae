"""`InternAgent`: the one place where the parts are put together."""

from ml_intern.agent.intern import InternAgent, RunResult

__all__ = ["InternAgent", "RunResult"]
