"""`ml-intern demo`: a whole run without key and network: a small Vision Transformer on handwritten digits."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.options import AgentOptions, add_agent_options, add_output_options, output_of
from ml_intern.core.errors import ConfigError

TASK = (
    "Implement a scaled-down Vision Transformer in PyTorch from scratch, train it on the handwritten digits data set "
    "for 3 epochs, evaluate it and publish model and card."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--teach` beside the parts and the limits."""
    parser.add_argument(
        "--teach", action="store_true", help="make the usual mistakes on purpose and show what the runtime does"
    )
    add_agent_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Start the run."""
    from ml_intern.cli import follow  # noqa: PLC0415 - loads models and tools; `--help` does without

    options = AgentOptions.of(arguments)
    if arguments.teach and options.model:
        raise ConfigError("--teach plays mistakes from the built-in recipes; leave --model out")
    model = "rules:teach" if arguments.teach else options.model or "rules"
    return follow.start(TASK, replace(options, model=model), output_of(arguments), invocation)


VERB = Verb(
    name="demo",
    help="train, evaluate and publish a small Vision Transformer; needs no key",
    add_arguments=add_arguments,
    run=run,
)
