"""Runs that older versions wrote can be read."""

import shutil
from pathlib import Path
from typing import get_args

import pytest

from golden.events import EVENTS, FACTS
from ml_intern.core.events import Event
from ml_intern.core.facts import Fact
from ml_intern.journal.sqlite import SqliteJournal

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("version", ["v1"])
def test_a_journal_of_an_older_version_reads_as_it_was_written(tmp_path: Path, version: str) -> None:
    shutil.copytree(FOLDER / version, tmp_path / version)

    with SqliteJournal(tmp_path / version / "run.db", writer=False) as journal:
        records = list(journal)

    assert [record.event for record in records] == list(EVENTS)
    assert [record.at for record in records] == [float(n) for n in range(len(EVENTS))]


def test_the_golden_journal_has_every_type_of_event_and_fact() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert {type(fact) for fact in FACTS} == set(get_args(Fact))
