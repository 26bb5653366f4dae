"""The journal keeps what it was given, in order, once, and says when it cannot."""

import json
import multiprocessing
import resource
import sqlite3
from pathlib import Path

import pytest

from ml_intern.core.errors import ConfigError, JournalError
from ml_intern.core.events import ApprovalAnswered, ApprovalAsked, Event, ModelAsked, RunFinished, ToolFinished
from ml_intern.core.messages import Observation, ToolCall, Usage
from ml_intern.journal import runs
from ml_intern.journal.codec import SCHEMA_VERSION, decode, encode, plain
from ml_intern.journal.sqlite import INLINE_LIMIT, SqliteJournal
from support import START


def finished(text: str, call_id: str = "c1") -> ToolFinished:
    return ToolFinished(
        call=ToolCall(id=call_id, name="look", arguments={"a": [1, {"b": None}]}), observation=Observation(text=text)
    )


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    events: list[Event] = [START, ModelAsked(key="0.0", reserved=Usage(usd=None)), finished("é\u2028 ok")]
    with SqliteJournal(tmp_path / "run.db", writer=True, clock=lambda: 7.0) as journal:
        written = [journal.append(event) for event in events]

    with SqliteJournal(tmp_path / "run.db", writer=False) as journal:
        assert list(journal) == written
    assert [(r.seq, r.at, r.event) for r in written] == [(n, 7.0, event) for n, event in enumerate(events)]


def test_a_long_body_lies_in_a_file_named_by_its_content(tmp_path: Path) -> None:
    event = finished("x" * INLINE_LIMIT)
    with SqliteJournal(tmp_path / "run.db", writer=True) as journal:
        record = journal.append(event)
        assert list(journal) == [record]

    (blob,) = (tmp_path / "blobs").iterdir()
    blob.write_text(blob.read_text("utf-8").replace("x", "y", 1), "utf-8")
    with SqliteJournal(tmp_path / "run.db", writer=False) as journal, pytest.raises(JournalError, match="was changed"):
        list(journal)
    blob.unlink()
    with SqliteJournal(tmp_path / "run.db", writer=False) as journal, pytest.raises(JournalError, match="is gone"):
        list(journal)


def test_a_second_answer_to_the_same_question_is_refused(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "run.db", writer=True) as journal:
        for event in (ApprovalAnswered(call_id="c1", approved=True), finished("one")):
            journal.append(event)
            with pytest.raises(JournalError, match="already recorded"):
                journal.append(event)
        assert len(list(journal)) == 2


def test_a_run_has_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "run.db", writer=True) as journal:
        journal.append(START)
        with pytest.raises(JournalError, match="another process"):
            SqliteJournal(tmp_path / "run.db", writer=True)
        with SqliteJournal(tmp_path / "run.db", writer=False) as reader:
            assert len(list(reader)) == 1
        assert runs.is_alive(tmp_path)
    assert not runs.is_alive(tmp_path)


def test_reading_a_run_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        SqliteJournal(tmp_path / "run.db", writer=False)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_damaged_event_is_never_passed_over(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "run.db", writer=True) as journal:
        for text in "abc":
            journal.append(finished(text, text))
    database = sqlite3.connect(tmp_path / "run.db")
    with database:
        database.execute("update event set body = replace(body, 'tool_finished', 'tool_x') where seq = 2")
    with (
        SqliteJournal(tmp_path / "run.db", writer=False) as journal,
        pytest.raises(JournalError, match="event 2 is damaged"),
    ):
        list(journal)
    with database:
        database.execute("delete from event where seq = 1")
    database.close()
    with (
        SqliteJournal(tmp_path / "run.db", writer=False) as journal,
        pytest.raises(JournalError, match="event 1 is missing"),
    ):
        list(journal)


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "run.db").write_text("not a database, but long enough to be read as the head of one" * 20)

    with (
        pytest.raises(JournalError, match=r"cannot be (opened|read)"),
        SqliteJournal(tmp_path / "run.db", writer=False) as journal,
    ):
        list(journal)


def test_an_event_of_a_newer_version_asks_for_an_upgrade() -> None:
    with pytest.raises(JournalError, match="upgrade open-ml-intern"):
        decode(encode(START), version=SCHEMA_VERSION + 1, where="here")


def _fill(path: Path) -> None:
    """Write in a process whose files may not grow past a bound: the same error as a full disk gives."""
    journal = SqliteJournal(path, writer=True)
    journal.append(START)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 60_000, resource.RLIM_INFINITY))
    for number in range(100):
        try:
            journal.append(finished("x" * 20_000, f"c{number}"))
        except JournalError as error:
            raise SystemExit(7 if "Free some disk space and resume" in str(error) else 1) from error


def test_a_full_disk_stops_before_the_step_and_keeps_what_was_written(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_fill, args=(tmp_path / "run.db",))
    writer.start()
    writer.join()

    assert writer.exitcode == 7
    with SqliteJournal(tmp_path / "run.db", writer=True) as journal:
        before = len(list(journal))
        assert before >= 1
        journal.append(finished("goes on", "later"))
        assert len(list(journal)) == before + 1


def make_run(home: Path, name: str, *events: Event) -> Path:
    with SqliteJournal(home / name / runs.DATABASE, writer=True) as journal:
        for event in events:
            journal.append(event)
    return home / name


def test_runs_are_listed_newest_first_with_how_they_stand(tmp_path: Path) -> None:
    make_run(tmp_path, "1-done", START, RunFinished(outcome="done", text="ok"))
    make_run(tmp_path, "2-torn", START)
    make_run(tmp_path, "3-waits", START, ApprovalAsked(call_id="c", reason="publish"))
    (tmp_path / "4-damaged").mkdir()
    (tmp_path / "4-damaged" / runs.DATABASE).write_text("x")

    listed = runs.list_runs(tmp_path)

    assert [(info.run, info.outcome, info.alive) for info in listed] == [
        ("3-waits", "waiting", False),
        ("2-torn", None, False),
        ("1-done", "done", False),
    ]


def test_a_run_is_found_by_a_part_of_its_name_that_is_unique(tmp_path: Path) -> None:
    for name in ("20260101-vit-a1", "20260101-vit-b2"):
        make_run(tmp_path, name, START)

    assert runs.find_run(tmp_path, "b2") == tmp_path / "20260101-vit-b2"
    with pytest.raises(ConfigError, match=r"ambiguous.*a1.*b2"):
        runs.find_run(tmp_path, "2026")
    with pytest.raises(ConfigError, match=r"unknown.*a1"):
        runs.find_run(tmp_path, "nope")


def test_a_decision_is_taken_once_and_only_on_what_waits(tmp_path: Path) -> None:
    run = make_run(tmp_path, "r", START, ApprovalAsked(call_id="c", reason="publish"))

    with pytest.raises(ConfigError, match="'d' does not wait; these do: c"):
        runs.answer(run, "d", approved=True)
    assert runs.answer(run, None, approved=False, comment="no").event == ApprovalAnswered(
        call_id="c", approved=False, comment="no"
    )
    with pytest.raises(ConfigError, match="nothing waits"):
        runs.answer(run, "c", approved=True)


def test_an_event_exports_as_plain_json() -> None:
    assert json.loads(json.dumps(plain(finished("x"))))["observation"] == {"text": "x", "ok": True, "facts": []}
