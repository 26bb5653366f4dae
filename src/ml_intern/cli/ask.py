"""Ask the person at the terminal about the calls that wait, showing what would happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ml_intern.cli.narrator import find_call
from ml_intern.cli.reading import read_records
from ml_intern.cli.terminal import Terminal
from ml_intern.core.folds import waiting_calls
from ml_intern.core.messages import ToolCall
from ml_intern.journal.runs import answer

_LINES = 30
"""Lines of one argument shown before a decision; `ml-intern show RUN --events` has all of it."""


def decide(directory: Path, terminal: Terminal) -> bool:
    """Ask about each call that waits and record the answers; false where nobody answers."""
    if not terminal.is_interactive:
        return False
    records = read_records(directory)
    for asked in waiting_calls(records):
        call = find_call(records, asked.call_id)
        for line in question(asked.reason, call):
            terminal.note(line)
        approved = _yes_or_no(terminal)
        if approved is None:
            return False
        comment = "" if approved else _read(terminal, "why not (for the model; may be empty)? ") or ""
        answer(directory, asked.call_id, approved=approved, comment=comment)
    return True


def question(reason: str, call: ToolCall | None) -> Iterator[str]:
    """Say why it is asked and what exactly would run."""
    yield f"\n{reason}"
    for name, value in call.arguments.items() if call else ():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *rest = text.split("\n")
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in rest[:_LINES])
        if len(rest) > _LINES:
            yield f"    … {len(rest) - _LINES:,} more lines"


def _yes_or_no(terminal: Terminal) -> bool | None:
    while (said := _read(terminal, "let it happen? [y/n] ")) is not None:
        if said.lower() in {"y", "yes", "n", "no"}:
            return said.lower().startswith("y")
    return None


def _read(terminal: Terminal, prompt: str) -> str | None:
    """Read a line without its end; None at the end of the input."""
    terminal.stderr.write(prompt)
    terminal.stderr.flush()
    line = terminal.stdin.readline()
    return line.strip() if line else None
