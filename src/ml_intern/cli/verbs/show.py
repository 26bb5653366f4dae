"""`ml-intern show RUN`: what happened in a run, what it proved, and where its files are."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.verbs.resume import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and how to print it."""
    add_run(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object: state, facts, files")
    output.add_argument("--events", action="store_true", help="every event as it is stored, one JSON object a line")
    parser.add_argument("--diff", metavar="CALL", help="what this call changed in the workspace, as a unified diff")
    parser.add_argument("--curve", action="store_true", help="draw loss, gradient norm and learning rate of trainings")
    output.add_argument("--plain", action="store_true", help="plain lines, as when stdout is no terminal")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Print the run."""
    from ml_intern.cli import report  # noqa: PLC0415 - pydantic; `--help` does without
    from ml_intern.journal.runs import find_run  # noqa: PLC0415 - the same

    directory = find_run(invocation.settings.runs, arguments.run)
    if arguments.diff is not None:
        from ml_intern.cli.changed import print_changes  # noqa: PLC0415 - only where it is asked for

        print_changes(directory, arguments.diff, invocation.terminal, as_json=arguments.json)
    elif arguments.curve:
        from ml_intern.cli.curve import print_curves  # noqa: PLC0415 - only where it is asked for

        print_curves(directory, invocation.terminal, as_json=arguments.json)
    elif arguments.events:
        report.print_events(directory, invocation.terminal)
    elif arguments.json:
        report.print_json(directory, invocation.terminal)
    else:
        report.print_story(directory, invocation.terminal, plain=arguments.plain)
    return 0


VERB = Verb(name="show", help="tell what a run did, proved and left", add_arguments=add_arguments, run=run)
