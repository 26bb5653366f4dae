"""Keep the vectors of passages beside them, and rank passages by them."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence

from ml_intern.literature.embedding import Embedder, likeness

_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (passage INTEGER NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
  PRIMARY KEY (passage, model));
"""


def nearest(
    database: sqlite3.Connection, embedder: Embedder, questions: Sequence[str], papers: Sequence[str], *, limit: int
) -> list[list[int]]:
    """Give for each question the rows of the passages most like it; vectors that are missing are made and kept."""
    with database:
        database.execute(_TABLE)
        _complete(database, embedder, papers)
    places, values = _where(papers)
    kept = database.execute(
        "SELECT vectors.passage, vectors.vector FROM vectors JOIN passages ON passages.rowid = vectors.passage"
        f" WHERE vectors.model = ? {places}",
        (embedder.name, *values),
    ).fetchall()
    known = [(int(row), array("f", vector)) for row, vector in kept]
    ranked: list[list[int]] = []
    for question in embedder.embed(questions):
        best = sorted(((likeness(question, vector), row) for row, vector in known), reverse=True)
        ranked.append([row for _, row in best[:limit]])
    return ranked


def _complete(database: sqlite3.Connection, embedder: Embedder, papers: Sequence[str]) -> None:
    places, values = _where(papers)
    missing = database.execute(
        "SELECT passages.rowid, passages.text FROM passages WHERE NOT EXISTS"
        f" (SELECT 1 FROM vectors WHERE vectors.passage = passages.rowid AND vectors.model = ?) {places}",
        (embedder.name, *values),
    ).fetchall()
    # headings stay out: pasted into a text they make all passages of a section alike
    made = embedder.embed([text for _, text in missing]) if missing else []
    database.executemany(
        "INSERT INTO vectors (passage, model, vector) VALUES (?, ?, ?)",
        [(row, embedder.name, array("f", vector).tobytes()) for (row, _), vector in zip(missing, made, strict=True)],
    )


def _where(papers: Sequence[str]) -> tuple[str, Sequence[str]]:
    return (f"AND passages.paper IN ({', '.join('?' * len(papers))})", papers) if papers else ("", ())


def forget(database: sqlite3.Connection, paper: str) -> None:
    """Drop the vectors of a paper whose passages are replaced."""
    database.execute(_TABLE)
    database.execute("DELETE FROM vectors WHERE passage IN (SELECT rowid FROM passages WHERE paper = ?)", (paper,))
