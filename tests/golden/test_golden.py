"""Runs that older versions wrote can be read."""

import shutil
from pathlib import Path
from typing import get_args

import pytest

from golden import custody, followed, gates, packages, suites
from golden.events import EVENTS
from ml_intern.core.events import Event, ToolFinished
from ml_intern.core.facts import Fact
from ml_intern.journal.sqlite import SqliteJournal

FOLDER = Path(__file__).parent
JOURNALS = {
    "v1": EVENTS,
    "v1-packages": packages.LATER,
    "v1-custody": custody.LATER,
    "v1-suites": suites.SUITES,
    "v1-gates": gates.GATES,
    "v1-followed": followed.FOLLOWED,
}


@pytest.mark.parametrize("version", JOURNALS)
def test_a_journal_of_an_older_version_reads_as_it_was_written(tmp_path: Path, version: str) -> None:
    shutil.copytree(FOLDER / version, tmp_path / version)

    with SqliteJournal(tmp_path / version / "run.db", writer=False) as journal:
        records = list(journal)

    assert [record.event for record in records] == list(JOURNALS[version])
    assert [record.at for record in records] == [float(n) for n in range(len(records))]


def test_the_golden_journals_have_every_type_of_event_and_fact() -> None:
    events = [event for journal in JOURNALS.values() for event in journal]

    assert {type(event) for event in events} == set(get_args(Event))
    assert {type(fact) for e in events if isinstance(e, ToolFinished) for fact in e.observation.facts} == set(
        get_args(Fact)
    )
