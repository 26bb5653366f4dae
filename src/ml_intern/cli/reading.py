"""Read what a run's journal holds, without disturbing whoever writes it."""

from __future__ import annotations

from pathlib import Path

from ml_intern.core.events import Record
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal


def read_records(directory: Path) -> list[Record]:
    """Give every event of the run in `directory`.

    Raises:
        JournalError: the journal is missing or damaged.
    """
    with SqliteJournal(directory / DATABASE, writer=False) as journal:
        return list(journal)
