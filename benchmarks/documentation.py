"""How well the documentation index answers questions as language models ask them.

    python benchmarks/documentation.py [--index FILE] [--misses]

Asks the index of the newest sandbox environment. `tuned` are the questions that the ranking was chosen on, `fresh`
those that were written afterwards. Prints how many are answered by the first and by one of the first five entries, and
the processor time that a question takes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Protocol, cast

from ml_intern.config import Settings
from ml_intern.documentation.index import PROGRAMS
from ml_intern.sandboxes.namespaces import find_python

QUESTIONS = Path(__file__).with_suffix(".json")


class Row(Protocol):
    """An entry of the index."""

    name: str


class Index(Protocol):
    """What answers; it runs in the sandbox otherwise, beside its own modules."""

    def search(self, question: str, limit: int) -> list[Row]:
        """Give the entries that answer best."""
        ...

    def entry(self, path: str) -> Row | None:
        """Give the entry of a dotted path."""
        ...


def open_index(place: Path) -> Index:
    """Open an index file."""
    sys.path.append(str(PROGRAMS))
    return cast("Index", importlib.import_module("lookup").Index(place))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, help="an index file")
    parser.add_argument("--misses", action="store_true", help="print what was not found, and what was instead")
    arguments = parser.parse_args()
    home = Settings.load(os.environ).home
    index = open_index(arguments.index or find_python(home, None) / "share" / "ml-intern" / "docs.sqlite")
    sets: dict[str, list[tuple[str, list[str]]]] = json.loads(QUESTIONS.read_text("utf-8"))
    for name, questions in sets.items():
        first = five = 0
        took: list[float] = []
        for question, accepted in questions:
            begun = time.process_time()
            found = [row.name for row in index.search(question, 5)]
            took.append(time.process_time() - begun)
            wanted = {row.name for row in map(index.entry, accepted) if row is not None}
            first += found[0] in wanted
            five += bool(wanted & set(found))
            if arguments.misses and not wanted & set(found):
                print(f"  {question}: {', '.join(found)}")
        middle = sorted(took)[len(took) // 2] * 1000
        print(f"{name}: {len(questions)} questions, recall@1 {first}, recall@5 {five}, median {middle:.0f} ms")


if __name__ == "__main__":
    main()
