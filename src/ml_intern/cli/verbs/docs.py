"""`ml-intern docs`: look up the sandbox's libraries, as the agent does."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.errors import ConfigError, ToolError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the question and how to print the answer."""
    parser.add_argument("words", nargs="+", metavar="WORDS", help="what is looked for, or a dotted name to read whole")
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="how many entries (default 5, at most 20)")
    parser.add_argument("--page", type=int, default=1, metavar="N", help="page of a long entry")
    parser.add_argument("--sandbox", metavar="NAME", help="whose libraries: auto, docker, podman, namespaces, …")
    parser.add_argument("--json", action="store_true", help="one JSON object: built, entry, hits")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Ask and print."""
    from ml_intern.documentation.index import Desk, ask  # noqa: PLC0415 - pydantic; `--help` does without
    from ml_intern.documentation.rendering import render  # noqa: PLC0415 - as above
    from ml_intern.sandboxes.choose import choose  # noqa: PLC0415 - loads the backends

    if not 1 <= arguments.limit <= 20 or arguments.page < 1:
        raise ConfigError("--limit must be 1 to 20, and --page 1 or more")
    question = " ".join(arguments.words)
    backend = choose(arguments.sandbox or invocation.settings.sandbox, invocation.settings)
    with tempfile.TemporaryDirectory(prefix="ml-intern-docs-") as folder:
        desk = Desk(backend=backend, run="docs", directory=Path(folder) / "docs")
        try:
            answer = ask(desk, question, limit=arguments.limit, page=arguments.page)
        except ToolError as error:
            raise ConfigError(str(error)) from error
    if arguments.json:
        invocation.terminal.json(asdict(answer))
    else:
        invocation.terminal.data(render(answer, question))
    return 0


VERB = Verb(name="docs", help="look up the libraries of the sandbox", add_arguments=add_arguments, run=run)
