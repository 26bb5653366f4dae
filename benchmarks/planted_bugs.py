"""Write programs with one bug each, and their right twins, for `ml-intern bench verification DIR`.

python benchmarks/planted_bugs.py DIR [CORPUS]

Each bug of `bugs.json` is a program of tests/verification/right, a name, what is wrong, the text that is replaced and
what replaces it. CORPUS is a folder with a `bugs.json` and right programs of its own in `correct`, such as
benchmarks/blind.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RIGHT = Path(__file__).parents[1] / "tests" / "verification" / "right"
BUGS = Path(__file__).parent / "bugs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One bug: `right` is replaced by `wrong` in `program`, once."""

    program: str
    name: str
    what: str
    right: str
    wrong: str

    def planted(self, programs: Path = RIGHT) -> str:
        """Give the source with the bug, under a header that says what it is.

        Raises:
            ValueError: the program does not have the text exactly once.
        """
        source = (programs / f"{self.program}.py").read_text("utf-8")
        if source.count(self.right) != 1:
            raise ValueError(f"{self.program} has {self.right!r} {source.count(self.right)} times")
        return f"# BUG: {self.what}\n" + source.replace(self.right, self.wrong)


def bugs(listing: Path = BUGS) -> Iterator[Bug]:
    """Give every bug of the list."""
    for program, name, what, right, wrong in json.loads(listing.read_text("utf-8")):
        yield Bug(program=program, name=name, what=what, right=right, wrong=wrong)


def write(folder: Path, *, listing: Path = BUGS, programs: Path = RIGHT) -> int:
    """Write `broken` and `right` below `folder`; give how many are broken."""
    found = tuple(bugs(listing))
    for name in ("broken", "right"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for bug in found:
        (folder / "broken" / f"{bug.program}_{bug.name}.py").write_text(bug.planted(programs), "utf-8")
        shutil.copy(programs / f"{bug.program}.py", folder / "right")
    return len(found)


if __name__ == "__main__":
    folder, *corpora = (Path(argument) for argument in sys.argv[1:])
    count = (
        write(folder, listing=corpora[0] / "bugs.json", programs=corpora[0] / "correct") if corpora else write(folder)
    )
    print(f"{count} broken programs in {folder}")
