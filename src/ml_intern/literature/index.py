"""Find passages by words: one SQLite file with a full-text index over all papers that were read."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ml_intern.core.errors import ConfigError
from ml_intern.literature import vectors
from ml_intern.literature.chunks import Passage, PassageKind
from ml_intern.literature.embedding import Embedder

_FORM = 1
"""Of the tables; another form is another file."""
HEADING_WEIGHT = 2.0
"""What a word in a heading counts, against 1 in the text."""
VECTOR_WEIGHT = 0.5
"""What a rank by vectors counts, against 1 by words (docs/design/0007)."""
RANK_CONSTANT = 20
"""Of reciprocal rank fusion (Cormack 2009), small since lists are short."""
_GREEK = {chr(code): unicodedata.name(chr(code)).split()[-1].lower() for code in range(0x3B1, 0x3CA)}
_COMMAND = re.compile(
    r"\\(?:text|mathrm|mathbf|mathit|textbf|operatorname|left|right|bm|mathcal|mathbb|displaystyle)\b\*?"
)
_STOP = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "does", "for", "from", "has", "have", "how", "in", "is",
    "it", "its", "of", "on", "or", "that", "the", "their", "this", "to", "was", "were", "what", "when", "where",
    "which", "who", "why", "with", "used", "use", "using",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found, and in which paper; the best has the highest `score`."""

    paper: str
    passage: Passage
    score: float


class Index:
    """Passages by paper. Kept for good: a version of a paper never changes.

    With an `embedder` passages are ranked by their vectors as well, which count half of what words do.
    """

    def __init__(self, folder: Path, embedder: Callable[[], Embedder] | None = None) -> None:
        self._file = folder / f"passages-{_FORM}.db"
        self._embedder = embedder
        self._lock = Lock()
        self._kept: _Kept | None = None

    def has(self, paper: str) -> bool:
        """Whether `paper` (identifier with version) is in it."""
        if not self._file.exists():
            return False
        with self._open() as database:
            return database.execute("SELECT 1 FROM passages WHERE paper = ? LIMIT 1", (paper,)).fetchone() is not None

    def papers(self) -> tuple[str, ...]:
        """Give all papers in it."""
        if not self._file.exists():
            return ()
        with self._open() as database:
            return tuple(row[0] for row in database.execute("SELECT DISTINCT paper FROM passages ORDER BY paper"))

    def add(self, paper: str, found: Sequence[Passage]) -> None:
        """Put the passages of a paper in, in place of those it had.

        Raises:
            ConfigError: the file cannot be written.
        """
        with self._open() as database, database:
            database.execute("DELETE FROM words WHERE rowid IN (SELECT rowid FROM passages WHERE paper = ?)", (paper,))
            vectors.forget(database, paper)
            database.execute("DELETE FROM passages WHERE paper = ?", (paper,))
            for passage in found:
                row = database.execute(
                    "INSERT INTO passages (paper, anchor, path, kind, page, text) VALUES (?, ?, ?, ?, ?, ?)",
                    (paper, passage.anchor, "\n".join(passage.path), passage.kind, passage.page, passage.text),
                ).lastrowid
                database.execute(
                    "INSERT INTO words (rowid, heading, body) VALUES (?, ?, ?)",
                    (row, searchable(" ".join(passage.path)), searchable(passage.text)),
                )

    def find(self, questions: Sequence[str], *, papers: Sequence[str] = (), limit: int = 5) -> tuple[Hit, ...]:
        """Give the best passages for a question asked in one or more ways; `papers` empty means all."""
        if not self._file.exists():
            return ()
        with self._open() as database:
            ranked = [(1.0, _ranked(database, question, papers, limit=4 * limit)) for question in questions]
            if self._embedder is not None:
                nearest = vectors.nearest(database, self._embedder(), questions, papers, limit=4 * limit)
                ranked += [(VECTOR_WEIGHT, rows) for rows in nearest]
            scores: dict[int, float] = {}
            for weight, rows in ranked:
                for rank, row in enumerate(rows):
                    scores[row] = scores.get(row, 0.0) + weight / (RANK_CONSTANT + rank)
            best = sorted(scores, key=lambda row: (-scores[row], row))[:limit]
            return tuple(_hit(database, row, scores[row]) for row in best)

    def absent(self, questions: Sequence[str], *, papers: Sequence[str] = ()) -> tuple[str, ...]:
        """Give the words of questions that stand in no passage of `papers`, empty for all; other forms of one count."""
        if not self._file.exists():
            return ()
        with self._open() as database:
            words = _telling("; ".join(questions))
            return tuple(word for word in words if not _matching(database, f'"{word}"', papers, "LIMIT 1"))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            self._forget()

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection()
            except (OSError, sqlite3.Error) as error:
                self._forget()
                raise ConfigError(
                    f"{self._file} cannot be used: {error}; delete it, and papers are indexed anew"
                ) from error

    def _connection(self) -> sqlite3.Connection:
        """Give the connection, which is kept: to open the file takes as long as to find a passage in it."""
        known = self._kept
        if known is not None and known.is_of(self._file):
            return known.database
        self._forget()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._file, timeout=30.0, check_same_thread=False)
        try:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone() is None:
                database.executescript(_TABLES)
            self._kept = _Kept(database, _identity(self._file))
        except (OSError, sqlite3.Error):
            database.close()
            raise
        return database

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.database.close()
        self._kept = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """An open connection, and which file it is of: one that was deleted or replaced must be opened anew."""

    database: sqlite3.Connection
    identity: tuple[int, int]

    def is_of(self, file: Path) -> bool:
        return file.exists() and _identity(file) == self.identity


