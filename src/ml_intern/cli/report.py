"""Tell a run from its journal: as a story, as facts in JSON, or event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.narrator import Narrator
from ml_intern.cli.reading import read_records
from ml_intern.cli.shown import Line
from ml_intern.cli.state import info_json, state_of
from ml_intern.cli.summary import end_lines
from ml_intern.cli.surface import printer, record_json
from ml_intern.cli.terminal import Terminal, finite
from ml_intern.core.events import RunFinished
from ml_intern.core.folds import all_facts, waiting_calls
from ml_intern.journal.runs import describe


def print_story(directory: Path, terminal: Terminal, *, plain: bool) -> None:
    """Tell the run as it was told while it happened, then how it stands and where its files are."""
    info, records = describe(directory), read_records(directory)
    out = printer(terminal, plain=plain)
    narrator = Narrator()
    for record in records:
        for shown in narrator.tell(record):
            out.show(shown)
    if not isinstance(records[-1].event, RunFinished):
        out.show(Line(text=""))
        if info.outcome:
            for line in end_lines(records, info.outcome):
                out.show(line)
        else:
            out.show(Line(text=_unfinished(state_of(info), info.run), style="bad"))
    for line in _files(directory):
        out.show(line)
    out.close()


def _unfinished(state: str, run: str) -> str:
    if state == "running":
        return "running: a process carries this run on right now"
    return f"torn: its process is gone; go on with: ml-intern resume {run}"


def _files(directory: Path) -> Iterator[Line]:
    """Name the folders of the run that hold something."""
    yield Line(text=f"files: {directory}", style="note")
    for name, meaning in _FOLDERS.items():
        folder = directory / name
        if folder.is_dir() and any(folder.iterdir()):
            yield Line(text=f"  {name}/  {meaning}", style="note")


_FOLDERS = {
    "workspace": "what the model wrote",
    "outputs": "what trainings wrote, a folder a call",
    "calls": "output, metrics and source of each call",
    "bundle": "the model as it is published",
}


def print_json(directory: Path, terminal: Terminal) -> None:
    """Write one object: how the run stands, what it proved, what it waits for."""
    records = read_records(directory)
    ended = [r.event.text for r in records if isinstance(r.event, RunFinished)]
    terminal.json(
        {
            **info_json(describe(directory)),
            "text": ended[-1] if ended else "",
            "facts": [asdict(fact) for fact in all_facts(records)],
            "waiting": [asdict(asked) for asked in waiting_calls(records)],
        }
    )


def event_lines(directory: Path) -> Iterator[str]:
    """Give each event as one line of JSON."""
    for record in read_records(directory):
        yield json.dumps(finite(record_json(record)), allow_nan=False)


def print_events(directory: Path, terminal: Terminal) -> None:
    """Write every event as it is stored."""
    for line in event_lines(directory):
        terminal.data(line)
