"""Measure the checks: how many broken programs they kill, how many right ones they accuse, and what that takes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli import checking
from ml_intern.cli.invocation import Invocation
from ml_intern.core.errors import ConfigError
from ml_intern.verification.checking import CheckReport
from ml_intern.verification.corpus import Judged, Measured, measure, programs


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Judge every program below the folders and print what came out; the status is 0 whatever the figures are."""
    if arguments.jobs < 1:
        raise ConfigError("--jobs must be at least 1")
    settings = invocation.settings
    place = checking.backend(arguments.sandbox, settings)

    def judge(file: Path) -> CheckReport:
        return checking.check_file(file, checking.request_of_file(file), place, settings.home)

    def told(one: Judged) -> None:
        if not arguments.json:
            invocation.terminal.note(_line(one))

    measured = measure(programs(arguments.folder), judge, jobs=arguments.jobs, told=told)
    if arguments.json:
        invocation.terminal.json(_json(measured))
    else:
        _tell(invocation, measured)
    return 0


def _line(one: Judged) -> str:
    kind = "broken" if one.program.is_broken else "right"
    found = ", ".join(one.failed) or ("no verdict" if one.problem else "-")
    return f"{kind:<7} {one.program.file.name:<34} {one.seconds:6.1f} s  {found}"


def _tell(invocation: Invocation, measured: Measured) -> None:
    data = invocation.terminal.data
    if measured.broken:
        share = f"{measured.killed / measured.broken:.0%}"
        alone = f"{measured.killed_by_forward / measured.broken:.0%}"
        data(f"killed          {measured.killed} of {measured.broken} broken programs ({share})")
        data(f"forward alone   {measured.killed_by_forward} ({alone})")
    data(f"false alarms    {measured.accused} of {measured.right} right programs")
    data(f"processor time  {measured.median_seconds:.1f} s a program (median)")
    for one in measured.judged:
        if one.problem:
            data(f"no verdict      {one.program.file.name}: {one.problem.splitlines()[0]}")
    kills = dict(measured.kills)
    data("\ncheck                     first to fail   mean seconds")
    for name, seconds in measured.times:
        data(f"{name:<25} {kills.get(name, 0):>13}   {seconds:12.3f}")


def _json(measured: Measured) -> dict[str, object]:
    return {
        **asdict(measured),
        "judged": [
            {
                **asdict(one),
                "program": str(one.program.file),
                "is_broken": one.program.is_broken,
                "bug": one.program.bug,
            }
            for one in measured.judged
        ],
    }
