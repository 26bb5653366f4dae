"""`ml-intern sandbox build|check`: make the image or environment that code runs in, and try it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.invocation import Invocation, Verb
from ml_intern.core.events import EXIT_STATUS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to do, and what to build from."""
    parser.add_argument("action", choices=["build", "check"], help="build: install PyTorch and friends; check: try it")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--docker", dest="kind", action="store_const", const="docker", help="build a Docker image")
    kind.add_argument("--venv", dest="kind", action="store_const", const="venv", help="build an environment, no Docker")
    parser.add_argument("--base", metavar="IMAGE", help="image to build on")
    parser.add_argument("--wheelhouse", type=Path, metavar="DIR", help="install from this folder, without network")
    parser.add_argument("--torch-index", metavar="URL", help="package index that has PyTorch")
    parser.add_argument(
        "--cuda",
        nargs="?",
        const="13",
        choices=["12", "13"],
        metavar="12|13",
        help="PyTorch with this CUDA (13 without a number) instead of the CPU one",
    )
    parser.add_argument("--json", action="store_true", help="check: one JSON object a backend")


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Build or check."""
    return _build(arguments, invocation) if arguments.action == "build" else _check(arguments, invocation)


def _build(arguments: argparse.Namespace, invocation: Invocation) -> int:
    # only where something is built
    from ml_intern.data.jobs import WORKERS as PREPARERS  # noqa: PLC0415
    from ml_intern.documentation.index import PROGRAMS  # noqa: PLC0415
    from ml_intern.evaluation.evaluator import WORKERS as EVALUATORS  # noqa: PLC0415
    from ml_intern.sandboxes.environment import build  # noqa: PLC0415
    from ml_intern.sandboxes.layout import SCRIPTS  # noqa: PLC0415
    from ml_intern.verification.registry import PROBES  # noqa: PLC0415

    built = build(
        invocation.settings.home,
        indexer=PROGRAMS,
        kind=arguments.kind,
        base=arguments.base,
        wheelhouse=arguments.wheelhouse,
        index_url=arguments.torch_index,
        cuda=arguments.cuda,
        programs=(SCRIPTS, PROBES, PREPARERS, EVALUATORS, PROGRAMS),
        say=invocation.terminal.note,
    )
    invocation.terminal.data(str(built))
    return 0


def _check(arguments: argparse.Namespace, invocation: Invocation) -> int:
    from ml_intern.cli.diagnosis import sandboxes  # noqa: PLC0415 - loads the backends

    works = False
    for finding in sandboxes(invocation.settings):
        works = works or finding.ok is True
        if arguments.json:
            invocation.terminal.json(asdict(finding))
        else:
            invocation.terminal.data(f"{'ok' if finding.ok else 'no'}  {finding.name:<12} {finding.detail}")
    return 0 if works else EXIT_STATUS["sandbox_failed"]


VERB = Verb(name="sandbox", help="build or check the place that code runs in", add_arguments=add_arguments, run=run)
