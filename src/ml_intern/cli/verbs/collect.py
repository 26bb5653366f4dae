"""`ml-intern collect RUN FOLDER`: copy the ordinary files that a run left to a new folder of the person's."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.cli.verbs.resume import add_run
from ml_intern.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the folder."""
    add_run(parser)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a file that was taken or left")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Copy workspace and outputs; say what was taken and what was not."""
    from ml_intern.core.collecting import collect  # noqa: PLC0415 - only where something is copied
    from ml_intern.journal.runs import find_run  # noqa: PLC0415 - pydantic; `--help` does without

    directory = find_run(invocation.settings.runs, arguments.run)
    folder: Path = arguments.folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made ({error.strerror}); name a new folder") from error
    terminal = invocation.terminal
    for name in ("workspace", "outputs"):
        collection = collect(directory / name, folder / name)
        for taken in collection.taken:
            if arguments.json:
                terminal.json({"folder": name, **asdict(taken)})
            else:
                terminal.data(f"{taken.digest[:12]}  {taken.size:>12,}  {name}/{taken.name}")
        for left in collection.refused:
            if arguments.json:
                terminal.json({"folder": name, "refused": left.name, "reason": left.reason})
            else:
                terminal.note(f"left: {name}/{left.name}: {left.reason}")
    return 0


VERB = Verb(
    name="collect",
    help="copy the files a run left, never a link, to a new folder",
    add_arguments=add_arguments,
    run=run,
)
