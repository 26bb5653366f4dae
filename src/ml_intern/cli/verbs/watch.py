"""`ml-intern watch QUERY`: tell the papers that are new since the last look, and start a run on each if wanted."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.options import AgentOptions, add_agent_options, add_output_options, output_of
from ml_intern.core.errors import ConfigError

PLACE = "{paper}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the query, the task for each paper, and what runs take."""
    parser.add_argument("query", metavar="QUERY", help="words that all must occur, or fields such as cat:cs.LG")
    parser.add_argument(
        "--task",
        metavar="SENTENCE",
        help=f"carry this out for each new paper; {PLACE} stands for its identifier",
    )
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="how many of the newest to look at")
    parser.add_argument("--max-runs", type=int, default=3, metavar="N", help="runs at most; the rest waits (default 3)")
    add_agent_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Look, tell, and start runs one after the other; gives the first status that is not 0."""
    from ml_intern.cli.watching import Watch  # noqa: PLC0415 - loads models and tools; `--help` does without

    if not 1 <= arguments.limit <= 100:
        raise ConfigError(f"--limit is {arguments.limit}; give 1 to 100")
    if arguments.max_runs < 1:
        raise ConfigError(f"--max-runs is {arguments.max_runs}; give 1 or more, or leave --task out to start none")
    if arguments.task is not None and PLACE not in arguments.task:
        raise ConfigError(f"--task says nothing of the paper; write {PLACE} where its identifier belongs")
    watch = Watch(invocation, AgentOptions.of(arguments), output_of(arguments))
    papers = watch.look(arguments.query, limit=arguments.limit)
    if arguments.task is None:
        watch.tell(arguments.query, papers)
        return 0
    return watch.carry_out(arguments.query, papers[: arguments.max_runs], arguments.task)


VERB = Verb(
    name="watch",
    help="list papers that are new since the last look, and start a run on each if wanted",
    add_arguments=add_arguments,
    run=run,
)
