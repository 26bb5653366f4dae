"""The two tools that a language model has for data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_intern.core.errors import ToolArgumentError, ToolError
from ml_intern.core.events import Event, Record, RunStarted, ToolFinished, ToolStarted
from ml_intern.core.facts import DatasetPrepared, Trained
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.tools import FunctionTool, HuggingFaceDatasets

TRAINED = Trained(
    call_id="c1",
    source_digest="s",
    script_digest="t",
    weights_digest="w",
    dataset_digest="d",
    hyperparameters={},
    reported={},
    steps=1,
    optimizer="Adam",
    last_loss=0.1,
    seconds=1.0,
    device="cpu",
)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, FunctionTool]:
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "home"))
    return {tool.spec.name: tool for tool in HuggingFaceDatasets()}


def context(
    root: Path, call_id: str = "c1", *, backend: SandboxBackend | None = None, records: Sequence[Record] = ()
) -> ToolContext:
    paths = RunPaths(root=root)
    if backend is None:
        return ToolContext(run="r", call_id=call_id, paths=paths, records=records)
    return ToolContext(run="r", call_id=call_id, paths=paths, records=records, sandboxes=lambda: backend)


def test_looking_is_a_reading_tool_and_preparing_an_executing_one(tools: dict[str, FunctionTool]) -> None:
    assert {name: (tool.spec.effect, tool.spec.recovery) for name, tool in tools.items()} == {
        "inspect_dataset": ("read", "repeat"),
        "prepare_dataset": ("execute", "repeat"),
    }


def test_the_prompts_of_both_tools_are_short(tools: dict[str, FunctionTool]) -> None:
    characters = sum(len(tool.spec.description) + len(json.dumps(tool.spec.schema)) for tool in tools.values())

    # About four characters a token; the budget is 600 tokens.
    assert characters < 2400


def test_a_data_set_is_enough_to_prepare_it(tools: dict[str, FunctionTool]) -> None:
    assert tools["prepare_dataset"].parse({"dataset": "sklearn/digits"}) == {
        "dataset": "sklearn/digits",
        "inputs": [],
        "target": "",
        "final_fraction": 0.2,
        "group": "",
        "time": "",
        "allow": None,
    }


@pytest.mark.parametrize("arguments", [{"final_fraction": 0}, {"final_fraction": 0.95}, {"seed": 1}, {"inputs": "a"}])
def test_impossible_arguments_are_refused(arguments: dict[str, object], tools: dict[str, FunctionTool]) -> None:
    with pytest.raises(ToolArgumentError):
        tools["prepare_dataset"].parse({"dataset": "sklearn/digits", **arguments})


@pytest.mark.parametrize("name", ["inspect_dataset", "prepare_dataset"])
def test_an_unknown_data_set_is_refused_before_a_sandbox_starts(
    name: str, tools: dict[str, FunctionTool], tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match="known: sklearn/digits"):
        tools[name].run(tools[name].parse({"dataset": "sklearn/mnist"}), context(tmp_path))


def test_the_data_cannot_be_changed_after_a_training(tools: dict[str, FunctionTool], tmp_path: Path) -> None:
    finished = ToolFinished(call=ToolCall(id="c0", name="train"), observation=Observation(text="", facts=(TRAINED,)))
    after = context(tmp_path, records=[Record(seq=0, at=0.0, event=finished)])
    tool = tools["prepare_dataset"]

    with pytest.raises(ToolError, match="other data need a new run"):
        tool.run(tool.parse({"dataset": "sklearn/iris"}), after)


@pytest.mark.sandbox
def test_a_data_set_is_looked_at_and_prepared_and_prepared_again(
    backend: SandboxBackend, tools: dict[str, FunctionTool], tmp_path: Path
) -> None:
    look, prepare = tools["inspect_dataset"], tools["prepare_dataset"]

    seen = look.run(look.parse({"dataset": "sklearn/wine"}), context(tmp_path, "c1", backend=backend))
    first = prepare.run(prepare.parse({"dataset": "sklearn/wine"}), context(tmp_path, "c2", backend=backend))
    arguments = {"dataset": "sklearn/wine", "inputs": ["alcohol", "hue"], "target": "target"}
    second = prepare.run(prepare.parse(arguments), context(tmp_path, "c3", backend=backend))

    assert 'target "target" (classification)' in seen.text
    facts = [fact for observation in (first, second) for fact in observation.facts]
    assert [len(fact.inputs) for fact in facts if isinstance(fact, DatasetPrepared)] == [13, 2]
    described = json.loads((tmp_path / "data" / "visible" / "dataset.json").read_text("utf-8"))
    assert [column["name"] for column in described["inputs"]] == ["alcohol", "hue"]
    assert "datasets.Dataset.from_parquet('/data/search.parquet')" in second.text


@pytest.mark.parametrize("tool", ["inspect_dataset", "prepare_dataset"])
def test_a_file_that_the_task_does_not_name_is_not_even_looked_for(
    tools: dict[str, FunctionTool], tmp_path: Path, tool: str
) -> None:
    task = RunStarted(task="Train on ./data/flowers", system="", model="m", version="0")
    records = [Record(seq=0, at=0.0, event=task)]
    known, missing = tmp_path / "private.json", tmp_path / "nothing.json"
    known.write_text('[{"key": "value"}]')

    said: list[str] = []
    for path in (known, missing):
        with pytest.raises(ToolError, match="the task does not name") as refused:
            tools[tool].run({"dataset": str(path)}, context(tmp_path / "run", records=records))
        said.append(str(refused.value).replace(str(path), "PATH"))

    assert said[0] == said[1]


def test_the_hidden_part_of_a_run_is_no_data_set_wherever_runs_are_kept(
    tools: dict[str, FunctionTool], tmp_path: Path
) -> None:
    hidden = tmp_path / "elsewhere" / "runs" / "r" / "data" / "hidden" / "labels"
    hidden.mkdir(parents=True)
    (hidden / "final.json").write_text("{}")
    task = RunStarted(task=f"Train on {tmp_path}", system="", model="m", version="0")
    records = [Record(seq=0, at=0.0, event=task)]

    for path in (hidden, hidden / "final.json", tmp_path / "elsewhere"):
        with pytest.raises(ToolError, match="files of the runtime itself"):
            tools["inspect_dataset"].run(
                {"dataset": str(path)}, context(tmp_path / "elsewhere" / "runs" / "r", records=records)
            )


def prepared(call_id: str, **arguments: object) -> ToolFinished:
    fact = DatasetPrepared(
        dataset="sklearn/iris",
        revision="1",
        digest="d",
        task="classification",
        inputs=(),
        target="target",
        classes=("a", "b"),
        rows={"search": 1, "selection": 1, "final": 1},
        seed=0,
    )
    call = ToolCall(id=call_id, name="prepare_dataset", arguments=arguments)
    return ToolFinished(call=call, observation=Observation(text="", facts=(fact,)))


def test_another_split_is_refused_once_code_may_have_kept_rows_of_the_first(
    tools: dict[str, FunctionTool], tmp_path: Path
) -> None:
    tool = tools["prepare_dataset"]
    first, second = (
        tool.parse({"dataset": "sklearn/iris"}),
        tool.parse({"dataset": "sklearn/iris", "final_fraction": 0.4}),
    )
    ran = ToolStarted(call=ToolCall(id="c2", name="run_python", arguments={"code": "keep()"}))
    again = ToolStarted(call=ToolCall(id="c3", name="prepare_dataset", arguments=second))
    events: list[Event] = [prepared("c1", **first), ran, again]
    records = [Record(seq=n, at=0.0, event=event) for n, event in enumerate(events)]

    with pytest.raises(ToolError, match="need a new run"):
        tool.run(second, context(tmp_path / "run", "c3", records=records))


@pytest.mark.sandbox
def test_another_split_is_made_while_nothing_has_seen_the_first(
    tools: dict[str, FunctionTool], tmp_path: Path, backend: SandboxBackend
) -> None:
    tool = tools["prepare_dataset"]
    first, second = (
        tool.parse({"dataset": "sklearn/iris"}),
        tool.parse({"dataset": "sklearn/iris", "final_fraction": 0.4}),
    )
    events: list[Event] = [
        prepared("c1", **first),
        ToolStarted(call=ToolCall(id="c3", name="prepare_dataset", arguments=second)),
    ]
    records = [Record(seq=n, at=0.0, event=event) for n, event in enumerate(events)]

    made = tool.run(second, context(tmp_path / "run", "c3", backend=backend, records=records))

    assert [fact.rows["final"] for fact in made.facts if isinstance(fact, DatasetPrepared)] == [60]
