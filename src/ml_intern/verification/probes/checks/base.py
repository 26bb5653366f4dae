"""What a check is, and what it can say.

A check is a function of a `Candidate` marked with `@check`. It gives an `Outcome`, or None where all is well. It never
says `failed` because of a fault of its own: an exception in it is inconclusive, unless `crash` says that the
candidate's own code may not raise there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.candidate import Candidate

FAMILIES = (
    "static",
    "fake",
    "output",
    "loss",
    "gradients",
    "invariances",
    "structure",
    "data",
    "loop",
    "learning",
)
"""In order of cost; a check runs after all of the families before its own."""

COSTS = ("free", "cheap", "moderate", "dear")
"""About 10 ms, 100 ms, 1 s, several seconds on a small network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`status` is pass, fail, not_applicable or inconclusive; the rest is for whoever mends the network."""

    status: str
    what: str = ""
    where: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. `needs` names what must be there and work first; `crash` whether the candidate may not raise."""

    name: str
    family: str
    cost: str
    needs: tuple[str, ...]
    crash: bool
    run: Callable[[Candidate], Outcome | None]


class StopError(Exception):
    """Ends a check from within a helper with an outcome that is no finding."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.what)
        self.outcome = outcome


def check(
    *, family: str, cost: str, needs: tuple[str, ...] = (), crash: bool = False
) -> Callable[[Callable[[Candidate], Outcome | None]], Check]:
    """Make a check of a function; its name is the function's with hyphens."""

    def mark(function: Callable[[Candidate], Outcome | None]) -> Check:
        name = function.__name__.replace("_", "-")
        return Check(name=name, family=family, cost=cost, needs=needs, crash=crash, run=function)

    return mark


def passed(what: str = "") -> Outcome:
    """Say that all is well, and what was measured."""
    return Outcome(status="pass", what=what)


def failed(what: str, *, where: str = "", advice: str = "") -> Outcome:
    """Say what is wrong, where in the source, and what to try."""
    return Outcome(status="fail", what=what, where=where, advice=advice)


def not_applicable(why: str) -> Outcome:
    """Say why this network cannot be asked."""
    return Outcome(status="not_applicable", what=why)


def inconclusive(why: str) -> Outcome:
    """Say why the answer stays open."""
    return Outcome(status="inconclusive", what=why)
