"""`ml-intern papers`: find papers on arXiv, read them and ask them, as the agent does."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to do, with what, and how to print it."""
    actions = ["search", "read", "ask", "sweep", "references", "citations", "repositories"]
    parser.add_argument("action", choices=actions, help="what to do")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="WORDS",
        help="search: a query; read: a paper and, if wanted, a section, table or equation; "
        "ask: one question, in one or more wordings; the others: a paper",
    )
    parser.add_argument("--paper", action="append", default=[], help="ask: only in this one; may be repeated")
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="how many (default 5)")
    parser.add_argument("--whole", action="store_true", help="read: the whole text as Markdown")
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Do it, and print."""
    from ml_intern.cli.paper_texts import Papers  # noqa: PLC0415 - pydantic, lxml; `--help` does without

    words: list[str] = arguments.words
    if arguments.action not in {"search", "read", "ask"} and len(words) > 1:
        raise ConfigError(f"`papers {arguments.action}` takes one paper, not {len(words)}")
    with Papers(invocation, as_json=arguments.json) as papers:
        match arguments.action:
            case "search":
                papers.search(" ".join(words), limit=arguments.limit)
            case "read":
                papers.read(words[0], " ".join(words[1:]), whole=arguments.whole)
            case "ask":
                papers.ask(words, arguments.paper, limit=arguments.limit)
            case "sweep":
                papers.sweep(words[0])
            case kind:
                papers.related(words[0], kind, limit=arguments.limit)
    return 0


VERB = Verb(name="papers", help="search arXiv, read papers and ask them", add_arguments=add_arguments, run=run)
