"""Show a run while it happens: as a story for people, or as JSON lines for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from ml_intern.cli.narrator import Narrator
from ml_intern.cli.plain import PlainPrinter
from ml_intern.cli.shown import Line, Printer
from ml_intern.cli.terminal import Terminal
from ml_intern.core.events import Record
from ml_intern.core.live import Live
from ml_intern.journal import codec


class Surface(Protocol):
    """What `follow` tells about a run."""

    def opened(self, run: str, directory: Path, history: Sequence[Record]) -> None:
        """Begin a run, or go on with one whose journal holds `history`."""
        ...

    def record(self, record: Record) -> None:
        """An event was written."""
        ...

    def live(self, live: Live) -> None:
        """Something happens that no journal keeps."""
        ...

    def close(self) -> None:
        """Nothing follows; safe to call twice."""
        ...


class Story:
    """Tells a run to a person."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._narrator = Narrator()

    def opened(self, run: str, directory: Path, history: Sequence[Record]) -> None:
        """Name the run and its folder."""
        self._narrator = Narrator(history)
        self._printer.show(Line(text=f"run {run}", style="note"))
        self._printer.show(Line(text=f"files: {directory}", style="note"))

    def record(self, record: Record) -> None:
        """Tell an event."""
        self._tell(record)

    def live(self, live: Live) -> None:
        """Tell what happens meanwhile."""
        self._tell(live)

    def close(self) -> None:
        """End an open line or bar."""
        self._printer.close()

    def _tell(self, item: Record | Live) -> None:
        for shown in self._narrator.tell(item):
            self._printer.show(shown)


class JsonLines:
    """Writes one JSON object a line: `{"run", "seq", "at", "event"}` or `{"run", "live"}`."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._run = ""

    def opened(self, run: str, directory: Path, history: Sequence[Record]) -> None:
        """Remember whose lines these are."""
        del directory, history
        self._run = run

    def record(self, record: Record) -> None:
        """Write an event."""
        self._terminal.json({"run": self._run, **record_json(record)})

    def live(self, live: Live) -> None:
        """Write what happens meanwhile."""
        self._terminal.json({"run": self._run, "live": {f.name: getattr(live, f.name) for f in fields(live)}})

    def close(self) -> None:
        """Nothing is open."""


def record_json(record: Record) -> Mapping[str, object]:
    """Give a record as JSON values."""
    return {"seq": record.seq, "at": record.at, "event": codec.plain(record.event)}


def printer(terminal: Terminal, *, plain: bool) -> Printer:
    """Choose how to print: colours on a capable terminal, else plain lines."""
    if plain or not terminal.is_rich:
        return PlainPrinter(terminal.stdout)
    from ml_intern.cli.colour import ColourPrinter  # noqa: PLC0415 - rich, only where a terminal can show it

    return ColourPrinter(terminal.stdout)
