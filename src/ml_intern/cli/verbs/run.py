"""`ml-intern run SENTENCE`: start a run and watch it."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.options import AgentOptions, add_agent_options, add_output_options, output_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sentence, the parts and the limits."""
    parser.add_argument("sentence", metavar="SENTENCE", help="what you want, in a sentence or more")
    add_agent_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Start the run."""
    from ml_intern.cli import follow  # noqa: PLC0415 - loads models and tools; `--help` does without

    return follow.start(arguments.sentence, AgentOptions.of(arguments), output_of(arguments), invocation)


VERB = Verb(name="run", help="carry out a task given in one sentence", add_arguments=add_arguments, run=run)
