"""`ml-intern approve RUN` and `ml-intern deny RUN`: decide about the call a run waits with."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.verbs.resume import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which call, and what to tell the model."""
    add_run(parser)
    parser.add_argument("call", metavar="CALL", nargs="?", help="the call's id (default: the one that waits)")
    parser.add_argument("--comment", default="", metavar="TEXT", help="what the model is told along with it")


def approve(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Record a yes."""
    return _answer(arguments, invocation, approved=True)


def deny(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Record a no."""
    return _answer(arguments, invocation, approved=False)


def _answer(arguments: argparse.Namespace, invocation: Invocation, *, approved: bool) -> int:
    from ml_intern.journal.runs import answer, find_run  # noqa: PLC0415 - pydantic; `--help` does without

    directory = find_run(invocation.settings.runs, arguments.run)
    answer(directory, arguments.call, approved=approved, comment=arguments.comment)
    word = "approved" if approved else "denied"
    invocation.terminal.note(f"ml-intern: {word}; go on with: ml-intern resume {directory.name}")
    return 0


APPROVE = Verb(name="approve", help="say yes to the call a run waits with", add_arguments=add_arguments, run=approve)
DENY = Verb(name="deny", help="say no to the call a run waits with", add_arguments=add_arguments, run=deny)
