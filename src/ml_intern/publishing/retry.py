"""Do something at a service that may lose the answer, at most once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ml_intern.core.errors import ToolError

TRIES = 3
"""How often anything is tried."""

_FIRST_WAIT = 2.0
_LONGEST_WAIT = 60.0
_Result = TypeVar("_Result")


class BusyError(ToolError):
    """The service could not be reached, failed, or asked to come back later; whether it acted is unknown.

    `wait` is the number of seconds it asked for.
    """

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def retry(ask: Callable[[], _Result], *, sleep: Callable[[float], None]) -> _Result:
    """Call `ask`, which changes nothing when it is repeated, until it is answered.

    Raises:
        BusyError: the last of its tries failed too.
    """
    for attempt in range(TRIES - 1):
        try:
            return ask()
        except BusyError as error:
            sleep(_wait(error, attempt))
    return ask()


def exactly_once(act: Callable[[], str], happened: Callable[[], str | None], *, sleep: Callable[[float], None]) -> str:
    """Call `act`; after a failure find out what it did before anything is tried again.

    Args:
        act: makes a change and gives its name.
        happened: gives the name of the change if an earlier call made it.
        sleep: waits for a number of seconds.

    Raises:
        BusyError: every try failed, or it cannot be found out what happened.
    """
    failure = BusyError("it was not tried")
    for attempt in range(TRIES):
        try:
            return act()
        except BusyError as error:
            failure = error
        sleep(_wait(failure, attempt))
        if made := retry(happened, sleep=sleep):
            return made
    raise BusyError(f"{failure}; nothing was committed after {TRIES} tries. Call again later with the same arguments.")


def _wait(error: BusyError, attempt: int) -> float:
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt if error.wait is None else error.wait)
