"""Before publishing, the final rows are looked for in what the training has read and in what it ran."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data.samples import write_csv
from ml_intern.config import Settings
from ml_intern.core.facts import FileRead
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.data.jobs import Desk
from ml_intern.data.prepare import Destination, PrepareRequest, prepare
from ml_intern.data.recheck import Met, files_read, judge, recheck
from ml_intern.data.source import resolve
from publishing.samples import TRAINED

CLEAN = Met(rows=100, equal=0, equal_rows=(), near=0, near_rows=(), written=0, written_rows=())
TEXTS = [f"the {a} {b} went to the {c} and said nothing of {n}" for n, (a, b, c) in enumerate(
    [(a, b, c) for a in ("old", "young", "grey", "tall", "wise") for b in ("fox", "hen", "cow", "owl", "cat")
     for c in ("barn", "river", "hill", "market")])]  # fmt: skip


def test_what_preparation_leaves_out_is_refused_and_an_example_in_a_comment_is_told() -> None:
    def refuses(**found: int) -> list[bool]:
        return [one.refuses for one in judge(replace(CLEAN, **found))]  # type: ignore[arg-type]

    assert refuses() == []
    assert refuses(equal=1) == [True]
    assert refuses(near=2, written=3) == [False, False]
    assert refuses(near=9, written=9) == [True, True]


def test_the_rows_are_named() -> None:
    (found,) = judge(replace(CLEAN, equal=2, equal_rows=("search[3] is final[0]",)))

    assert found.detail == "2 of 100 final rows were read in training: search[3] is final[0] …."


def test_a_part_that_the_witness_saw_untouched_was_not_read(tmp_path: Path) -> None:
    for name in ("search", "selection"):
        (tmp_path / f"{name}.parquet").write_bytes(b"")
    untouched = FileRead(name="selection.parquet", bytes=1, opened=0, read=0)

    assert files_read(TRAINED, tmp_path) == ["search.parquet", "selection.parquet"]
    assert files_read(replace(TRAINED, read=(untouched,)), tmp_path) == ["search.parquet"]


@pytest.mark.sandbox
@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_final_rows_are_found_in_files_and_in_sources(kind: str, tmp_path: Path, backend: SandboxBackend) -> None:
    table = tmp_path / "data" / "rows.csv"
    if kind == "numbers":
        write_csv(table, ["a", "b", "y"], [(n / 7 + 0.01, n * n / 11 + 0.01, n % 2) for n in range(100)])
    else:
        write_csv(table, ["text", "y"], [(text, n % 2) for n, text in enumerate(TEXTS)])
    desk = Desk(backend=backend, run="test", directory=tmp_path / "prepare")
    parts = Destination(visible=tmp_path / "visible", hidden=tmp_path / "hidden")
    source = resolve(str(table), Settings(home=tmp_path / "home"))
    rows = prepare(desk, source, PrepareRequest(target="y"), parts).fact.rows["final"]
    sources = tmp_path / "sources"
    sources.mkdir()

    def met(name: str) -> Met:
        again = replace(desk, directory=tmp_path / name)
        return recheck(again, TRAINED, visible=parts.visible, hidden=parts.hidden, source=sources)

    (sources / "train.py").write_text("rate = 0.5\nfor n in range(100, 200): print(n, 0.25, 'the old fox went')\n")
    assert met("clean") == replace(CLEAN, rows=rows)
    with table.open(encoding="utf-8", newline="") as stream:
        held = [row[:-1] for row in list(csv.reader(stream))[1:]]
    (sources / "rows.py").write_text("ROWS = [" + ", ".join(str(tuple(row)) for row in held) + "]\n", "utf-8")
    shutil.copyfile(parts.hidden / "inputs" / "final.parquet", parts.visible / "search.parquet")
    found = met("contaminated")
    assert (found.equal, found.written) == (rows, rows)
    assert found.equal_rows[0] == "search[0] is final[0]"
    assert found.written_rows[0] == "rows.py holds final[0]"
