"""What `check` and `bench verification` share: a file, its contract, a sandbox, a report."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast, get_args

from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes.choose import choose
from ml_intern.verification.checking import CheckReport, CheckRequest, check_candidate
from ml_intern.verification.contract import DType, Task, TensorSpec
from ml_intern.verification.declaration import declared_meta
from ml_intern.verification.meta import contract_of, contract_of_shapes
from ml_intern.verification.registry import known
from ml_intern.verification.smoke import SMOKE
from ml_intern.verification.source import source_files


def backend(name: str | None, settings: Settings) -> SandboxBackend:
    """Give the sandbox that is asked for, or the one of the settings."""
    return choose(name or settings.sandbox, settings)


def waivers(names: Sequence[str], reasons: Sequence[str]) -> dict[str, str]:
    """Pair the waived checks with why.

    Raises:
        ConfigError: a check is unknown, or has no reason.
    """
    for name in names:
        if name != SMOKE:
            known([name])
    if len(names) != len(reasons) or not all(reason.strip() for reason in reasons):
        raise ConfigError("every --waive CHECK needs a --because TEXT that says why it may fail")
    return dict(zip(names, reasons, strict=True))


def request_for(arguments: argparse.Namespace) -> CheckRequest:
    """Make the request of the command line.

    Raises:
        ConfigError: an option makes no sense, or the file declares no contract.
        ToolError: META is wrong.
    """
    only = known(arguments.only or [])
    if arguments.class_name is None:
        return request_of_file(arguments.file, only=only)
    if not arguments.input or not arguments.output:
        raise ConfigError("--class needs at least one --input SHAPE and the --output SHAPE, without the batch")
    task: str | None = arguments.task
    if task is not None and task not in get_args(Task):
        raise ConfigError(f"--task {task!r} is none of {', '.join(get_args(Task))}")
    contract = contract_of_shapes(
        tuple(_input(text) for text in arguments.input),
        _sizes(arguments.output),
        task=cast("Task | None", task),
        causal=arguments.causal,
    )
    return CheckRequest(
        file=arguments.file.name,
        contract=contract,
        class_name=arguments.class_name,
        arguments=_arguments(arguments.arguments),
        only=only,
    )


def request_of_file(
    file: Path, *, only: tuple[str, ...] = (), families: tuple[str, ...] = (), seconds: float = 60.0
) -> CheckRequest:
    """Make the request for a program that declares META.

    Raises:
        ConfigError: the file cannot be read, or declares none.
        ToolError: META is wrong.
    """
    try:
        meta = declared_meta(file.name, file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    if meta is None:
        raise ConfigError(f"{file} declares no META (docs/checks.md); give --class NAME with --input and --output")
    return CheckRequest(file=file.name, contract=contract_of(meta), only=only, families=families, seconds=seconds)


def check_file(file: Path, request: CheckRequest, place: SandboxBackend, home: Path) -> CheckReport:
    """Run the checks on `file` and the modules beside it that it imports.

    Raises:
        ToolError: the source cannot be taken as it is.
        SandboxError: the sandbox cannot start.
    """
    home.mkdir(parents=True, exist_ok=True)
    # below home and not in the system's folder of temporary files, which some engines cannot mount from
    with tempfile.TemporaryDirectory(prefix="check-", dir=home) as folder:
        directory = Path(folder)
        directory.chmod(0o755)
        return check_candidate(
            place,
            run="check",
            directory=directory,
            files=source_files(file.resolve().parent, file.name),
            request=request,
        )


def as_json(file: Path, report: CheckReport, waived: Mapping[str, str]) -> dict[str, object]:
    """Give the report as one object."""
    failing = [result.name for result in report.failures if result.name not in waived]
    return {
        "file": str(file),
        "passed": not failing and not report.problem,
        "failed": failing,
        "waived": dict(waived),
        "problem": report.problem,
        "results": [asdict(result) for result in report.results],
    }


def _arguments(text: str) -> Mapping[str, object]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--arguments must be a JSON object: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"--arguments must be a JSON object; got {text}")
    return cast("Mapping[str, object]", given)


def _input(text: str) -> TensorSpec:
    """Read `3x32x32`, `64:int64:1000` or `8:bool`."""
    shape, _, rest = text.partition(":")
    dtype, _, high = rest.partition(":")
    if dtype and dtype not in get_args(DType):
        raise ConfigError(f"--input {text}: {dtype!r} is none of {', '.join(get_args(DType))}")
    if high and not high.isdigit():
        raise ConfigError(f"--input {text}: ids are below a whole number; got {high!r}")
    return TensorSpec(
        shape=_sizes(shape),
        dtype=cast("DType", dtype or "float32"),
        high=int(high) if high else 2 if dtype == "int64" else None,
    )


def _sizes(text: str) -> tuple[int, ...]:
    sizes = text.split("x") if text else []
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise ConfigError(f"{text!r} is no shape; write sizes with x between them, such as 3x32x32")
    return tuple(int(size) for size in sizes)
