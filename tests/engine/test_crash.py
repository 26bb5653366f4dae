"""A run killed at every event boundary, and inside every effect, ends as if nothing had happened."""

from pathlib import Path

import pytest

from ml_intern.core.events import Event, Record, ToolFinished
from ml_intern.core.messages import Observation
from ml_intern.engine import loop
from ml_intern.journal.sqlite import SqliteJournal
from support import START, Effects, Script, harness, reply

SCRIPT = (
    reply("look", ("look", {"what": "data"}), first_id=0),
    reply("two at once", ("act", {"what": "a"}), ("job", {"what": "b"}), first_id=1),
    reply("publish", ("publish", {"what": "p"}), ("nope", {}), first_id=3),
    reply("again", ("act", {"what": "c"}), ("look", {"wrong": 1}), first_id=5),
    reply("done"),
)
EFFECTS = ["a", "c2", "p", "c"]
UNKNOWN = "whether it took effect is unknown"


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it and nothing cleans up after it."""


class DyingJournal(SqliteJournal):
    """Dies before or after its n-th write."""

    def __init__(self, path: Path, *, writes: int, after: bool) -> None:
        super().__init__(path, writer=True)
        self._left, self._after = writes, after

    def append(self, event: Event) -> Record:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise Killed
        record = super().append(event)
        if self._left < 0:
            raise Killed
        return record


class DyingEffects(Effects):
    """Dies between an effect and its observation, the first time `fatal` is done."""

    def __init__(self, log: Path, fatal: str) -> None:
        super().__init__(log)
        self._fatal = fatal

    def _do(self, what: str) -> Observation:
        before = self.done()
        observation = super()._do(what)
        if what == self._fatal and what not in before:
            raise Killed
        return observation


def life(tools: Effects, journal: SqliteJournal, root: Path) -> list[Record]:
    opening = [] if any(True for _ in journal) else [START]
    with journal:
        return list(loop.run(harness(Script(*SCRIPT), list(tools), root), journal, opening))


def outcome(root: Path) -> tuple[list[str], list[str]]:
    """The observations the model got, and the last event's type."""
    with SqliteJournal(root / "run.db", writer=False) as journal:
        records = list(journal)
    seen = [r.event.observation.text for r in records if isinstance(r.event, ToolFinished)]
    return seen, [records[-1].event.type]


def undisturbed(root: Path) -> tuple[list[str], list[str], int]:
    root.mkdir()
    records = life(Effects(root / "log"), SqliteJournal(root / "run.db", writer=True), root)
    assert Effects(root / "log").done() == EFFECTS
    return *outcome(root), len(records)


BOUNDARIES = [(writes, after) for writes in range(24) for after in (False, True)]


@pytest.mark.parametrize(("writes", "after"), BOUNDARIES)
def test_a_kill_at_any_event_boundary_loses_and_repeats_nothing(tmp_path: Path, writes: int, after: bool) -> None:
    expected, end, events = undisturbed(tmp_path / "whole")
    assert writes < events, "the script became shorter: fewer boundaries than this test kills at"
    root = tmp_path / "killed"
    root.mkdir()

    with pytest.raises(Killed):
        life(Effects(root / "log"), DyingJournal(root / "run.db", writes=writes, after=after), root)
    life(Effects(root / "log"), SqliteJournal(root / "run.db", writer=True), root)

    seen, last = outcome(root)
    # a call with an intent and no result may have happened: `act` then says so instead of doing it again
    honest = [UNKNOWN in text for text in seen]
    assert [text for text, unknown in zip(seen, honest, strict=True) if not unknown] == [
        text for text, unknown in zip(expected, honest, strict=True) if not unknown
    ]
    assert last == end
    done = Effects(root / "log").done()
    assert len(done) == len(set(done))
    assert len(set(EFFECTS) - set(done)) <= sum(honest) <= 1
    assert set(EFFECTS) - set(done) <= {"a", "c"}


def test_every_event_of_the_script_is_a_boundary_that_is_killed_at(tmp_path: Path) -> None:
    assert undisturbed(tmp_path / "whole")[2] == len({writes for writes, _ in BOUNDARIES})


@pytest.mark.parametrize("fatal", EFFECTS)
def test_a_kill_between_an_effect_and_its_record_never_repeats_the_effect(tmp_path: Path, fatal: str) -> None:
    with pytest.raises(Killed):
        life(DyingEffects(tmp_path / "log", fatal), SqliteJournal(tmp_path / "run.db", writer=True), tmp_path)
    life(Effects(tmp_path / "log"), SqliteJournal(tmp_path / "run.db", writer=True), tmp_path)

    assert Effects(tmp_path / "log").done() == EFFECTS
    assert sum(UNKNOWN in text for text in outcome(tmp_path)[0]) == (1 if fatal in {"a", "c"} else 0)
