"""A clock that only moves when somebody sleeps."""

from __future__ import annotations


class VirtualTime:
    """Clock and sleep for what takes both from outside; `slept` are the seconds of each sleep."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def clock(self) -> float:
        """Give the Unix time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.slept.append(round(seconds, 3))
        self.now += seconds
