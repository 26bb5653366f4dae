"""The three streams of the command: data on stdout, the rest on stderr, everything neutralised."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO, cast

from ml_intern.core.neutral import neutral


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where the command reads and writes; `environment` says how the person wants it."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environment: Mapping[str, str]

    def data(self, text: str = "") -> None:
        """Write a line that was asked for."""
        print(neutral(text), file=self.stdout, flush=True)

    def note(self, text: str) -> None:
        """Write a line beside the data: a hint, a problem."""
        print(neutral(text), file=self.stderr, flush=True)

    def json(self, value: object) -> None:
        """Write one JSON value on one line of ASCII; numbers that are not finite become null."""
        print(json.dumps(finite(value), allow_nan=False), file=self.stdout, flush=True)

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked."""
        return self.stdin.isatty() and self.stdout.isatty() and self.stderr.isatty()

    @property
    def is_rich(self) -> bool:
        """Whether colours and a bar may be used: a capable terminal, and nobody said NO_COLOR (no-color.org)."""
        dumb = self.environment.get("TERM", "dumb") == "dumb" or bool(self.environment.get("NO_COLOR"))
        return self.stdout.isatty() and not dumb


def finite(value: object) -> object:
    """Give `value` as JSON can hold it: no NaN, no infinity, mappings and sequences plain."""
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast("list[object] | tuple[object, ...]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
