"""Parts that share rows, and columns that give the target away, are found before anybody trains on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from data.inside import run_inside
from data.samples import write_csv
from data.test_prepare import Bench
from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.data.jobs import WORKERS
from ml_intern.data.prepare import PrepareRequest, render

pytestmark = pytest.mark.sandbox

WORDS = [
    f"{a}{b}{c}" for a in ("ba", "ke", "li", "mo", "nu") for b in ("ra", "te", "vi", "zo") for c in ("n", "s", "l", "x")
]


@pytest.fixture
def bench(backend: SandboxBackend, tmp_path: Path) -> Bench:
    return Bench(backend, tmp_path / "run")


def found(fact: DatasetPrepared) -> list[tuple[str, str, int]]:
    return [(finding.check, finding.outcome, finding.rows) for finding in fact.findings]


def measurements(rows: int, *, seed: int = 0) -> list[tuple[float, float, float, str]]:
    """Three numbers and a class that two of them tell most of the time."""
    chance = random.Random(seed)
    made: list[tuple[float, float, float, str]] = []
    for n in range(rows):
        is_sick = n % 2 == 0
        a, b, c = (chance.gauss(shift, 1.0) for shift in (1.0 * is_sick, 0.8 * is_sick, 0.0))
        made.append((a, b, c, "sick" if is_sick else "well"))
    return made


def texts(rows: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of 14 words, a fifth of them more frequent in their class."""
    chance = random.Random(seed)
    made: list[tuple[str, str]] = []
    for n in range(rows):
        name = ("good", "bad")[n % 2]
        own = WORDS[:15] if name == "good" else WORDS[15:30]
        made.append((" ".join(chance.choice(own if chance.random() < 0.2 else WORDS) for _ in range(14)), name))
    return made


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer", "diabetes"])
def test_clean_data_raise_no_alarm(name: str, bench: Bench) -> None:
    fact = bench.prepare(f"sklearn/{name}").fact

    assert (found(fact), dict(fact.removed)) == ([], {})


