"""`ml-intern doctor`: say what this machine offers a run, and what to do about what is missing."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.events import EXIT_STATUS

_SIGNS = {True: "ok", False: "no", None: "--"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to print."""
    parser.add_argument("--json", action="store_true", help="one JSON object a finding")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Print each finding as it comes; fails where no sandbox works, for nothing can run there."""
    from ml_intern.cli.diagnosis import diagnose  # noqa: PLC0415 - loads sandboxes; `--help` does without

    has_sandbox = False
    for finding in diagnose(invocation.settings):
        has_sandbox = has_sandbox or (finding.topic == "sandbox" and finding.ok is True)
        if arguments.json:
            invocation.terminal.json(asdict(finding))
        else:
            line = f"{_SIGNS[finding.ok]}  {finding.topic:<8} {finding.name:<28} {finding.detail}"
            invocation.terminal.data(line)
    if has_sandbox:
        return 0
    invocation.terminal.note("ml-intern: no sandbox works here, so no code can run; see the lines above")
    return EXIT_STATUS["sandbox_failed"]


VERB = Verb(name="doctor", help="say what this machine offers and lacks", add_arguments=add_arguments, run=run)
