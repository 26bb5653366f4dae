"""Write the index: one SQLite file with a full-text table (FTS5)."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from entries import Entry
from wording import identifiers, words

_SCHEMA = """
CREATE TABLE package (name TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, signature TEXT NOT NULL, doc BLOB NOT NULL,
  file TEXT NOT NULL, line INTEGER NOT NULL, bases TEXT NOT NULL, package TEXT NOT NULL, prior REAL NOT NULL
);
CREATE TABLE path (path TEXT PRIMARY KEY, entry INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5 (
  name, parameters, head, body, content='', detail=column, tokenize="porter unicode61 tokenchars '_'"
);
"""
_HEAD, _BODY = 800, 6_000
"""Characters of a documentation that can be found by; all of it can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed package: what it is called, its version, the modules it brings, whether somebody asked for it."""

    name: str
    version: str
    modules: tuple[str, ...]
    is_asked_for: bool = True


Described = tuple[Distribution, "list[tuple[Entry, tuple[str, ...]]]"]


def write(place: Path, described: Iterable[Described]) -> int:
    """Write the index at `place`, whole or not at all; gives the number of entries."""
    draft = place.with_name(f"{place.name}.partial")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as database:
        database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA}")
        for distribution, entries in described:
            database.execute("INSERT INTO package VALUES (?, ?)", (distribution.name, distribution.version))
            for entry, aliases in entries:
                _add(database, distribution, entry, aliases)
        database.execute("INSERT INTO text (text) VALUES ('optimize')")
        count: int = database.execute("SELECT count(*) FROM entry").fetchone()[0]
        database.commit()
    draft.replace(place)
    return count


def _add(database: sqlite3.Connection, distribution: Distribution, entry: Entry, aliases: tuple[str, ...]) -> None:
    doc = zlib.compress(entry.doc.encode("utf-8", "replace"), 6)
    prior = _prior(entry, distribution)
    row = (entry.name, entry.kind, entry.signature, doc, entry.file, entry.line, json.dumps(entry.bases))
    done = database.execute(
        "INSERT INTO entry (name, kind, signature, doc, file, line, bases, package, prior) VALUES (?,?,?,?,?,?,?,?,?)",
        (*row, distribution.name, prior),
    )
    for path in (entry.name, *aliases):
        database.execute("INSERT OR IGNORE INTO path VALUES (?, ?)", (path, done.lastrowid))
    head, _, body = entry.doc.partition("\n\n")
    name = entry.name.partition(".")[2] or entry.name
    leaf = name.rpartition(".")[2]
    database.execute(
        "INSERT INTO text (rowid, name, parameters, head, body) VALUES (?, ?, ?, ?, ?)",
        (
            done.lastrowid,
            " ".join([*words(name), leaf]),
            _once([*words(entry.signature), *identifiers(entry.signature)]),
            _once(words(head[:_HEAD])),
            _once([*words(body[:_BODY]), *identifiers(body[:_BODY])]),
        ),
    )


def _once(found: Iterable[str]) -> str:
    """Write each word once: else the ranking would count a long documentation against what it documents."""
    return " ".join(dict.fromkeys(found))


def _prior(entry: Entry, distribution: Distribution) -> float:
    """Say how likely somebody looks for this, in the units of the ranking; chosen on the questions of the benchmark."""
    depth = entry.name.count(".") - (entry.kind in {"method", "property"})
    return (
        -0.8 * max(depth - 1, 0)
        - (5.0 if not entry.doc else 0.0)
        - {"attribute": 5.0, "property": 4.0, "method": 3.0, "module": 1.0}.get(entry.kind, 0.0)
        # one network of hundreds; those that are asked for by name are found nevertheless
        - (5.0 if "/models/" in entry.file and "/models/auto/" not in entry.file else 0.0)
        - (0.0 if distribution.is_asked_for else 2.0)
        - (8.0 if "._" in entry.name else 0.0)
    )