def test_clean_tables_and_texts_raise_no_alarm(bench: Bench, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t" / "rows.csv", ["a", "b", "c", "label"], measurements(400))
    prose = write_csv(tmp_path / "p" / "rows.csv", ["text", "label"], texts(400))
    forms = [(f"please send article number {n} to the usual address by tomorrow", "ab"[n % 2]) for n in range(200)]
    letters = write_csv(tmp_path / "l" / "rows.csv", ["text", "label"], forms)

    assert found(bench.prepare(str(table)).fact) == []
    assert found(bench.prepare(str(prose)).fact) == []
    alike = bench.prepare(str(letters)).fact
    assert ("near_duplicates", "removed") not in [(check, outcome) for check, outcome, _ in found(alike)]
    assert sum(alike.rows.values()) == 200


def with_leak(values: Sequence[object]) -> list[tuple[object, ...]]:
    return [(*row[:3], value, row[3]) for row, value in zip(measurements(len(values)), values, strict=True)]


LEAKS: dict[str, list[object]] = {
    "a copy": [1 - n % 2 for n in range(400)],
    "a code": [("A1", "A7", "K3", "K9")[n % 4] for n in range(400)],
    "a noisy copy": [(1 - n % 2) + random.Random(n).gauss(0, 0.05) for n in range(400)],
}


@pytest.mark.parametrize("values", LEAKS.values(), ids=LEAKS)
def test_a_column_that_gives_the_class_away_is_refused_by_its_name(
    values: list[object], bench: Bench, tmp_path: Path
) -> None:
    header = ["a", "b", "c", "outcome_code", "label"]
    file = write_csv(tmp_path / "d" / "rows.csv", header, with_leak(values))

    with pytest.raises(ToolError, match="label_in_column: column 'outcome_code' alone tells the target") as refused:
        bench.prepare(str(file))

    assert "Leave 'outcome_code' out of `inputs`" in str(refused.value)
    without = bench.prepare(str(file), PrepareRequest(inputs=("a", "b", "c"), target="label")).fact
    assert found(without) == []
    allowed = bench.prepare(str(file), PrepareRequest(allow={"label_in_column": "known before"})).fact
    assert found(allowed) == [("label_in_column", "allowed", 400)]


BOUND = """
import sys
sys.path.append("/workers")
import numpy as np
import leaks
chance = np.random.default_rng(0)
exceeded, spared = 0, 0
for turn in range(200):
    truth = chance.integers(0, 2 + turn % 4, 60 + turn)
    noise = chance.normal(0, 10 ** chance.uniform(-2, 1), len(truth))
    column = (truth + noise).round(1 + turn % 3)
    most = leaks._bound(column, truth, 4 * len(set(truth)))
    exceeded += leaks._by_stump(column, truth, 4 * len(set(truth))) > most
    spared += most < leaks._NEAR_ONE
report([int(exceeded), int(spared)])
"""


def test_no_tree_is_better_than_the_bound_that_spares_growing_it(bench: Bench, tmp_path: Path) -> None:
    workers = Mount(source=WORKERS, target="/workers")

    exceeded, spared = cast("list[int]", run_inside(bench.backend, BOUND, workers, directory=tmp_path / "bound"))

    assert exceeded == 0
    assert 40 < spared < 160


def test_a_column_that_is_the_target_in_other_units_is_refused_in_a_regression(bench: Bench, tmp_path: Path) -> None:
    rows = [(a, b, 2.54 * (3 * a + b + c), 3 * a + b + c) for a, b, c, _ in measurements(300)]
    file = write_csv(tmp_path / "d" / "rows.csv", ["a", "b", "inches", "y"], rows)

    with pytest.raises(ToolError, match="column 'inches' alone tells the target"):
        bench.prepare(str(file), PrepareRequest(target="y"))


@pytest.mark.parametrize(
    ("column", "form"), [("text", "{text} [label: {label}]"), ("path", "/data/{label}/{n}.png")], ids=["mark", "name"]
)
def test_a_text_that_names_the_class_of_its_row_is_refused(
    column: str, form: str, bench: Bench, tmp_path: Path
) -> None:
    rows = [(form.format(text=text, label=label, n=n), label) for n, (text, label) in enumerate(texts(100))]
    file = write_csv(tmp_path / "d" / "rows.csv", [column, "label"], rows)

    with pytest.raises(ToolError, match=f"label_in_text: the text of '{column}' names the row's own class"):
        bench.prepare(str(file), PrepareRequest(inputs=(column,), target="label"))


def test_reworded_texts_of_an_official_test_are_left_out_of_search_and_named(bench: Bench, tmp_path: Path) -> None:
    rows = texts(300)
    held = rows[:80]
    reworded = [(f"{text.upper().replace(' ', ', ', 3)}!", label) for text, label in held[:8]]
    changed = [(" ".join([*text.split()[:6], "anew", *text.split()[7:]]), label) for text, label in held[8:14]]
    write_csv(tmp_path / "d" / "train.csv", ["text", "label"], [*rows[80:], *reworded, *changed])
    write_csv(tmp_path / "d" / "test.csv", ["text", "label"], held)

    prepared = bench.prepare(str(tmp_path / "d"))

    assert found(prepared.fact) == [("near_duplicates", "removed", 14)]
    assert sum(prepared.fact.rows.values()) == 300
    assert "train[2" in prepared.fact.findings[0].detail
    assert "Check near_duplicates, removed: 14 rows" in render(prepared)


MAKE_IMAGES = """
import os, random
from PIL import Image, ImageDraw
for name in ("round", "square"):
    os.makedirs(f"/made/train/{name}"), os.makedirs(f"/made/test/{name}")
for n in range(80):
    chance = random.Random(n)
    image = Image.new("RGB", (48, 48), tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = chance.randrange(48), chance.randrange(48)
        box = (x, y, x + chance.randrange(6, 30), y + chance.randrange(6, 30))
        shape = draw.ellipse if n % 2 else draw.rectangle
        shape(box, fill=tuple(chance.randrange(256) for _ in range(3)))
    name = "round" if n % 2 else "square"
    image.save(f"/made/{'test' if n < 20 else 'train'}/{name}/{n:03}.png")
    if n < 6:
        image.resize((64, 64)).save(f"/made/train/{name}/copy-{n}.jpg", quality=70)
    if 6 <= n < 9:
        image.point(lambda level: min(255, level * 0.8 + 30)).save(f"/made/train/{name}/copy-{n}.png")
report("made")
"""


def test_images_encoded_anew_are_left_out_of_search_and_named(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    target = Mount(source=folder, target="/made", writable=True)
    run_inside(bench.backend, MAKE_IMAGES, target, directory=tmp_path / "make")

    fact = bench.prepare(str(folder)).fact

    assert found(fact) == [("near_duplicates", "removed", 9)]
    assert sum(fact.rows.values()) == 80


def test_rows_that_belong_together_stay_together_without_being_told(bench: Bench, tmp_path: Path) -> None:
    rows = [(f"p{n % 40}", *row) for n, row in enumerate(measurements(400))]
    file = write_csv(tmp_path / "d" / "rows.csv", ["patient_id", "a", "b", "c", "label"], rows)

    fact = bench.prepare(str(file)).fact

    assert fact.split == "by seed, grouped by patient_id"
    assert [column.name for column in fact.inputs] == ["a", "b", "c"]
    assert all(count % 10 == 0 for count in fact.rows.values())


def test_official_parts_that_share_a_group_lose_those_rows_of_search(bench: Bench, tmp_path: Path) -> None:
    rows = [(f"p{n % 60}", *row) for n, row in enumerate(measurements(480))]
    train = [row for n, row in enumerate(rows) if n % 60 < 48]
    test = [row for n, row in enumerate(rows) if n % 60 >= 48]
    header = ["patient", "a", "b", "c", "label"]
    write_csv(tmp_path / "d" / "train.csv", header, [*train, *test[:5]])
    write_csv(tmp_path / "d" / "test.csv", header, test[5:])

    fact = bench.prepare(str(tmp_path / "d")).fact

    assert fact.removed == {"group_of_final": 5}
    assert fact.split == "official, grouped by patient"


def test_a_named_time_makes_the_latest_rows_final(bench: Bench, tmp_path: Path) -> None:
    rows = [(f"2024-{1 + n // 30:02}-{1 + n % 30:02}", *row) for n, row in enumerate(measurements(330)) if n != 59]
    file = write_csv(tmp_path / "d" / "rows.csv", ["date", "a", "b", "c", "label"], rows)

    plain = bench.prepare(str(file))
    fact = bench.prepare(str(file), PrepareRequest(time="date")).fact

    assert "'date' may be a time" in render(plain)
    assert fact.split == "by seed, by date"
    assert fact.rows["final"] == round(0.2 * sum(fact.rows.values()))


def test_parts_that_are_mostly_the_same_rows_are_refused_and_the_rows_named(bench: Bench, tmp_path: Path) -> None:
    rows = measurements(200)
    write_csv(tmp_path / "d" / "train.csv", ["a", "b", "c", "label"], rows)
    write_csv(tmp_path / "d" / "test.csv", ["a", "b", "c", "label"], rows[:150])

    with pytest.raises(ToolError, match=r"parts_overlap: 150 of 200 rows .*train\["):
        bench.prepare(str(tmp_path / "d"))

    allowed = bench.prepare(str(tmp_path / "d"), PrepareRequest(allow={"parts_overlap": "small on purpose"})).fact
    assert (found(allowed), allowed.removed) == ([("parts_overlap", "allowed", 150)], {"repeats_final": 150})


def test_a_final_part_too_small_for_a_useful_interval_is_raised_and_said(bench: Bench, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "d" / "rows.csv", ["a", "b", "c", "label"], measurements(600))

    fact = bench.prepare(str(file), PrepareRequest(final_fraction=0.01)).fact

    assert fact.rows["final"] == 100
    assert found(fact) == [("small_final", "raised", 100)]
