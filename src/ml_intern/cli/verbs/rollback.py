"""`ml-intern rollback RUN CALL`: put the workspace back to what it held before a call."""

from __future__ import annotations

import argparse

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.verbs.resume import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and where to go back to."""
    add_run(parser)
    parser.add_argument("call", metavar="CALL", help="a call's id, or the digest that an earlier rollback printed")
    parser.add_argument("--json", action="store_true", help="one JSON object: workspace, before, left")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Restore, tell the run, and say how to undo it."""
    from ml_intern.cli.changed import find_snapshot  # noqa: PLC0415 - pydantic; `--help` does without
    from ml_intern.core.protocols import RunPaths  # noqa: PLC0415 - goes with the rest
    from ml_intern.journal.restoring import roll_back  # noqa: PLC0415 - the same
    from ml_intern.journal.runs import DATABASE, find_run  # noqa: PLC0415 - the same
    from ml_intern.journal.sqlite import SqliteJournal  # noqa: PLC0415 - the same

    directory = find_run(invocation.settings.runs, arguments.run)
    paths = RunPaths(root=directory)
    with SqliteJournal(directory / DATABASE, writer=True) as journal:
        workspace = find_snapshot(paths, list(journal), arguments.call)
        restored = roll_back(paths, journal, call_id=arguments.call, workspace=workspace)
    terminal = invocation.terminal
    if arguments.json:
        terminal.json({"workspace": restored.workspace, "before": restored.before, "left": restored.left})
    else:
        terminal.data(f"{paths.workspace} is as it was before {arguments.call}")
    for name in restored.left:
        terminal.note(f"left as it is: {name}")
    undo = f"ml-intern rollback {directory.name} {restored.before[:16]}"
    terminal.note(f"ml-intern: undo with: {undo}\nml-intern: go on with: ml-intern resume {directory.name}")
    return 0


VERB = Verb(name="rollback", help="put a run's workspace back to before a call", add_arguments=add_arguments, run=run)
