"""The `ml-intern` command: parse, run one verb, and turn every way to fail into a clear line and an exit status."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TextIO

from ml_intern.cli.crash import write_crash
from ml_intern.cli.invocation import Invocation, VerbFunction
from ml_intern.cli.parser import build_parser
from ml_intern.cli.statuses import BROKEN_PIPE, INTERRUPTED, UNEXPECTED, status_of
from ml_intern.cli.terminal import Terminal
from ml_intern.core.neutral import one_line

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status; usage errors leave by `SystemExit(2)`, as argparse does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # a log in ASCII must not end a run of hours
            stream.reconfigure(errors="backslashreplace")
    arguments = build_parser().parse_args(argv)
    terminal = Terminal(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr, environment=os.environ)
    verb: VerbFunction = arguments.verb
    invocation = Invocation(terminal=terminal, home=arguments.home)
    try:
        return verb(arguments, invocation)
    except KeyboardInterrupt:
        terminal.note(f"ml-intern: ended at once{_resume_hint(invocation)}")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the top of the command: the only place left to say what happened
        return _failed(error, invocation)


def _failed(error: Exception, invocation: Invocation) -> int:
    terminal = invocation.terminal
    if isinstance(error, BrokenPipeError) and _reader_is_gone(terminal.stdout):
        # the interpreter flushes stdout once more at its end, which would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.stdout.fileno())
        return BROKEN_PIPE
    if (status := status_of(error)) is not None:
        terminal.note(f"ml-intern: {error}{_resume_hint(invocation)}")
        return status
    where = write_crash(error, home=invocation.settings.home)
    problem = one_line(f"ml-intern: unexpected {type(error).__name__}: {error}", 300)
    terminal.note(f"{problem}; please report it with {where}{_resume_hint(invocation)}")
    return UNEXPECTED


def _resume_hint(invocation: Invocation) -> str:
    run = invocation.run
    return f"\nml-intern: nothing is lost; go on with: ml-intern resume {run}" if run else ""


def _reader_is_gone(stream: TextIO) -> bool:
    """Tell a closed stdout from any other broken pipe, which would be a fault of ours."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
