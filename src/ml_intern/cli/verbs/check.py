"""`ml-intern check FILE`: hold one network to what it declares; for people and their CI, no agent needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.core.events import EXIT_STATUS

if TYPE_CHECKING:
    from ml_intern.verification.checking import CheckReport

_MARKS = {"pass": "ok", "fail": "FAIL", "not_applicable": "-", "inconclusive": "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, what it is where it declares nothing, and which checks."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a program that declares META, or a file with --class")
    parser.add_argument(
        "--only", action="append", metavar="CHECK", help="run this check, or this family of checks; repeat it"
    )
    parser.add_argument("--waive", action="append", metavar="CHECK", help="let this check fail; repeat it")
    parser.add_argument("--because", action="append", metavar="TEXT", help="why; one for each --waive, in their order")
    parser.add_argument("--sandbox", metavar="NAME", help="auto, docker, podman or namespaces")
    parser.add_argument("--json", action="store_true", help="one JSON object: file, passed, results, waived")
    declared = parser.add_argument_group("a file that declares no META")
    declared.add_argument("--class", dest="class_name", metavar="NAME", help="the class of the network")
    declared.add_argument("--arguments", metavar="JSON", default="{}", help="keyword arguments of its constructor")
    declared.add_argument(
        "--input",
        action="append",
        metavar="SHAPE",
        help="an input of forward, without the batch: 3x32x32, or 64:int64:1000 for ids below 1000; repeat it",
    )
    declared.add_argument("--output", metavar="SHAPE", help="the output, without the batch: 10, or 64x1000")
    declared.add_argument("--task", metavar="TASK", help="what it is for, such as classification or lm")
    declared.add_argument("--causal", action="store_true", help="nothing may flow back along the first axis")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Check and tell."""
    from ml_intern.cli import checking  # noqa: PLC0415 - loads the backends; `--help` does without

    waived = checking.waivers(arguments.waive or [], arguments.because or [])
    try:
        request = checking.request_for(arguments)
        report = checking.check_file(
            arguments.file, request, checking.backend(arguments.sandbox, invocation.settings), invocation.settings.home
        )
    except ToolError as error:
        raise ConfigError(str(error)) from error
    failing = [result for result in report.failures if result.name not in waived]
    if arguments.json:
        invocation.terminal.json(checking.as_json(arguments.file, report, waived))
    else:
        _tell(invocation, report, waived)
    return EXIT_STATUS["incomplete"] if failing or report.problem else 0


def _tell(invocation: Invocation, report: CheckReport, waived: dict[str, str]) -> None:
    terminal = invocation.terminal
    for result in report.results:
        mark = "waived" if result.name in waived and result.status == "fail" else _MARKS[result.status]
        told = result.what.splitlines()[0] if result.what else ""
        shown = told if len(told) <= 100 else f"{told[:99]}…"
        terminal.data(f"{mark:<6} {result.family:<11} {result.name:<24} {result.seconds:6.2f} s  {shown}".rstrip())
    for result in report.failures:
        terminal.data(f"\n{result.name}: {result.what}")
        if result.where:
            terminal.data(f"  at   {result.where}")
        if result.advice:
            terminal.data(f"  try  {result.advice}")
        if result.name in waived:
            terminal.data(f"  waived because {waived[result.name]}")
    if report.problem:
        terminal.note(f"ml-intern: {report.problem}")
    passed, failed = len(report.passed), len(report.failures)
    seconds = sum(result.seconds for result in report.results)
    terminal.data(f"\n{passed} checks passed, {failed} failed, in {seconds:.1f} s of processor time")


VERB = Verb(name="check", help="hold a network to what it declares", add_arguments=add_arguments, run=run)
