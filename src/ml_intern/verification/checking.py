"""Run the checks on one candidate in a sandbox of its own, and judge what the probe reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ml_intern.core.sandbox import JobResult, Mount, SandboxBackend
from ml_intern.verification.asking import SOURCE, Question, ask, plain, write_files
from ml_intern.verification.contract import NetworkContract
from ml_intern.verification.registry import plugin_files

Status: TypeAlias = Literal["pass", "fail", "not_applicable", "inconclusive"]

SECONDS = 60.0
"""Of processor time for all checks of one candidate."""
MEMORY = 2 << 30
"""Bytes of weights, gradients and Adam's moments above which a network is not allocated: 134 million weights."""
_PLUGINS = "/opt/ml-intern/checks"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What is checked: a program that defines `build_model`, or `class_name` built with `arguments`.

    `only` names checks and `families` whole families; empty means all. `seconds` of processor time for all. A network
    whose training would take more than `memory` bytes is not allocated: it is checked at full size by its shapes alone,
    and otherwise in the small form that its contract's `shrink` gives.
    """

    file: str
    contract: NetworkContract
    class_name: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    only: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    seconds: float = SECONDS
    memory: int = MEMORY


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found: what is wrong, where in the source, what to try. `seconds` of processor time."""

    name: str
    family: str
    status: Status
    what: str = ""
    where: str = ""
    advice: str = ""
    seconds: float = 0.0

    @property
    def evidence(self) -> str:
        """Tell it in one paragraph."""
        where = f" ({self.where})" if self.where else ""
        advice = f" Try: {self.advice}." if self.advice else ""
        return f"{self.what}{where}.{advice}" if self.what else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All results in order; `problem` says why the probe did not come to its end, or is empty."""

    results: tuple[CheckResult, ...]
    problem: str = ""

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.status == "fail")

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of the checks that passed."""
        return tuple(result.name for result in self.results if result.status == "pass")


def check_candidate(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    files: Mapping[str, bytes],
    request: CheckRequest,
    cancelled: Callable[[], bool] = lambda: False,
) -> CheckReport:
    """Run the checks; each request has a folder of its own below `directory`, named by its content.

    Args:
        backend: where it runs.
        run: identifier of the run, to label the sandbox.
        directory: a folder of the host that the sandbox does not see.
        files: the source, as `source_files` gives it; `request.file` is among them.
        request: what is checked and held to what.
        cancelled: whether the person asked to stop.

    Raises:
        ToolError: the request itself makes no sense; nothing was started.
        SandboxError: the sandbox cannot start.
        ConfigError: a check of a plug-in cannot be found.
    """
    whole = Question(
        program="examine.py",
        asked=checks_question(request),
        directory=directory,
        files=files,
        timeout=seconds_of_checks(request),
        mounts=(plugins_mount(directory),),
    )
    return judge_checks(*ask(backend, whole, run=run, cancelled=cancelled))


def seconds_of_checks(request: CheckRequest) -> float:
    """Give the wall-clock seconds after which the probe is ended."""
    return 4 * request.seconds + 60


def plugins_mount(directory: Path) -> Mount:
    """Lay the files of plug-ins out in `directory`, and show them where the question says that they are."""
    folder = directory / "plugins"
    write_files(folder, {file.name: file.read_bytes() for file in plugin_files()})
    return Mount(source=folder, target=_PLUGINS)


def judge_checks(result: JobResult, lines: Sequence[Mapping[str, object]]) -> CheckReport:
    """Read what the probe told; what the candidate printed is no part of the verdict."""
    results = tuple(_result(line) for line in lines if "check" in line)
    if any(line.get("done") is True for line in lines):
        return CheckReport(results=results)
    begun = next((str(line["begin"]) for line in reversed(lines) if "begin" in line), "")
    where = f"in the check {begun}" if begun and begun not in {r.name for r in results} else "before it was through"
    if result.reason is None:
        problem = f"the process ended by itself with status {result.exit_code} {where}; nothing may exit the process"
    else:
        problem = f"{result.reason} ended the process {where}"
    said = f"\nIt printed last:\n{result.output[-400:]}" if result.output.strip() else ""
    return CheckReport(results=results, problem=problem + said)


def _result(line: Mapping[str, object]) -> CheckResult:
    seconds = line.get("seconds")
    return CheckResult(
        name=plain(line["check"]),
        family=plain(line["family"]),
        status=cast("Status", plain(line["status"])),
        what=plain(line["what"]),
        where=plain(line["where"]),
        advice=plain(line["advice"]),
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
    )


def checks_question(request: CheckRequest) -> Mapping[str, object]:
    """Write what the probe is asked."""
    return {
        "root": SOURCE,
        "file": request.file,
        "class_name": request.class_name,
        "arguments": dict(request.arguments),
        "contract": json.loads(request.contract.to_json()),
        "only": request.only,
        "families": request.families,
        "seconds": request.seconds,
        "memory": request.memory,
        "plugins": [f"{_PLUGINS}/{file.name}" for file in plugin_files()],
    }
