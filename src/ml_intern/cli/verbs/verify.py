"""`ml-intern verify REPOSITORY_OR_FOLDER`: check every claim of a published model, on any machine."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.events import EXIT_STATUS

_STATUS = {
    "passed": 0,
    "failed": EXIT_STATUS["incomplete"],
    "could not be checked": EXIT_STATUS["sandbox_failed"],
}
_SIGNS = {"passed": "ok", "failed": "NO", "not checkable": "--"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its data, and how to print."""
    parser.add_argument("model", metavar="MODEL", help="a folder, or namespace/name[@revision] on the Hub")
    parser.add_argument("--data", type=Path, metavar="PATH", help="file or folder of the data set it was evaluated on")
    parser.add_argument("--sandbox", metavar="NAME", help="auto, docker, podman or namespaces")
    parser.add_argument("--json", action="store_true", help="one JSON object: every claim with its verdict")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Print a line for each claim; fails where one does not hold, or the sandbox could not load the model."""
    from ml_intern.agent.verify import verify  # noqa: PLC0415 - loads services; `--help` does without
    from ml_intern.sandboxes.choose import choose  # noqa: PLC0415 - the same

    settings = invocation.settings
    found = verify(
        arguments.model,
        settings=settings,
        sandbox=lambda: choose(arguments.sandbox or settings.sandbox, settings),
        data=arguments.data,
    )
    terminal = invocation.terminal
    verdict = found.verdict
    if arguments.json:
        claims = [asdict(claim) for claim in found.claims]
        terminal.json({"model": found.reference, "verdict": verdict, "claims": claims})
    else:
        for claim in found.claims:
            terminal.data(f"{_SIGNS[claim.verdict]}  {claim.name}: {claim.detail}")
        skipped = sum(claim.verdict == "not checkable" for claim in found.claims)
        held = len(found.claims) - len(found.failed) - skipped
        terminal.data(f"{verdict}: {held} claims hold, {len(found.failed)} fail, {skipped} could not be checked")
    return _STATUS[verdict]


VERB = Verb(name="verify", help="check every claim of a published model", add_arguments=add_arguments, run=run)
