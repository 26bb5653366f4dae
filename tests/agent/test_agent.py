"""The public class: parts go together, runs are kept, resumed and judged."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from ml_intern import InternAgent
from ml_intern.core.errors import ConfigError
from ml_intern.core.events import ModelReplied, RunReopened, ToolFinished
from ml_intern.core.facts import Constraint, ContractAgreed, Departed
from ml_intern.core.protocols import ToolContext
from ml_intern.sandboxes.namespaces import NamespaceBackend
from ml_intern.tools import ArXivReader, HubDeployer, HuggingFaceDatasets, PyTorchExecutor, tool
from support import Effects, Script, reply

ANSWER = ("contract", {"objective": "say it", "deliverables": ["answer"]})


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"hello {name}"


def make(home: Path, *replies: object, **options: object) -> InternAgent:
    return InternAgent(Script(*replies), tools=[greet], home=home, **options)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_question_with_a_contract_and_a_tool_of_ones_own_is_answered(tmp_path: Path) -> None:
    agent = make(tmp_path, reply("", ANSWER), reply("", ("greet", {"name": "you"}), first_id=1), reply("hello you"))

    result = agent.run_task("Greet me")

    assert (result.outcome, result.text, result.exit_status) == ("done", "hello you", 0)
    assert result.facts == (ContractAgreed(objective="say it", deliverables=("answer",)),)
    assert result.directory == tmp_path / "runs" / result.run


def test_claiming_success_without_proof_ends_as_incomplete(tmp_path: Path) -> None:
    claim = ("contract", {"objective": "x", "deliverables": ["trained_model", "published_model"]})

    result = make(tmp_path, reply("", claim), reply("Trained to 99 %.")).run_task("Train and publish")

    assert (result.outcome, result.exit_status) == ("incomplete", 8)
    assert "a training that ended well" in result.text


def test_a_constraint_that_does_not_quote_the_sentence_is_refused(tmp_path: Path) -> None:
    fixed = {"name": "epochs", "value": "3", "words": "for three epochs"}
    quoted = {"name": "epochs", "value": "3", "words": "For  3 epochs"}
    agent = make(
        tmp_path,
        reply("", ("contract", {"objective": "x", "deliverables": ["answer"], "constraints": [fixed]})),
        reply("", ("contract", {"objective": "x", "deliverables": ["answer"], "constraints": [quoted]}), first_id=1),
        reply("", ("departure", {"point": "epochs", "decision": "2", "reason": "time"}), first_id=2),
        reply("", ANSWER, first_id=3),
        reply("ok"),
    )

    result = agent.run_task("Train for 3 epochs")

    assert next(f for f in result.facts if isinstance(f, ContractAgreed)).constraints == (Constraint(**quoted),)
    assert [f for f in result.facts if isinstance(f, Departed)] == [
        Departed(point="epochs", decision="2", reason="time")
    ]
    assert len(result.facts) == 2


def test_a_run_that_spent_its_iterations_goes_on_with_more(tmp_path: Path) -> None:
    script = (reply("", ANSWER), reply("", ("greet", {"name": "you"}), first_id=1), reply("hello"))
    first = make(tmp_path, *script, max_iterations=1).run_task("Greet me")
    assert (first.outcome, first.exit_status) == ("limit", 5)

    agent = make(tmp_path, *script)
    records = list(agent.resume(first.run))

    assert isinstance(records[0].event, RunReopened)
    assert sum(isinstance(r.event, ModelReplied) for r in records) == 2
    assert agent.result(first.run).outcome == "done"
    assert list(agent.resume(first.run)) == []


def test_the_four_tools_of_the_documentation_construct_without_arguments_and_without_effects(tmp_path: Path) -> None:
    agent = InternAgent(
        Script(reply("", ANSWER), reply("ok")),
        tools=[ArXivReader(), HuggingFaceDatasets(), PyTorchExecutor(use_gpu=True), HubDeployer()],
        max_iterations=30,
        home=tmp_path,
    )

    assert not any(tmp_path.iterdir())
    assert {spec.name for spec in agent.tool_specs} >= {"contract", "check_network", "train", "evaluate", "publish"}
    assert agent.run_task("Say ok").outcome == "done"


@pytest.mark.parametrize("task", ["", "  \n ", "…?!", "123"])
def test_a_task_without_words_is_refused_before_a_run_begins(tmp_path: Path, task: str) -> None:
    with pytest.raises(ConfigError, match="task is empty"):
        make(tmp_path, reply("ok")).run_task(task)
    assert not any(tmp_path.iterdir())


def test_parts_that_do_not_go_together_are_refused_with_their_names(tmp_path: Path) -> None:
    @tool(requires=("moon_phase",))
    def launch() -> str:
        """Launch."""
        return "gone"

    with pytest.raises(ConfigError, match=r"'launch' requires unknown gates: moon_phase"):
        InternAgent(Script(), tools=[launch], home=tmp_path)
    with pytest.raises(ConfigError, match="two tools are called 'greet'"):
        InternAgent(Script(), tools=[greet, greet], home=tmp_path)
    with pytest.raises(ConfigError, match="max_iterations must be a number above 0"):
        InternAgent(Script(), tools=[], max_iterations=0, home=tmp_path)
    with pytest.raises(ConfigError, match="max_usd must be a number above 0, not nan"):
        InternAgent(Script(), tools=[], max_usd=float("nan"), home=tmp_path)
    with pytest.raises(ConfigError, match="5 is no tool"):
        InternAgent(Script(), tools=[5], home=tmp_path)  # type: ignore[list-item] # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="'publsih' can wait for approval"):
        InternAgent(Script(), tools=[greet], approve=["publsih"], home=tmp_path)
    with pytest.raises(ConfigError, match=r"gpt-9000|unknown|known|key"):
        InternAgent("no such model!", home=tmp_path)


def test_a_person_stops_a_run_and_resumes_it(tmp_path: Path) -> None:
    script = (reply("", ANSWER), reply("", ("look", {"what": "x"}), first_id=1), reply("ok"))
    agent = InternAgent(Script(*script), tools=[Effects(tmp_path / "log")], home=tmp_path / "home")
    for record in agent.stream("Look"):
        if isinstance(record.event, ModelReplied):
            agent.cancel()

    stopped = agent.result(agent.last_run)
    assert (stopped.outcome, stopped.exit_status) == ("cancelled", 130)

    again = InternAgent(Script(*script), tools=[Effects(tmp_path / "log")], home=tmp_path / "home")
    assert list(again.resume(stopped.run))
    assert again.result(stopped.run).outcome == "done"


@pytest.mark.parametrize("name", ["../escape", "/tmp/x", ".hidden", "a/b", "a b"])
def test_a_run_cannot_be_named_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a run"):
        make(tmp_path, reply("ok")).stream("Say ok", run=name)


def test_a_tool_that_returns_something_else_than_text_is_recorded_as_text(tmp_path: Path) -> None:
    def three() -> object:
        return 3

    @tool(effect="execute")
    def count() -> str:
        """Count."""
        return cast("str", three())

    agent = InternAgent(
        Script(reply("", ANSWER), reply("", ("count", {}), first_id=1), reply("ok")), tools=[count], home=tmp_path
    )

    finished = [r.event for r in agent.stream("Count") if isinstance(r.event, ToolFinished)]

    assert finished[-1].observation.text == "3"


def test_a_tool_that_promises_to_verify_must_say_how(tmp_path: Path) -> None:
    @tool(effect="publish", recovery="verify")
    def push() -> str:
        """Push."""
        return "pushed"

    with pytest.raises(ConfigError, match="no method that verifies"):
        InternAgent(Script(), tools=[push], home=tmp_path)


def test_sessions_of_runs_kept_in_another_home_are_not_taken_for_dead(tmp_path: Path) -> None:
    alive: dict[str, bool] = {}

    class Engine(NamespaceBackend):
        def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
            alive.update({run: is_alive(run) for run in ("of-another-home", "dead-here")})
            return ()

    (tmp_path / "runs" / "dead-here").mkdir(parents=True)

    @tool
    def look(context: ToolContext) -> str:
        """Open the backend."""
        return context.sandboxes().name

    script = Script(reply("", ANSWER), reply("", ("look", {}), first_id=1), reply("ok"))
    InternAgent(script, tools=[look], sandbox=Engine(tmp_path), home=tmp_path).run_task("Look")

    assert alive == {"of-another-home": True, "dead-here": False}
