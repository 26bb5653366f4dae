"""What the loop does with the model's turns, one behaviour a test."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.budget import Budget
from ml_intern.core.errors import JournalError, ModelError, SandboxError
from ml_intern.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    GateDecided,
    ModelAsked,
    ModelReplied,
    Nudged,
    Record,
    RunFinished,
    RunReopened,
    ToolFinished,
    ToolStarted,
    WorkspaceRestored,
)
from ml_intern.core.messages import Message, Observation, Reply, ToolCall, ToolSpec, Usage
from ml_intern.core.protocols import Tool, ToolContext, Verdict
from ml_intern.engine import folds, loop
from ml_intern.engine.repetition import repetitions
from ml_intern.tools import FunctionTool, tool
from support import START, Effects, MemoryJournal, Script, harness, reply


def texts(records: Sequence[Record]) -> list[str]:
    return [r.event.observation.text for r in records if isinstance(r.event, ToolFinished)]


def end(records: Sequence[Record]) -> tuple[str, str]:
    last = records[-1].event
    assert isinstance(last, RunFinished)
    return last.outcome, last.text


class Closed:
    """A gate that never opens."""

    name = "closed"

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        del call, context
        return Verdict(passed=False, reason="prove it first")


def guarded(tmp_path: Path) -> list[Tool]:
    @tool(effect="execute", requires=("closed",))
    def train() -> str:
        """Train."""
        (tmp_path / "trained").touch()
        return "trained"

    return [FunctionTool(train)]


def test_a_closed_gate_refuses_the_call_and_tells_the_model_why(tmp_path: Path) -> None:
    given = harness(
        Script(reply("", ("train", {})), reply("ok")), guarded(tmp_path), tmp_path, gates={"closed": Closed()}
    )

    records = list(loop.run(given, MemoryJournal(), [START]))

    assert [r.event.passed for r in records if isinstance(r.event, GateDecided)] == [False]
    assert texts(records) == ["Refused by the gate 'closed': prove it first"]
    assert not (tmp_path / "trained").exists()
    assert not any(isinstance(r.event, ToolStarted) for r in records)


def test_an_unknown_tool_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    script = Script(reply("", ("fly", {})), reply("ok"))

    records = list(loop.run(harness(script, list(Effects(tmp_path / "log")), tmp_path), MemoryJournal(), [START]))

    assert texts(records) == ["There is no tool 'fly'. The tools are: act, job, look, publish."]


def test_arguments_that_are_no_json_are_shown_back(tmp_path: Path) -> None:
    broken = replace(reply(""), calls=(ToolCall(id="x", name="look", malformed='{"what": '),))

    records = list(
        loop.run(
            harness(Script(broken, reply("ok")), list(Effects(tmp_path / "log")), tmp_path), MemoryJournal(), [START]
        )
    )

    assert "not a JSON object" in texts(records)[0]
    assert '{"what": ' in texts(records)[0]


def test_wrong_arguments_name_the_field(tmp_path: Path) -> None:
    script = Script(reply("", ("look", {"wat": 1})), reply("ok"))

    records = list(loop.run(harness(script, list(Effects(tmp_path / "log")), tmp_path), MemoryJournal(), [START]))

    assert "what: Field required" in texts(records)[0]
    assert "wat: Extra inputs are not permitted" in texts(records)[0]


def test_a_call_that_needs_approval_pauses_the_run_and_goes_on_after_a_yes(tmp_path: Path) -> None:
    effects, journal = Effects(tmp_path / "log"), MemoryJournal()
    given = harness(
        Script(reply("", ("publish", {"what": "p"})), reply("ok")),
        list(effects),
        tmp_path,
        approve=frozenset({"publish"}),
    )

    first = list(loop.run(given, journal, [START]))
    assert isinstance(first[-1].event, ApprovalAsked)
    assert list(loop.run(given, journal, [])) == []
    assert effects.done() == []

    second = list(loop.run(given, journal, [ApprovalAnswered(call_id="c0", approved=True)]))
    assert end(second) == ("done", "ok")
    assert effects.done() == ["p"]


def test_a_no_becomes_an_observation_with_the_persons_words(tmp_path: Path) -> None:
    effects, journal = Effects(tmp_path / "log"), MemoryJournal()
    script = Script(reply("", ("act", {"what": "p"})), reply("ok"))
    given = harness(script, list(effects), tmp_path, approve=frozenset({"act"}))
    list(loop.run(given, journal, [START]))

    records = list(loop.run(given, journal, [ApprovalAnswered(call_id="c0", approved=False, comment="too soon")]))

    assert "too soon" in texts(records)[0]
    assert effects.done() == []


@pytest.mark.parametrize(
    ("budget", "outcome"),
    [
        (Budget(iterations=1), "limit"),
        (Budget(seconds=1), "limit"),
        (Budget(tokens=60), "budget"),
        (Budget(usd=0.005), "budget"),
    ],
)
def test_a_spent_budget_ends_the_run_before_the_next_request(tmp_path: Path, budget: Budget, outcome: str) -> None:
    class Dear(Script):
        def estimate(self, messages: Sequence[Message], tools: object) -> Usage:
            asked = sum(m.role == "assistant" for m in messages)
            return Usage(input_tokens=20 + 40 * asked, usd=0.001 + 0.01 * asked)

    given = harness(Dear(reply("", ("look", {"what": "x"})), reply("ok")), list(Effects(tmp_path / "log")), tmp_path)

    records = list(loop.run(replace(given, budget=budget), MemoryJournal(), [START]))

    assert end(records)[0] == outcome
    assert sum(isinstance(r.event, ModelReplied) for r in records) == 1


def test_a_limit_in_dollars_refuses_a_model_without_a_price(tmp_path: Path) -> None:
    class Unpriced(Script):
        def estimate(self, messages: object, tools: object) -> Usage:
            return Usage(usd=None)

    records = list(
        loop.run(harness(Unpriced(reply("ok")), [], tmp_path, budget=Budget(usd=5)), MemoryJournal(), [START])
    )

    assert end(records)[0] == "budget"
    assert "price of this model is unknown" in end(records)[1]


def test_a_request_torn_by_a_crash_stays_charged(tmp_path: Path) -> None:
    journal = MemoryJournal([START, ModelAsked(key="0.0", reserved=Usage(input_tokens=500))])
    given = harness(Script(reply("ok")), [], tmp_path, budget=Budget(tokens=530))

    records = list(loop.run(given, journal, []))

    assert end(records)[0] == "budget"


def test_a_resumed_run_sends_the_request_that_the_killed_one_would_have_sent(tmp_path: Path) -> None:
    script = Script(reply("look", ("look", {"what": "x"})), reply("ok"))
    given = harness(script, list(Effects(tmp_path / "log")), tmp_path)
    whole = list(loop.run(given, MemoryJournal(), [START]))

    for cut in range(1, len(whole)):
        events = [r.event for r in whole[:cut]]
        resumed = MemoryJournal(events)
        list(loop.run(given, resumed, []))
        assert folds.messages(resumed.records) == folds.messages(whole)


def test_a_model_that_stops_too_early_is_told_what_is_missing_and_not_believed(tmp_path: Path) -> None:
    class Demanding:
        def missing(self, records: Sequence[Record]) -> Sequence[str]:
            return () if texts(records) else ("Not delivered: a look.",)

    lazy = harness(Script(reply("all done!")), [], tmp_path)
    records = list(loop.run(replace(lazy, completion=Demanding()), MemoryJournal(), [START]))
    assert end(records) == ("incomplete", "Stopped before the task was done. Not delivered: a look.")
    assert sum(isinstance(r.event, Nudged) for r in records) == 3

    obedient = harness(
        Script(reply("done!"), reply("", ("look", {"what": "x"})), reply("done")),
        list(Effects(tmp_path / "log")),
        tmp_path,
    )
    assert end(list(loop.run(replace(obedient, completion=Demanding()), MemoryJournal(), [START])))[0] == "done"


def test_a_model_that_repeats_itself_is_nudged_and_then_stopped(tmp_path: Path) -> None:
    given = harness(Script(reply("", ("look", {"what": "x"}))), list(Effects(tmp_path / "log")), tmp_path)

    records = list(loop.run(given, MemoryJournal(), [START]))

    assert end(records)[0] == "stuck"
    assert [r.event.reason for r in records if isinstance(r.event, Nudged)] == ["repetition"] * 3
    assert len(texts(records)) == 6


def _trail(*pairs: tuple[str, str]) -> list[Record]:
    return [
        Record(
            seq=n,
            at=0.0,
            event=ToolFinished(
                call=ToolCall(id=str(n), name="t", arguments={"a": a}), observation=Observation(text=text)
            ),
        )
        for n, (a, text) in enumerate(pairs)
    ]


def test_times_addresses_and_durations_do_not_hide_a_repetition() -> None:
    lines = [f"2026-11-24 10:0{n}:00 failed at 0x7f{n}a after {n}.5 s (pid {n})" for n in range(4)]

    assert repetitions(_trail(*[("x", line) for line in lines])) == 4


def test_an_edit_and_test_cycle_is_no_repetition_but_a_cycle_of_two_is() -> None:
    assert repetitions(_trail(("edit1", "ok"), ("test", "1 failed"), ("edit2", "ok"), ("test", "2 failed"))) == 1
    assert repetitions(_trail(*[("a", "1"), ("b", "2")] * 3)) == 3


def test_a_model_that_moved_on_is_left_alone() -> None:
    assert repetitions(_trail(("x", "1"), ("x", "1"), ("x", "1"), ("y", "2"))) == 1


@pytest.mark.parametrize(
    ("error", "outcome"), [(ModelError("503"), "model_failed"), (SandboxError("gone"), "sandbox_failed")]
)
def test_a_failed_service_ends_the_run_and_a_resume_goes_on(tmp_path: Path, error: Exception, outcome: str) -> None:
    journal, fail = MemoryJournal(), [True]

    @tool(recovery="repeat")
    def shaky() -> str:
        """Fail once."""
        if isinstance(error, SandboxError) and fail.pop(0):
            raise error
        return "fine"

    class Shaky(Script):
        def complete(
            self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
        ) -> Reply:
            if isinstance(error, ModelError) and fail.pop(0):
                raise error
            return super().complete(messages, tools, on_text=on_text)

    given = harness(Shaky(reply("", ("shaky", {})), reply("ok")), [FunctionTool(shaky)], tmp_path)
    assert end(list(loop.run(given, journal, [START]))) == (outcome, str(error))
    fail[:] = [False, False, False]

    assert end(list(loop.run(given, journal, [RunReopened(reason="go on")]))) == ("done", "ok")
    assert texts(journal.records) == ["fine"]


def test_a_person_can_stop_the_run_between_steps(tmp_path: Path) -> None:
    given = harness(Script(reply("", ("look", {"what": "x"}))), [], tmp_path, cancelled=lambda: True)

    assert end(list(loop.run(given, MemoryJournal(), [START])))[0] == "cancelled"


def test_ids_that_repeat_or_name_no_file_are_replaced(tmp_path: Path) -> None:
    def call(identifier: str) -> ToolCall:
        return ToolCall(id=identifier, name="look", arguments={"what": identifier})

    turns = [replace(reply(""), calls=(call("a"), call("a"), call("../../x"))), replace(reply(""), calls=(call("a"),))]
    given = harness(Script(*turns, reply("ok")), list(Effects(tmp_path / "log")), tmp_path)

    records = list(loop.run(given, MemoryJournal(), [START]))

    ids = [r.event.call.id for r in records if isinstance(r.event, ToolFinished)]
    assert ids[:2] + ids[3:] == ["a", "a-2", "a-3"]
    assert ids[2].startswith("call-")
    assert texts(records) == ["saw a", "saw a", "saw ../../x", "saw a"]


def test_calls_that_execute_have_a_snapshot_before_and_after_and_others_none(tmp_path: Path) -> None:
    model = Script(reply("", ("look", {"what": "x"}), ("act", {"what": "y"})), reply("done"))
    taken = iter(["s1", "s2"])
    parts = replace(harness(model, list(Effects(tmp_path / "log")), tmp_path), snapshot=lambda: next(taken))

    records = list(loop.run(parts, MemoryJournal(), [START]))

    kept = {e.call.name: e.workspace for r in records if isinstance(e := r.event, ToolStarted)}
    left = {e.call.name: e.workspace for r in records if isinstance(e := r.event, ToolFinished)}
    assert (kept, left) == ({"look": None, "act": "s1"}, {"look": None, "act": "s2"})


def test_a_disk_that_is_full_after_a_call_does_not_make_its_outcome_unknown(tmp_path: Path) -> None:
    taken = iter(["s1"])

    def snapshot() -> str:
        if (digest := next(taken, None)) is None:
            raise JournalError("full")
        return digest

    model = Script(reply("", ("act", {"what": "y"})), reply("done"))
    parts = replace(harness(model, list(Effects(tmp_path / "log")), tmp_path), snapshot=snapshot)

    ended = [r.event for r in loop.run(parts, MemoryJournal(), [START]) if isinstance(r.event, ToolFinished)]

    assert [(e.observation.text, e.workspace) for e in ended] == [("did y", None)]


def test_what_a_tool_says_is_made_neutral_before_anybody_reads_it(tmp_path: Path) -> None:
    @tool
    def look() -> str:
        """Say something hostile."""
        return "a\x1b[2Jb \u202e \ud800"

    model = Script(reply("", ("look", {})), reply("done"))
    records = list(loop.run(harness(model, [FunctionTool(look)], tmp_path), MemoryJournal(), [START]))

    (ended,) = (r.event for r in records if isinstance(r.event, ToolFinished))
    assert ended.observation.text == "ab \\u202e \\ud800"


def test_the_model_is_told_of_files_put_back_after_the_open_calls_have_their_observations(tmp_path: Path) -> None:
    model = Script(reply("", ("look", {"what": "x"}), ("act", {"what": "y"})), reply("done"))
    tools = list(Effects(tmp_path / "log"))
    records = list(loop.run(harness(model, tools, tmp_path), MemoryJournal(), [START]))
    torn = next(n for n, r in enumerate(records) if isinstance(r.event, ToolFinished))
    back = WorkspaceRestored(call_id="c1", workspace="w", before="b", text="put back")
    journal = MemoryJournal([*(r.event for r in records[:torn]), back])

    resumed = list(loop.run(harness(model, tools, tmp_path), journal, []))
    turns = folds.messages(list(journal))

    assert isinstance(resumed[-1].event, RunFinished)
    assert [(m.role, m.text) for m in turns[3:]] == [
        ("tool", "saw x"),
        ("tool", "did y"),
        ("user", "put back"),
        ("assistant", "done"),
    ]


def test_a_run_that_had_ended_stays_ended_when_its_files_are_put_back(tmp_path: Path) -> None:
    journal = MemoryJournal()
    parts = harness(Script(reply("done")), [], tmp_path)
    list(loop.run(parts, journal, [START]))
    journal.append(WorkspaceRestored(call_id="c1", workspace="w", before="b", text="put back"))

    assert list(loop.run(parts, journal, [])) == []


@pytest.mark.parametrize(("allow", "asked"), [(frozenset[str](), True), (frozenset({"install"}), False)])
def test_a_tool_that_asks_waits_for_a_yes_unless_it_was_allowed_by_name(
    tmp_path: Path, allow: frozenset[str], asked: bool
) -> None:
    @tool(effect="execute", asks=True)
    def install() -> str:
        """Add packages."""
        return "installed"

    model = Script(reply("", ("install", {})), reply("done"))
    parts = replace(harness(model, [FunctionTool(install)], tmp_path), allow=allow)

    records = list(loop.run(parts, MemoryJournal(), [START]))

    assert (isinstance(records[-1].event, ApprovalAsked), texts(records) == []) == (asked, asked)
