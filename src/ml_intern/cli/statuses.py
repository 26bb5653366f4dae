"""Exit statuses of the command, one table for code, tests and documentation."""

from __future__ import annotations

from collections.abc import Mapping

from ml_intern.core.errors import ConfigError, JournalError, MLInternError, ModelError, SandboxError
from ml_intern.core.events import EXIT_STATUS, Outcome

USAGE = 2
UNEXPECTED = 70
"""`EX_SOFTWARE` of sysexits.h."""
INTERRUPTED = EXIT_STATUS["cancelled"]
BROKEN_PIPE = 141
"""What a shell reports of a process that SIGPIPE ended: 128 + 13."""

_ERRORS: Mapping[type[MLInternError], int] = {
    ConfigError: USAGE,
    ModelError: EXIT_STATUS["model_failed"],
    SandboxError: EXIT_STATUS["sandbox_failed"],
    JournalError: EXIT_STATUS["sandbox_failed"],
}

MEANINGS: Mapping[int, str] = {
    0: "done and accepted; or the verb did what it says",
    USAGE: "the command line or a setting must be corrected",
    3: "the language-model service failed",
    4: "the budget in dollars or tokens is spent",
    5: "iterations or time are used up",
    6: "stuck: the model repeated itself",
    7: "the sandbox or the journal failed (disk full included)",
    8: "incomplete: the model stopped, but the task lacks something",
    9: "a person must approve or deny a call",
    UNEXPECTED: "a fault of ml-intern; a file tells where",
    INTERRUPTED: "interrupted by Ctrl-C or SIGTERM",
    BROKEN_PIPE: "the reader of the output went away",
}
"""Every status the command can leave with."""


def status_of(error: Exception) -> int | None:
    """Give the exit status of an error that is told to the person as it is; None for a fault of ours."""
    return next((status for kind, status in _ERRORS.items() if isinstance(error, kind)), None)


def status_for(outcome: Outcome) -> int:
    """Give the exit status of a run that stands like this."""
    return EXIT_STATUS[outcome]
