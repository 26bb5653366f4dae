"""`ml-intern bench SUBJECT DIR…`: measure a part of the runtime on a corpus; the subjects are one table."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.errors import ConfigError

SUBJECTS: Mapping[str, tuple[str, str]] = {
    "integrity": (
        "ml_intern.cli.benches.integrity:run",
        "dishonest scripts stopped, honest ones accepted (its corpus is built in)",
    ),
    "verification": ("ml_intern.cli.benches.verification:run", "kill rate and false alarms of the checks"),
}
"""Name to what runs it, `module:function` taking arguments and invocation, and what it measures."""


BUILT_IN = frozenset({"integrity"})
"""Subjects that bring a corpus of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subject, its folders and how to print."""
    told = "; ".join(f"{name}: {measures}" for name, (_, measures) in SUBJECTS.items())
    parser.add_argument("subject", choices=sorted(SUBJECTS), help=told)
    parser.add_argument("folder", nargs="*", type=Path, metavar="DIR", help="a folder of the corpus")
    parser.add_argument("--only", metavar="TEXT", help="integrity: only scripts whose name contains this")
    parser.add_argument("--seeds", type=int, default=1, metavar="K", help="integrity: seeds a script (default: 1)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="integrity: the first seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="programs at a time (default: 1)")
    parser.add_argument("--sandbox", metavar="NAME", help="auto, docker, podman or namespaces")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Measure the subject."""
    if not arguments.folder and arguments.subject not in BUILT_IN:
        raise ConfigError(f"name a folder with a corpus: ml-intern bench {arguments.subject} DIR")
    module, _, function = SUBJECTS[arguments.subject][0].partition(":")
    bench = cast("Callable[[argparse.Namespace, Invocation], int]", getattr(importlib.import_module(module), function))
    return bench(arguments, invocation)


VERB = Verb(name="bench", help="measure the checks on a corpus of programs", add_arguments=add_arguments, run=run)
