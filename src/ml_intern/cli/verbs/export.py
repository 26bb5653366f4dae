"""`ml-intern export RUN`: write a run's journal for others, without the secrets of this machine."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.verbs.resume import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the format."""
    add_run(parser)
    parser.add_argument("--format", choices=["jsonl"], default="jsonl", help="one JSON object an event (default)")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Print the journal, secrets replaced."""
    from ml_intern.cli import report  # noqa: PLC0415 - pydantic; `--help` does without
    from ml_intern.cli.redact import redacted  # noqa: PLC0415 - goes with it
    from ml_intern.journal.runs import find_run  # noqa: PLC0415 - pydantic

    directory = find_run(invocation.settings.runs, arguments.run)
    for line in report.event_lines(directory):
        invocation.terminal.data(redacted(line, invocation.settings))
    return 0


VERB = Verb(
    name="export", help="write a run's journal to stdout, secrets replaced", add_arguments=add_arguments, run=run
)
