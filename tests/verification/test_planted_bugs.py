"""The lists of planted bugs: they fit the programs they are planted in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from planted_bugs import BUGS, RIGHT, bugs, write

from ml_intern.verification.corpus import programs

_OTHERS = ("blind", "fresh", "newcomers", "strangers")
_CORPORA = pytest.mark.parametrize(
    ("listing", "right"),
    [(BUGS, RIGHT), *((BUGS.parent / name / "bugs.json", BUGS.parent / name / "correct") for name in _OTHERS)],
    ids=["own", *_OTHERS],
)


@_CORPORA
def test_sixty_bugs_in_more_than_ten_programs_are_written_beside_their_right_twins(
    listing: Path, right: Path, tmp_path: Path
) -> None:
    count = write(tmp_path, listing=listing, programs=right)

    found = programs([tmp_path])
    broken = [program for program in found if program.is_broken]
    assert (count, len(broken)) == (60, 60)
    assert len(found) - len(broken) == len({bug.program for bug in bugs(listing)}) >= 10
    assert all(program.bug for program in broken)


@_CORPORA
def test_each_planted_bug_is_still_a_program(listing: Path, right: Path) -> None:
    for bug in bugs(listing):
        ast.parse(bug.planted(right))
