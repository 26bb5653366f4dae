"""Look for final rows in what a training has read: the files it opened, and the sources that it ran."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# Behind the standard library, so that no module here can take the place of one there.
sys.path.append(str(Path(__file__).parent))

from channel import serve
from columns import is_prose
from datasets import Dataset
from reading import READ_ERRORS, fingerprint, image_bytes, kinds_of, rows_of
from similar import MOST, similar_images, similar_texts

SHOWN = 5
FEWEST_WORDS = 5
"""Words of a text that are no chance in a source."""
FEWEST_NUMBERS = 2
MOST_TEXT = 16 << 20
"""Bytes of sources that are read."""
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|-?\.\d+")


def recheck(request: dict) -> dict:
    """Compare the final inputs with files that were read and with sources; name the first rows of each kind."""
    final = _load(request["final"])
    columns = final.column_names
    kinds = kinds_of(final, columns)
    own = {fingerprint(row, kinds): place for place, row in reversed(list(enumerate(rows_of(final, columns))))}
    equal, near = [], []
    for file in request["read"]:
        read, name = _load(file), Path(file).stem
        seen = [fingerprint(row, kinds) for row in rows_of(read.select_columns(columns), columns)]
        same = {place: own[key] for place, key in enumerate(seen) if key in own}
        equal += [f"{name}[{place}] is final[{of}]" for place, of in same.items()]
        alike = _alike(final, read, kinds)
        near += [f"{name}[{place}] like final[{of}]" for place, of in alike.items() if place not in same]
    written = list(_written(final, kinds, Path(request["sources"]))) if request.get("sources") else []
    return {"rows": len(final), **_told("equal", equal), **_told("near", near), **_told("written", written)}


def _told(kind: str, found: Sequence[str]) -> dict:
    return {kind: len(found), f"{kind}_rows": list(found[:SHOWN])}


def _load(file: str) -> Dataset:
    return Dataset.from_parquet(file)


def _alike(final: Dataset, read: Dataset, kinds: dict[str, str]) -> dict[int, int]:
    """Give places of `read` that are almost like a final row; none for a table of values."""
    names = list(kinds)
    if set(kinds.values()) == {"image"} and len(names) == 1:
        images = [[image_bytes(row[names[0]]) or b"" for row in _first(rows, names)] for rows in (final, read)]
        return similar_images(*images).pairs
    if set(kinds.values()) == {"text"} and all(is_prose(final, name) for name in names):
        texts = [["\n".join(str(row[name]) for name in names) for row in _first(rows, names)] for rows in (final, read)]
        return similar_texts(*texts).pairs
    return {}


def _first(rows: Dataset, names: list[str]) -> Iterator[dict]:
    return rows_of(rows.select(range(min(MOST, len(rows)))), names)


def _written(final: Dataset, kinds: dict[str, str], folder: Path) -> Iterator[str]:
    """Name final rows whose text, or whose numbers one behind the other, stand in a source."""
    texts = [name for name, of in kinds.items() if of == "text"]
    numbers = [name for name, of in kinds.items() if of in {"integer", "number"}]
    for file, content in _sources(folder) if texts or numbers else ():
        words = _spaced(content)
        listed = _listed(content, len(numbers)) if len(numbers) >= FEWEST_NUMBERS else set()
        for place, row in enumerate(rows_of(final, [*texts, *numbers])):
            said = [_spaced(str(row[name])) for name in texts]
            is_text = any(own.count(" ") > FEWEST_WORDS and own in words for own in said)
            given = tuple(row[name] for name in numbers)
            if is_text or (None not in given and given in listed):
                yield f"{file} holds final[{place}]"


def _spaced(content: str) -> str:
    """Give the words alone, a space before and behind each."""
    return "".join(f" {word}" for word in re.findall(r"[^\W_]+", content.casefold())) + " "


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    left = MOST_TEXT
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        content = file.read_bytes()[:left]
        left -= len(content)
        yield file.relative_to(folder).as_posix(), content.decode("utf-8", "replace")


def _listed(content: str, size: int) -> set[tuple[float, ...]]:
    """Give every `size` numbers of a source that stand one behind the other; whole numbers alone say nothing."""
    values = [float(found) for found in _NUMBER.findall(content)]
    runs = (tuple(values[start : start + size]) for start in range(len(values) - size + 1))
    return {run for run in runs if sum(value != int(value) for value in run if abs(value) < 1e15) >= FEWEST_NUMBERS}


if __name__ == "__main__":
    serve(recheck, *READ_ERRORS)
