"""`ml-intern resume RUN`: go on where a run's journal ends."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.options import AgentOptions, add_agent_options, add_output_options, output_of


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add which run is meant."""
    parser.add_argument("run", metavar="RUN", help="the run's name, or its beginning or end")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, and options that replace those it was started with."""
    add_run(parser)
    add_agent_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Go on with the run."""
    from ml_intern.cli import follow  # noqa: PLC0415 - loads models and tools; `--help` does without
    from ml_intern.journal.runs import find_run  # noqa: PLC0415 - the same

    directory = find_run(invocation.settings.runs, arguments.run)
    return follow.go_on(directory, AgentOptions.of(arguments), output_of(arguments), invocation)


VERB = Verb(
    name="resume",
    help="go on with a run that was interrupted, waits or ran out of budget",
    add_arguments=add_arguments,
    run=run,
)
