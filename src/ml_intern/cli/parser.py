"""The command line as argparse sees it. Loads no library: `--help` stays instant."""

from __future__ import annotations

import argparse
from pathlib import Path

from ml_intern import __version__
from ml_intern.cli.invocation import Verb
from ml_intern.cli.statuses import MEANINGS
from ml_intern.cli.verbs import (
    answer,
    bench,
    check,
    clean,
    collect,
    demo,
    docs,
    doctor,
    export,
    papers,
    resume,
    rollback,
    run,
    runs,
    sandbox,
    show,
    verify,
    watch,
)

VERBS: tuple[Verb, ...] = (
    run.VERB,
    demo.VERB,
    resume.VERB,
    runs.VERB,
    show.VERB,
    answer.APPROVE,
    answer.DENY,
    doctor.VERB,
    sandbox.VERB,
    export.VERB,
    check.VERB,
    bench.VERB,
    collect.VERB,
    rollback.VERB,
    clean.VERB,
    papers.VERB,
    docs.VERB,
    watch.VERB,
    verify.VERB,
)


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command; the chosen verb's function is its attribute `verb`."""
    parser = argparse.ArgumentParser(
        prog="ml-intern",
        description="An autonomous machine learning engineer: one sentence in, a checked model and its card out.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ml-intern {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        child = verbs.add_parser(verb.name, help=verb.help, description=verb.help[0].upper() + verb.help[1:] + ".")
        add_arguments(child, verb)
    return parser


def add_arguments(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """Add what `verb` takes, what every verb takes, and the function to call."""
    parser.add_argument("--home", type=Path, metavar="DIR", help="where runs are kept (default: ~/.ml-intern)")
    verb.add_arguments(parser)
    parser.set_defaults(verb=verb.run)


def _epilog() -> str:
    statuses = "\n".join(f"  {status:>3}  {meaning}" for status, meaning in MEANINGS.items())
    example = 'ml-intern run "Train a small CNN on MNIST for 2 epochs and publish it."'
    return f"example:\n  {example}\n\nexit status:\n{statuses}"
