"""Show what is inside a network: layers, shapes, parameters, operations, gradients, and parity with a reference."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from ml_intern.core.neutral import one_line
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.verification.asking import SOURCE, Question, ask, plain
from ml_intern.verification.cheap import claimed
from ml_intern.verification.condense import condense
from ml_intern.verification.forward import TIMEOUT, ForwardRequest

_ROWS = 40
_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A class or function of an installed library by its import path, and the arguments of it or its configuration."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was seen, for the language model; `ok` is false where the network cannot be looked at."""

    text: str
    ok: bool


def inspect(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    output: Path,
    files: Mapping[str, bytes],
    request: ForwardRequest,
    reference: Reference | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Inspection:
    """Look into a network in a sandbox of its own; a picture goes to `output`.

    Raises:
        ToolError: the request makes no sense.
        SandboxError: the sandbox cannot start.
    """
    asked = {
        "root": SOURCE,
        "file": request.file,
        "class_name": request.class_name,
        "arguments": dict(request.arguments),
        "contract": json.loads(claimed(request, {}).to_json()),
        "reference": reference and asdict(reference),
    }
    output.mkdir(parents=True, exist_ok=True)
    picture = Mount(source=output, target="/output", writable=True)
    whole = Question(
        program="layers.py", asked=asked, directory=directory, files=files, timeout=TIMEOUT, mounts=(picture,)
    )
    result, answers = ask(backend, whole, run=run, cancelled=cancelled)
    if not answers:
        why = result.reason or f"it ended with status {result.exit_code}"
        return Inspection(text=f"Nothing was seen: {why}.\n{condense(result.output, 500)}", ok=False)
    said = answers[0]
    if "problem" in said:
        return Inspection(text=plain(said["problem"]), ok=False)
    return Inspection(text=_told(said, output), ok=True)


def _told(said: Mapping[str, object], output: Path) -> str:
    rows = cast("Sequence[Mapping[str, object]]", said["rows"])
    parameters = sum(int(str(row["parameters"])) for row in rows)
    lines = [f"{'layer':<{_NAME}} {'output':<18} {'parameters':>11} {'MFLOPs':>9} {'gradient':>9}  kind"]
    lines += [_line(row) for row in rows[: _ROWS // 2]]
    if len(rows) > _ROWS:
        lines.append(f"… {len(rows) - _ROWS} more layers …")
    lines += [_line(row) for row in rows[_ROWS // 2 :][-_ROWS // 2 :]]
    lines.append(f"{len(rows)} layers, {parameters:,} parameters; outputs of a batch of 2, operations of one sample.")
    silent = [plain(row["layer"]) for row in rows if row["gradient"] == 0]
    lines += [f"No gradient reaches {', '.join(silent[:6])}."] if silent else []
    lines += [f"Gradients drawn: /outputs/{output.name}/gradients.png"] if said.get("picture") else []
    return "\n".join([*lines, plain(said["parity"])]).rstrip()


def _line(row: Mapping[str, object]) -> str:
    slope = row["gradient"]
    gradient = "" if slope is None else f"{float(str(slope)):.2e}"
    name, shape = one_line(plain(row["layer"]), _NAME), one_line(plain(row["output"]), 40)
    count, operations = int(str(row["parameters"])), float(str(row["flops"])) / 1e6
    return f"{name:<{_NAME}} {shape:<18} {count:>11,} {operations:>9.3f} {gradient:>9}  {plain(row['kind'])}"
