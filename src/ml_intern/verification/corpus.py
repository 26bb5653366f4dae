"""Measure the checks on a folder of right and broken programs: kill rate, false alarms, time."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.verification.checking import CheckReport

Judge = Callable[[Path], CheckReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One file of a corpus; `bug` is what its header says is wrong, where it says so."""

    file: Path
    is_broken: bool
    bug: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the checks found in one program; `problem` where they could not be run to their end."""

    program: Program
    failed: tuple[str, ...]
    evidence: tuple[str, ...]
    problem: str
    seconds: float
    times: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a corpus says of the checks. `times` is the mean of processor seconds a check over all programs."""

    judged: tuple[Judged, ...]
    broken: int
    killed: int
    killed_by_forward: int
    right: int
    accused: int
    kills: tuple[tuple[str, int], ...]
    """Per check, how many broken programs it is the first to fail, in the order in which checks run."""
    times: tuple[tuple[str, float], ...]
    median_seconds: float


def programs(folders: Sequence[Path]) -> tuple[Program, ...]:
    """Find the programs: below `correct` and `broken`, or told apart by a header that names a bug.

    Raises:
        ConfigError: a folder does not exist, or holds none.
    """
    found: dict[Path, Program] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder; give a folder with programs that declare META")
        for file in sorted(folder.rglob("*.py")):
            text = file.read_text("utf-8", "replace")
            if "META" in text:
                found.setdefault(file.resolve(), _program(file, text))
    if not found:
        raise ConfigError(f"no program that declares META in {', '.join(map(str, folders))}")
    return tuple(found.values())


def _program(file: Path, text: str) -> Program:
    header = [line[1:].strip() for line in text.splitlines()[:20] if line.startswith("#")]
    said = {key.strip(): value.strip() for line in header for key, _, value in [line.partition(":")] if value}
    folders = {parent.name for parent in file.resolve().parents}
    if "correct" in folders or "right" in folders:
        is_broken = False
    else:
        is_broken = "broken" in folders or "MUTANT" in said or "BUG" in said
    return Program(file=file, is_broken=is_broken, bug=said.get("BUG", ""))


def measure(
    found: Sequence[Program], judge: Judge, *, jobs: int, told: Callable[[Judged], None] = lambda judged: None
) -> Measured:
    """Judge every program, `jobs` at a time, and count; `told` sees each as it ends, in order."""
    judged: list[Judged] = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for one in pool.map(_judge, found, itertools.repeat(judge)):
            judged.append(one)
            told(one)
    return _counted(judged)


def _judge(program: Program, judge: Judge) -> Judged:
    try:
        report = judge(program.file)
    except ToolError as error:
        report = CheckReport(results=(), problem=str(error))
    return Judged(
        program=program,
        failed=tuple(result.name for result in report.failures),
        evidence=tuple(f"{result.name}: {result.evidence}" for result in report.failures),
        problem=report.problem,
        seconds=sum(result.seconds for result in report.results),
        times=tuple((result.name, result.seconds) for result in report.results),
    )


def _counted(judged: Sequence[Judged]) -> Measured:
    broken = [one for one in judged if one.program.is_broken]
    right = [one for one in judged if not one.program.is_broken]
    first = Counter(one.failed[0] for one in broken if one.failed)
    times: dict[str, list[float]] = {}
    for name, seconds in _all_times(judged):
        times.setdefault(name, []).append(seconds)
    return Measured(
        judged=tuple(judged),
        broken=len(broken),
        killed=sum(bool(one.failed) for one in broken),
        killed_by_forward=sum("forward" in one.failed for one in broken),
        right=len(right),
        accused=sum(bool(one.failed) for one in right),
        kills=tuple((name, first[name]) for name in times if first[name]),
        times=tuple((name, statistics.fmean(values)) for name, values in times.items()),
        median_seconds=statistics.median([one.seconds for one in judged]),
    )


def _all_times(judged: Sequence[Judged]) -> Iterator[tuple[str, float]]:
    for one in judged:
        yield from one.times
