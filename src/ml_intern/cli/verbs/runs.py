"""`ml-intern runs`: list the runs kept here, newest first."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to print."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Print a line for each run."""
    from ml_intern.cli.state import info_json, info_line  # noqa: PLC0415 - goes with the next
    from ml_intern.journal.runs import list_runs  # noqa: PLC0415 - pydantic; `--help` does without

    infos = list_runs(invocation.settings.runs)
    if not infos:
        invocation.terminal.note(f"no runs in {invocation.settings.runs}; start one with: ml-intern demo")
    for info in infos:
        if arguments.json:
            invocation.terminal.json(info_json(info))
        else:
            invocation.terminal.data(info_line(info))
    return 0


VERB = Verb(name="runs", help="list the runs kept here, newest first", add_arguments=add_arguments, run=run)
