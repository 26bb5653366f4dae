"""Search an index, or read one of its entries."""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

from wording import SHORT, asked, words

_PLACES = {"name": 1.0, "parameters head": 0.6, "body": 0.3}
"""What a word counts in the name, in the parameters or the first paragraph, in the rest."""
_CANDIDATES, _MOST_MATCHES = 200, 3_000
_ALIKE = 2
_DEEPEST = 12
_SUMMARY = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry of the index."""

    name: str
    kind: str
    signature: str
    doc: str
    file: str
    line: int
    package: str
    version: str
    bases: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first paragraph of the documentation on one line."""
        first = " ".join(self.doc.partition("\n\n")[0].split())
        return first if len(first) <= _SUMMARY else f"{first[: _SUMMARY - 1]}…"


class Index:
    """One index file, opened to read."""

    def __init__(self, place: Path) -> None:
        self._database = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)
        self._count: int = self._database.execute("SELECT count(*) FROM entry").fetchone()[0]
        names = self._database.execute("SELECT name FROM package")
        self._packages = {name.lower().replace("-", "_") for (name,) in names} | {"sklearn", "pil"}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def entry(self, path: str) -> Row | None:
        """Give the entry of a dotted path: its own, or the one that its class inherits."""
        return self._entry(path, _DEEPEST)

    def _entry(self, path: str, depth: int) -> Row | None:
        found = self._rows("JOIN path ON path.entry = entry.id WHERE path.path = ?", (path,))
        if found or depth == 0:
            return found[0] if found else None
        owner, _, name = path.rpartition(".")
        holder = self._entry(owner, depth - 1) if owner else None
        inherited = (self._entry(f"{base}.{name}", depth - 1) for base in (holder.bases if holder else ()))
        return next((row for row in inherited if row is not None), None)

    def members(self, path: str) -> list[str]:
        """Give the names that are documented one level below a module or a class."""
        low, high = f"{path}.", f"{path}/"  # the character after the dot
        found = self._database.execute("SELECT path FROM path WHERE path > ? AND path < ?", (low, high))
        below = (name[len(low) :] for (name,) in found)
        return sorted(name for name in below if "." not in name)

    def search(self, question: str, limit: int) -> list[Row]:
        """Give the entries that answer best, best first."""
        terms = [word for word in asked(question) if word not in self._packages]
        named = {word for word in words(question) if word in self._packages}
        scores: defaultdict[int, float] = defaultdict(float)
        for term in terms:
            for entry, score in self._matches(term).items():
                scores[entry] += score
        best = nlargest(_CANDIDATES, scores, key=lambda entry: scores[entry])
        found: list[tuple[int, str, float]] = self._database.execute(
            f"SELECT id, name, prior FROM entry WHERE id IN ({','.join(map(str, best))})"
        ).fetchall()
        rated = {
            (entry, name): scores[entry] + prior + _bonus(name, question, terms, named) for entry, name, prior in found
        }
        ranked = sorted(rated, key=lambda key: (-rated[key], key[1]))
        return [row for key in _varied(ranked)[:limit] for row in self._rows("WHERE entry.id = ?", (key[0],))]

    def _matches(self, term: str) -> dict[int, float]:
        """Give the entries with a word, whatever its ending; rare words and good places count more.

        Unlike BM25 nothing is taken off for length: what has a hundred arguments is not worse for it.
        """
        places = {columns: self._with(columns, term) for columns in _PLACES}
        everywhere = max(sum(map(len, places.values())), 1)
        rarity = math.log(1 + self._count / everywhere)
        found: dict[int, float] = {}
        for columns, entries in places.items():
            for entry in entries:
                found.setdefault(entry, rarity * _PLACES[columns])
        return found

    def _with(self, columns: str, term: str) -> list[int]:
        query = f"SELECT rowid FROM text WHERE text MATCH ? LIMIT {_MOST_MATCHES}"
        forms = " OR ".join(f'"{form}"' for form in dict.fromkeys((term, SHORT.get(term, term))))
        return [entry for (entry,) in self._database.execute(query, (f"{{{columns}}} : ({forms})",))]

    def _rows(self, where: str, given: Sequence[object]) -> list[Row]:
        found = self._database.execute(
            "SELECT entry.name, kind, signature, doc, file, line, bases, package, version FROM entry "
            f"JOIN package ON package.name = entry.package {where}",
            tuple(given),
        )
        return [
            Row(
                name=name, kind=kind, signature=signature, doc=zlib.decompress(doc).decode("utf-8"), file=file,
                line=line, bases=tuple(json.loads(bases)), package=package, version=version,
            )
            for name, kind, signature, doc, file, line, bases, package, version in found
        ]  # fmt: skip


def _varied(ranked: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Keep the two best of those that have the same last name: methods of many classes are called alike."""
    seen: Counter[str] = Counter()
    kept: list[tuple[int, str]] = []
    for key in ranked:
        leaf = key[1].rpartition(".")[2].lower()
        seen[leaf] += 1
        if seen[leaf] <= _ALIKE:
            kept.append(key)
    return kept


def _bonus(name: str, question: str, terms: Sequence[str], named: set[str]) -> float:
    """Prefer what the question calls by its identifier, whose name's words it has, and the package that it names."""
    leaf = name.rpartition(".")[2]
    own = words(leaf)
    asked_for = {form for term in terms for form in (term, SHORT.get(term, term))}
    matched = sum(word in asked_for for word in own)
    is_called = leaf.lower() in question.lower().replace(".", " ").split() and (len(own) > 1 or len(terms) == 1)
    is_of_package = bool(named & set(words(name.partition(".")[0])))
    return 6.0 * is_called + 2.0 * matched * matched / max(len(own), 1) + 3.0 * is_of_package
