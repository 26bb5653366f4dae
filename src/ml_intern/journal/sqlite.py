"""A journal in one SQLite file: one writer under a lock, any number of concurrent readers.

Write-ahead log with `synchronous=FULL`: an event survives a power cut once `append` returns. Bodies over 32 KiB lie
in `blobs/<sha256>` beside the file, synced before their event. Uniqueness of answers is the database's, so two
surfaces that decide at once cannot both win.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from ml_intern.core.errors import JournalError
from ml_intern.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    ModelReplied,
    Record,
    ToolFinished,
    ToolStarted,
)
from ml_intern.journal.codec import SCHEMA_VERSION, decode, encode

INLINE_LIMIT = 32 << 10
"""Bytes of a body above which it goes to a file."""

_TABLES = """
create table if not exists event(
  seq integer primary key check (seq >= 0), at real not null, type text not null, key text, body text, blob text,
  version integer not null, check ((body is null) <> (blob is null))) strict;
create unique index if not exists once on event(type, key) where key is not null;
"""


class SqliteJournal:
    """One run's events. Open it with `writer=True` in the one process that carries the run on."""

    def __init__(self, path: Path, *, writer: bool, clock: Callable[[], float] = time.time) -> None:
        """Open, and create for a writer.

        Raises:
            JournalError: there is no such journal, another process writes it, or the disk refuses.
        """
        self._path = path
        self._clock = clock
        self._lock: int | None = None
        if writer:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(path.with_name(path.name + ".lock"))
        elif not path.exists():
            raise JournalError(f"there is no journal at {path}")
        try:
            self._connection = _connect(path, create=writer)
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"{path} cannot be opened: {error}") from error

    def append(self, event: Event) -> Record:
        """Store `event`, durably, and return it with its place and time.

        Raises:
            JournalError: the disk is full or gone, or `event` is a second intent or answer for the same thing.
        """
        text = encode(event)
        try:
            blob = self._store(text) if len(text) > INLINE_LIMIT else None
            return self._insert(event, None if blob else text, blob)
        except sqlite3.IntegrityError as error:
            raise JournalError(f"{event.type} of {_key(event)} is already recorded: {error}") from error
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"{self._path} cannot be written ({error}); the run stopped before this step took effect. "
                "Free some disk space and resume it."
            ) from error

    def __iter__(self) -> Iterator[Record]:
        try:
            rows = self._connection.execute("select seq, at, body, blob, version from event order by seq").fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path} cannot be read: {error}") from error
        for place, (seq, at, body, blob, version) in enumerate(rows):
            where = f"{self._path} event {place}"
            if seq != place:
                raise JournalError(f"{where} is missing; the next one is {seq}")
            text = body if blob is None else self._load(blob, where)
            yield Record(seq=seq, at=at, event=decode(text, version=version, where=where))

    def close(self) -> None:
        """Release file and lock; safe to call twice."""
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, event: Event, body: str | None, blob: str | None) -> Record:
        at = self._clock()
        (seq,) = self._connection.execute(
            "insert into event(seq, at, type, key, body, blob, version) "
            "values ((select coalesce(max(seq) + 1, 0) from event), ?, ?, ?, ?, ?, ?) returning seq",
            (at, event.type, _key(event), body, blob, SCHEMA_VERSION),
        ).fetchone()
        return Record(seq=seq, at=at, event=event)

    def _store(self, text: str) -> str:
        name = hashlib.sha256(text.encode()).hexdigest()
        folder = self._path.parent / "blobs"
        folder.mkdir(exist_ok=True)
        draft = folder / f"{name}.{os.getpid()}.tmp"
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
        _sync_folder(folder)
        return name

    def _load(self, name: str, where: str) -> str:
        try:
            text = (self._path.parent / "blobs" / name).read_text("utf-8")
        except OSError as error:
            raise JournalError(f"{where}: its body {name} is gone: {error}") from error
        if hashlib.sha256(text.encode()).hexdigest() != name:
            raise JournalError(f"{where}: its body {name} was changed")
        return text


def _key(event: Event) -> str | None:
    """Name what may be recorded once per type: a request, a call, a decision."""
    match event:
        case ModelReplied(key=key):
            return key
        case ToolStarted(call=call) | ToolFinished(call=call):
            return call.id
        case ApprovalAsked(call_id=call_id) | ApprovalAnswered(call_id=call_id):
            return call_id
        case _:
            return None


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
    if create:
        connection.execute("pragma journal_mode=WAL")
        connection.executescript(_TABLES)
    connection.execute("pragma synchronous=FULL")
    return connection


def _take_lock(path: Path) -> int:
    """Hold an exclusive lock for this process; the kernel frees it when the process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise JournalError(f"the run in {path.parent} is carried on by another process (pid {holder})") from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
