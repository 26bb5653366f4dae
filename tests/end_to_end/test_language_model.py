"""A conversation with a language model, replayed through the real client: the same task, tools and gates."""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from end_to_end.lives import environment, left, live_for, only_run
from llm.server import Answer, Call, Service
from ml_intern.core.events import Nudged, Record, ToolFinished
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal

pytestmark = pytest.mark.sandbox

CONVERSATIONS = Path(__file__).parent / "conversations"


def recorded(name: str) -> dict[str, Any]:
    text: dict[str, Any] = json.loads((CONVERSATIONS / f"{name}.json").read_text("utf-8"))
    return text


def answers(turns: Sequence[dict[str, Any]]) -> list[Answer]:
    def answer(place: int, turn: dict[str, Any]) -> Answer:
        calls = tuple(
            Call(id=f"call_{place}_{n}", name=call["name"], arguments=json.dumps(call["arguments"]))
            for n, call in enumerate(turn["calls"])
        )
        return Answer(text=turn["text"], calls=calls, finish="tool_calls" if calls else "stop")

    return [answer(place, turn) for place, turn in enumerate(turns)]


def replayed(name: str, home: Path, python: Path) -> list[Record]:
    """Carry a recorded conversation out to its end; give the journal."""
    talk = recorded(name)
    with Service(answers(talk["turns"]), by_turn=True) as service:
        env = environment(home, python, OPENAI_BASE_URL=service.address, OPENAI_API_KEY="x")
        assert live_for(600, ["run", talk["task"], "--model", "openai:gpt-4o"], env) == 0
    run = only_run(home)
    assert run is not None
    with SqliteJournal(home / "runs" / run / DATABASE, writer=False) as journal:
        return list(journal)


def said(records: Sequence[Record], tool: str) -> list[str]:
    finished = [r.event for r in records if isinstance(r.event, ToolFinished)]
    return [event.observation.text for event in finished if event.call.name == tool]


def test_silent_mistakes_are_named_before_training_and_mended_from_what_was_said(
    tmp_path: Path, sandbox_python: Path
) -> None:
    records = replayed("silent_mistakes", tmp_path, sandbox_python)

    causal, heads, *mended = said(records, "check_network")
    assert "changes what blocks.0.attention.out gives before it (causal.py:20 CausalAttention.forward)" in causal
    assert "a view of (3, 8, 192) as (3, 3, 4, 8, 16) cuts across axes" in heads
    assert "(rows.py:21)" in heads
    assert [" passed the forward pass: " in text for text in mended] == [True, True]


def test_no_way_to_a_better_number_leads_there(tmp_path: Path, sandbox_python: Path) -> None:
    records = replayed("better_number", tmp_path, sandbox_python)

    hidden, forged = said(records, "train")
    assert "model.safetensors is no state of the network that was trained" in hidden
    assert "The network saw 320 samples: 0.25 passes over 1,295 rows." in forged
    (scored,) = said(records, "evaluate")
    assert "Cannot be published: metrics.json says accuracy 0.998; the runtime measured accuracy" in scored
    (told,) = [r.event.text for r in records if isinstance(r.event, Nudged)]
    assert "epochs 2, but 320 samples over 1295 rows are 0.25 epochs" in told
    assert "Your answer states '99.8 percent', which the runtime did not measure" in told


def test_a_language_model_that_sees_only_what_the_agent_shows_carries_the_task_to_its_end(
    tmp_path: Path, sandbox_python: Path
) -> None:
    talk = recorded("independent_vision_transformer")
    with Service(answers(talk["turns"]), by_turn=True) as service:
        env = environment(tmp_path, sandbox_python, OPENAI_BASE_URL=service.address, OPENAI_API_KEY="x")
        assert live_for(900, ["run", talk["task"], "--model", "openai:gpt-4o"], env) == 0

    found = left(tmp_path)
    assert found.scores[0].metric == "accuracy"
    assert found.scores[0].low > 0.8
    assert (found.trainings, found.publications, found.commits) == (2, 1, 1)


def test_a_language_model_drives_the_same_tools_and_a_killed_run_asks_the_same_again(
    tmp_path: Path, sandbox_python: Path
) -> None:
    moments, talk = random.Random(5), recorded("mistaken_vision_transformer")
    with Service(answers(talk["turns"]), by_turn=True) as service:
        env = environment(tmp_path, sandbox_python, OPENAI_BASE_URL=service.address, OPENAI_API_KEY="x")
        live_for(moments.uniform(6, 12), ["run", talk["task"], "--model", "openai:gpt-4o"], env)
        run = only_run(tmp_path)
        assert run is not None
        live_for(moments.uniform(6, 12), ["resume", run], env)
        assert live_for(600, ["resume", run], env) == 0

        bodies: defaultdict[int, set[bytes]] = defaultdict(set)
        for asked in service.asked:
            bodies[asked.turn].add(asked.body)

    # `run_python` is the one call whose outcome a crash makes unknown; what follows it may then differ in that text
    assert sorted(bodies) == list(range(len(talk["turns"])))
    assert [len(same) for same in bodies.values()] == [1] * len(bodies)
    found = left(tmp_path)
    assert found.scores[0].metric == "accuracy"
    assert found.scores[0].low > 0.5
    assert (found.trainings, found.publications, found.commits) == (1, 1, 1)
    with SqliteJournal(tmp_path / "runs" / run / DATABASE, writer=False) as journal:
        observations = [(r.event.call.name, r.event.observation) for r in journal if isinstance(r.event, ToolFinished)]
    assert [o.ok for name, o in observations if name == "check_network"] == [False, True]
    assert "torch.cat([cls, x], dim=1)" in next(o.text for name, o in observations if name == "check_network")
    assert [o.ok for name, o in observations if name == "publish"] == [False, True]
    assert "93.4 %" in next(o.text for name, o in observations if name == "publish")