def _identity(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino


_TABLES = """
CREATE TABLE IF NOT EXISTS passages (
  paper TEXT NOT NULL, anchor TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, page INTEGER, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_of_paper ON passages (paper);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (heading, body, tokenize = 'porter unicode61');
"""


def _ranked(database: sqlite3.Connection, question: str, papers: Sequence[str], *, limit: int) -> list[int]:
    """Ask for any of the words; the more of them a passage has, and the rarer they are, the higher it ranks."""
    words = " OR ".join(f'"{word}"' for word in _telling(question))
    if not words:
        return []
    return _matching(database, words, papers, "ORDER BY bm25(words, ?, 1.0) LIMIT ?", HEADING_WEIGHT, limit)


def _matching(database: sqlite3.Connection, words: str, papers: Sequence[str], which: str, *values: float) -> list[int]:
    places = f"AND passages.paper IN ({', '.join('?' * len(papers))})" if papers else ""
    rows = database.execute(
        "SELECT words.rowid FROM words JOIN passages ON passages.rowid = words.rowid"
        f" WHERE words MATCH ? {places} {which}",
        (words, *papers, *values),
    )
    return [int(row[0]) for row in rows]


def _telling(question: str) -> list[str]:
    """Give the words of a question that say what it is about, each once."""
    return list(dict.fromkeys(word for word in re.findall(r"[^\W_]+", searchable(question)) if word not in _STOP))


def searchable(text: str) -> str:
    """Write text as people ask for it: Greek letters by name, no LaTeX commands for looks, the sign of times as x."""
    plain = unicodedata.normalize("NFKC", text)
    plain = (
        _COMMAND.sub(" ", plain).replace("\\times", "x").replace("\N{MULTIPLICATION SIGN}", "x").replace("\\var", "\\")
    )
    plain = re.sub(r"(?<=\d)\s*x\s*(?=\d)", "x", plain)
    return "".join(f" {_GREEK[c]} " if c in _GREEK else c for c in re.sub(r"[\\{}^$_|*]", " ", plain.lower()))


def _hit(database: sqlite3.Connection, row: int, score: float) -> Hit:
    paper, anchor, path, kind, page, text = database.execute(
        "SELECT paper, anchor, path, kind, page, text FROM passages WHERE rowid = ?", (row,)
    ).fetchone()
    known: PassageKind = "table" if kind == "table" else "text"
    names = tuple(path.split("\n")) if path else ()
    return Hit(paper=paper, passage=Passage(anchor=anchor, path=names, kind=known, text=text, page=page), score=score)
