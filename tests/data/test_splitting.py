"""The assignment of rows to parts depends on contents and seed alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_intern.data.workers.splitting import Assignment, Row, assign


def rows_of(count: int, *, classes: int = 2, official: str = "search", start: int = 0) -> list[Row]:
    contents = [str(n).encode() for n in range(start, start + count)]
    return [
        Row(inputs=content, whole=content + b"!", stratum=n % classes, official=official)
        for n, content in enumerate(contents)
    ]


def contents(assignment: Assignment, rows: list[Row]) -> dict[str, list[bytes]]:
    return {part: [rows[n].whole for n in members] for part, members in assignment.parts.items()}


def split(rows: list[Row], seed: int = 0) -> Assignment:
    return assign(rows, final=0.2, selection=0.1, seed=seed)


def test_every_class_gives_the_same_share_to_the_final_part() -> None:
    rows = rows_of(300, classes=3)

    assignment = split(rows)

    assert {part: len(members) for part, members in assignment.parts.items()} == {
        "search": 216,
        "selection": 24,
        "final": 60,
    }
    assert Counter(rows[n].stratum for n in assignment.parts["final"]) == {0: 20, 1: 20, 2: 20}


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(random: Random) -> None:
    rows = rows_of(40)
    shuffled = rows.copy()
    random.shuffle(shuffled)

    assert contents(split(shuffled), shuffled) == contents(split(rows), rows)


def test_another_seed_gives_another_final_part() -> None:
    rows = rows_of(100)

    assert set(split(rows, seed=1).parts["final"]) != set(split(rows, seed=0).parts["final"])


def test_parts_are_shuffled_across_classes() -> None:
    rows = sorted(rows_of(100), key=lambda row: row.stratum)

    strata = [rows[n].stratum for n in split(rows).parts["search"]]

    assert strata != sorted(strata)


def test_official_splits_stay_what_they_are() -> None:
    rows = [
        *rows_of(50),
        *rows_of(10, official="selection", start=100),
        *rows_of(10, official="final", start=200),
    ]

    assignment = split(rows)

    assert sorted(assignment.parts["search"]) == list(range(50))
    assert sorted(assignment.parts["selection"]) == list(range(50, 60))
    assert sorted(assignment.parts["final"]) == list(range(60, 70))


@pytest.mark.parametrize("official", ["search", "selection"])
def test_a_row_with_the_inputs_of_a_final_row_is_left_out_and_counted(official: str) -> None:
    final = rows_of(10, official="final", start=200)
    twin = replace(final[0], official=official, whole=b"another target")
    rows = [*rows_of(50), *rows_of(10, official="selection", start=100), *final, twin]

    assignment = split(rows)

    assert assignment.removed["repeats_final"] == [len(rows) - 1]
    assert all(len(rows) - 1 not in members for members in assignment.parts.values())


def test_a_row_with_the_inputs_of_a_selection_row_is_left_out_of_search() -> None:
    selection = rows_of(10, official="selection", start=100)
    rows = [*rows_of(50), *selection, replace(selection[0], official="search")]

    assignment = split(rows)

    assert assignment.removed["repeats_selection"] == [len(rows) - 1]
    assert len(rows) - 1 not in assignment.parts["search"]


@given(st.lists(st.integers(0, 8), min_size=3, max_size=60), st.integers(0, 3))
def test_no_inputs_are_ever_in_two_parts(values: list[int], seed: int) -> None:
    rows = [
        Row(inputs=bytes([value]), whole=bytes([value, n % 2]), stratum=n % 2, official="search")
        for n, value in enumerate(values)
    ]

    parts = split(rows, seed).parts

    held = [{rows[n].inputs for n in members} for members in parts.values()]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]


def test_the_order_of_the_rows_says_nothing_of_their_labels() -> None:
    rows = rows_of(200)
    relabelled = [replace(row, whole=row.inputs + b"another target") for row in rows]

    assert split(relabelled).parts == split(rows).parts


def test_the_final_part_gets_as_many_rows_as_the_floor_says() -> None:
    assignment = assign(rows_of(500), final=0.01, selection=0.1, seed=0, floor=100)

    assert len(assignment.parts["final"]) == 100


def grouped(groups: int, size: int, *, official: str = "search", start: int = 0) -> list[Row]:
    rows = rows_of(groups * size, official=official, start=start)
    return [replace(row, group=f"g{start + n // size}") for n, row in enumerate(rows)]


@given(st.integers(3, 30), st.integers(1, 9))
def test_a_group_is_never_in_two_parts_and_no_row_is_lost(groups: int, size: int) -> None:
    rows = grouped(groups, size)

    parts = assign(rows, final=0.2, selection=0.1, seed=0, by="group").parts

    held = [{rows[n].group for n in members} for members in parts.values()]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    assert sum(map(len, parts.values())) == len(rows)
    assert all(parts.values())


def test_a_split_by_groups_still_gives_each_class_about_its_share() -> None:
    rows = grouped(100, 7)

    parts = assign(rows, final=0.2, selection=0.1, seed=0, by="group").parts

    counted = Counter(rows[n].stratum for n in parts["final"])
    assert all(abs(count - 70) <= 7 for count in counted.values())


def test_rows_of_an_official_search_part_that_share_a_group_with_a_final_row_are_left_out() -> None:
    rows = [*grouped(10, 5), *grouped(2, 5, official="final", start=100)]
    rows[0] = replace(rows[0], group="g100")

    assignment = assign(rows, final=0.2, selection=0.1, seed=0, by="group")

    assert assignment.removed["group_of_final"] == [0]


def test_the_latest_rows_become_final_and_those_before_them_selection() -> None:
    rows = [replace(row, moment=float(n)) for n, row in enumerate(rows_of(100))]

    parts = assign(rows, final=0.2, selection=0.1, seed=0, by="time").parts

    assert sorted(parts["final"]) == list(range(80, 100))
    assert sorted(parts["selection"]) == list(range(72, 80))
    assert sorted(parts["search"]) == list(range(72))


def test_rows_of_one_moment_stay_in_one_part() -> None:
    rows = [replace(row, moment=float(n // 10)) for n, row in enumerate(rows_of(100))]

    parts = assign(rows, final=0.25, selection=0.1, seed=0, by="time").parts

    assert sorted(parts["final"]) == list(range(70, 100))
