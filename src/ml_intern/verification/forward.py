"""The dummy forward pass: what a probe is asked about a network, and the verdict on what it reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import NetworkVerified, TaskKind
from ml_intern.core.sandbox import JobResult
from ml_intern.verification.asking import SOURCE, plain

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None

TIMEOUT = 120.0
"""Seconds that it may take."""

DATA = "/data"
_BATCH = 2
_LIMIT = 1500
_FIRST, _OTHERS = 950, 240
_REDUCE = (
    "Check a smaller configuration of the same class (fewer layers, narrower): the pass covers the source, not a size"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of `forward`: its shape without the batch. Integers are drawn from [low, high)."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"]
    low: int = 0
    high: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Prepared data that `predict` is tried on.

    Attributes:
        data: folder with `search.parquet`.
        inputs: the columns a row has; the target is not among them.
        classes: names of the classes by index; empty for numbers and texts.
        task: what is predicted.
    """

    data: Path
    inputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    task: TaskKind = "classification"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRequest:
    """What is claimed of a network: `arguments` build `class_name` in `file`; shapes are without the batch."""

    file: str
    class_name: str
    arguments: Mapping[str, JSON]
    inputs: tuple[InputSpec, ...]
    output_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReport:
    """What came out. `text` is for the language model, at most 1,500 characters; `traceback` is whole, or empty."""

    passed: bool
    text: str
    fact: NetworkVerified | None = None
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """The probe's report, parsed."""

    passed: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    parameters: int
    traceback: str


def with_traceback(directory: Path, report: ForwardReport) -> ForwardReport:
    """Keep the whole traceback in the call's folder, and say how to read it."""
    if not report.traceback:
        return report
    (directory / "output.log").write_text(report.traceback, "utf-8", errors="replace")
    pointer = f"\n(whole traceback: read_file calls/{directory.name}/output.log)"
    return replace(report, text=_crop(report.text, _LIMIT - len(pointer)) + pointer)


def refuse_nonsense(files: Mapping[str, bytes], request: ForwardRequest) -> None:
    """Refuse what no sandbox needs to be started for.

    Raises:
        ToolError: the request itself makes no sense.
    """
    parts = request.file.removesuffix(".py").split("/")
    shapes = [*(given.shape for given in request.inputs), request.output_shape]
    empty = next((given for given in request.inputs if given.dtype == "int64" and given.low >= given.high), None)
    if request.file not in files:
        raise ToolError(f"{request.file} is not among the files {', '.join(files)}")
    if not all(part.isidentifier() for part in parts):
        raise ToolError(f"{request.file} cannot be imported; name file and folders with letters, digits and _ only")
    if not request.inputs:
        raise ToolError("declare at least one input of forward, with its shape without the batch")
    if any(size < 1 for shape in shapes for size in shape):
        raise ToolError(f"every size of a shape is at least 1, without the batch; got {', '.join(map(str, shapes))}")
    if empty is not None:
        raise ToolError(f"integers are drawn from [low, high); low={empty.low}, high={empty.high} leaves none")


def forward_question(request: ForwardRequest, sample: Sample | None) -> Mapping[str, object]:
    """Write what the probe is asked: `sample` has real rows for `predict`, and its folder is mounted at `DATA`."""
    return {
        "root": SOURCE,
        "seconds": int(TIMEOUT),
        **asdict(request),
        "arguments": dict(request.arguments),
        "sample": sample
        and {
            "file": f"{DATA}/search.parquet",
            "inputs": sample.inputs,
            "classes": sample.classes,
            "task": sample.task,
        },
    }


def judge_forward(
    request: ForwardRequest, digest: str, result: JobResult, said: Sequence[Mapping[str, object]]
) -> ForwardReport:
    """Give the verdict on what the probe told of the source with this `digest`."""
    told: object = next((line["forward"] for line in said if "forward" in line), "")
    if told is None:
        result = replace(result, reason="timeout")
    findings = _parse(told)
    if findings is None:
        return ForwardReport(passed=False, text=_crop(_unreported(request, result), _LIMIT), traceback=result.output)
    if findings.failures:
        return ForwardReport(passed=False, text=_failed(request, findings), traceback=findings.traceback)
    fact = NetworkVerified(
        file=request.file,
        class_name=request.class_name,
        arguments=json.dumps(dict(request.arguments), sort_keys=True),
        source_digest=digest,
        input_shapes=tuple(str((_BATCH, *given.shape)) for given in request.inputs),
        output_shape=str((_BATCH, *request.output_shape)),
        parameters=findings.parameters,
    )
    return ForwardReport(passed=True, text=_succeeded(fact, findings), fact=fact)


def _parse(report: Any) -> _Findings | None:
    """Read the report; None for one that is not whole."""
    try:
        return _Findings(
            passed=tuple(plain(name) for name in report["passed"]),
            failures=tuple((plain(failure["check"]), plain(failure["text"])) for failure in report["failures"]),
            notes=tuple(plain(note) for note in report["notes"]),
            parameters=int(report["parameters"]),
            traceback=plain(report["traceback"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _unreported(request: ForwardRequest, result: JobResult) -> str:
    """Say why no verdict came, from how the process ended."""
    said = f"\nIt printed last:\n{result.output[-300:]}" if result.output.strip() else ""
    match result.reason:
        case "timeout":
            why = (
                f"it was not through after {TIMEOUT:g} s. Put training and data loading under "
                f"if __name__ == '__main__', and check for endless loops. {_REDUCE}"
            )
        case "memory":
            why = f"it ran out of memory. {_REDUCE}"
        case "stopped" | "lost":
            why = "it was stopped, or its sandbox was lost. Call again to repeat it"
        case None:
            why = (
                f"the process ended by itself with status {result.exit_code} before the checks were through. "
                "Nothing in the file may exit the process (os._exit, exec) or close descriptors"
            )
        case reason:
            why = f"{reason} ended the process: look for native code that crashes or files that grow. {_REDUCE}"
    return f"The forward pass of {request.class_name} ({request.file}) gave no verdict: {why}.{said}"


def _failed(request: ForwardRequest, findings: _Findings) -> str:
    count = len(findings.failures)
    head = f"{request.class_name} ({request.file}) FAILED {count} check{'s' if count > 1 else ''} of the forward pass."
    limits = [_FIRST, *[_OTHERS] * (count - 1)]
    told = [_crop(f"- {name}: {text}", limit) for (name, text), limit in zip(findings.failures, limits, strict=True)]
    passed = f"Passed: {', '.join(findings.passed) or 'none'}."
    return _crop("\n".join([head, *told, passed, *findings.notes]), _LIMIT)


def _succeeded(fact: NetworkVerified, findings: _Findings) -> str:
    inputs = ", ".join(fact.input_shapes)
    lines = [
        f"{fact.class_name} ({fact.file}) passed the forward pass: {fact.parameters:,} parameters, "
        f"{inputs} -> {fact.output_shape}.",
        f"Checked: {', '.join(findings.passed)}.",
        *[f"Note: {note}." for note in findings.notes],
        f"Source {fact.source_digest[:12]}; any edit of it, or of a module it imports, voids this pass.",
    ]
    return _crop("\n".join(lines), _LIMIT)


def _crop(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
