"""`ml-intern clean`: remove what dead runs left on this machine, and say what stays and why."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.events import EXIT_STATUS

if TYPE_CHECKING:
    from ml_intern.sandboxes.leftovers import Home, Leftover, Standing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how much to remove, and how to print."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also trainings and packages that resuming an unfinished run would go on with",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a thing")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Go through everything once; fails where something could not be removed."""
    from ml_intern.core.errors import SandboxError  # noqa: PLC0415 - goes with the rest
    from ml_intern.sandboxes import leftovers  # noqa: PLC0415 - loads the backends; `--help` does without

    terminal, failed = invocation.terminal, False
    home = _home(arguments, invocation)
    for found in leftovers.find(home):
        problem = ""
        if found.goes and not arguments.dry_run:
            try:
                leftovers.remove(found, home)
            except SandboxError as error:
                problem, failed = str(error), True
        done = _word(found, problem, is_dry=arguments.dry_run)
        if arguments.json:
            terminal.json({"done": done, "problem": problem, **asdict(found)})
        else:
            terminal.data(f"{done:<12} {found.kind:<10} {found.where}  ({found.run}: {problem or found.reason})")
    return EXIT_STATUS["sandbox_failed"] if failed else 0


def _word(found: Leftover, problem: str, *, is_dry: bool) -> str:
    if not found.goes:
        return "kept"
    return "failed" if problem else "would remove" if is_dry else "removed"


def _home(arguments: argparse.Namespace, invocation: Invocation) -> Home:
    from ml_intern.sandboxes.choose import choose, engines  # noqa: PLC0415 - loads the backends
    from ml_intern.sandboxes.leftovers import Home  # noqa: PLC0415 - the same

    settings = invocation.settings
    answering, silent = engines()
    for problem in silent:
        invocation.terminal.note(f"ml-intern: containers are not looked at: {problem}")
    return Home(
        runs=settings.runs,
        standing=lambda run: _standing(settings.runs / run),
        make=lambda name: choose(name, settings),
        engines=answering,
        is_thorough=arguments.all,
    )


def _standing(directory: Path) -> Standing:
    from ml_intern.core.errors import JournalError  # noqa: PLC0415 - goes with the next
    from ml_intern.journal.runs import describe, is_alive  # noqa: PLC0415 - pydantic; `--help` does without

    if not directory.is_dir():
        return "elsewhere"
    if is_alive(directory):
        return "alive"
    try:
        return "finished" if describe(directory).outcome == "done" else "resumable"
    except JournalError:  # nobody knows what it was about, so nothing that may matter is removed
        return "resumable"


VERB = Verb(name="clean", help="remove what dead runs left on this machine", add_arguments=add_arguments, run=run)
