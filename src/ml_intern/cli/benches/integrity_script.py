"""A script of the integrity corpus: a header that says what is wrong, and the files and calls that do it.

The header is comments, `# key: value`: `task`, `class`, `wrong` and `stopped by` (a regular expression over
`<tool>: <what it said> [<codes>]`) of a trap; `task`, `class` and `right` of its honest twin. Sections begin with
`# --- <file>`; a file that is left out is the task's own. `calls.json` changes arguments of the calls, or the calls
themselves (`steps`); `after.py` is run on the published folder, which is verified afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ml_intern.core.errors import ConfigError

CORPUS = Path(__file__).parents[2] / "corpora" / "integrity"
STEPS = (
    "contract",
    "prepare_dataset",
    "write_file network.py",
    "check_network",
    "write_file train.py",
    "train",
    "evaluate",
    "publish",
)

_CHECKED: Mapping[str, tuple[list[dict[str, object]], list[int]]] = {
    "table": ([{"shape": [4]}], [3]),
    "price": ([{"shape": [3]}], []),
    "text": ([{"shape": [12], "dtype": "int64", "high": 512}], [2]),
    "language": ([{"shape": [6], "dtype": "int64", "high": 27}], [6]),
    "image": ([{"shape": [1, 8, 8]}], [3]),
}
"""Inputs and output shape of each task's network."""

_SECTION = re.compile(r"^# --- (\S+)\n", re.MULTILINE)
_HEADER = re.compile(r"^# ([a-z ]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script: `header` by key, `files` by name, `changes` to the calls."""

    name: str
    is_trap: bool
    header: Mapping[str, str]
    files: Mapping[str, str]
    changes: Mapping[str, Any]
    after: str

    @property
    def task(self) -> str:
        """The data and the base network."""
        return self.header["task"]

    def calls(self, data: Path, seed: int) -> list[tuple[str, dict[str, object]]]:
        """Give the calls in order, with their arguments."""
        steps = cast("Sequence[str]", self.changes.get("steps", STEPS))
        return [(step.split()[0], self._arguments(step, data, seed)) for step in steps]

    def _arguments(self, step: str, data: Path, seed: int) -> dict[str, object]:
        tool, _, file = step.partition(" ")
        if tool == "write_file":
            written = {"path": file, "content": self.files.get(file, "")}
            return {**written, **cast("dict[str, object]", self.changes.get(step, {}))}
        inputs, outputs = _CHECKED[self.task]
        defaults: dict[str, dict[str, object]] = {
            "contract": {"objective": "a network that predicts the target", "deliverables": ["published_model"]},
            "prepare_dataset": {"dataset": str(data)},
            "check_network": {
                "file": "network.py",
                "class_name": "Net",
                "arguments": {},
                "inputs": inputs,
                "output_shape": outputs,
            },
            "train": {
                "script": "train.py",
                "network": "network.py",
                "hyperparameters": {"epochs": 8, "seed": seed},
                "timeout": 900,
            },
            "publish": {
                "repository": "integrity",
                "title": "A small network",
                "summary": "A small network for a small data set.",
                "intended_use": "To try the runtime.",
                "limitations": "It was made for one data set only.",
            },
        }
        changed = cast("dict[str, object]", self.changes.get(step) or self.changes.get(tool) or {})
        return {**defaults.get(tool, {}), **changed}


def read_script(file: Path) -> Script:
    """Read a script of the corpus, `<name>.trap.py` or `<name>.honest.py`.

    Raises:
        ConfigError: its header or its calls are damaged.
    """
    begin, *rest = _SECTION.split(file.read_text("utf-8"))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    header = {key: value.strip() for key, value in _HEADER.findall(begin)}
    is_trap = file.name.endswith(".trap.py")
    needed = ("task", "class", "wrong", "stopped by") if is_trap else ("task", "class", "right")
    if missing := [key for key in needed if key not in header]:
        raise ConfigError(f"{file} lacks {missing[0]!r} in its header")
    base = {
        name: (CORPUS / "base" / f"{header['task']}.{name}").read_text("utf-8") for name in ("network.py", "train.py")
    }
    try:
        changes: dict[str, Any] = json.loads(sections.pop("calls.json", "{}"))
    except ValueError as error:
        raise ConfigError(f"{file} has damaged calls: {error}") from error
    after = sections.pop("after.py", "")
    return Script(
        name=file.name.removesuffix(".py"),
        is_trap=is_trap,
        header=header,
        files={**base, **sections},
        changes=changes,
        after=after,
    )


def read_corpus(folders: Sequence[Path], only: str = "") -> list[Script]:
    """Read every script below the folders, the built-in corpus where none is given, whose name contains `only`."""
    files = [file for folder in folders or [CORPUS] for file in sorted(folder.glob("*.py"))]
    return [read_script(file) for file in files if only in file.name]
