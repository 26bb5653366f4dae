from __future__ import annotations

from pathlib import Path

import pytest

from ml_intern.core.events import Record, ToolFinished
from ml_intern.core.facts import Fact, NetworkVerified, Trained
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.verification.gates import DummyForwardGate, TrainedGate, verified_digests
from ml_intern.verification.source import source_digest, source_files


def passed(context: ToolContext, file: str = "network.py") -> NetworkVerified:
    """Give the fact for the source as it is now."""
    return NetworkVerified(
        file=file,
        class_name="ViT",
        arguments="{}",
        source_digest=source_digest(source_files(context.paths.workspace, file)),
        input_shapes=("(2, 4)",),
        output_shape="(2, 3)",
        parameters=12,
    )


def trained(call_id: str) -> Trained:
    return Trained(
        call_id=call_id,
        source_digest="s",
        script_digest="t",
        weights_digest="w",
        dataset_digest="d",
        hyperparameters={},
        reported={},
        steps=10,
        optimizer="AdamW",
        last_loss=0.5,
        seconds=1.0,
        device="cpu",
    )


def records(*facts: Fact) -> tuple[Record, ...]:
    call = ToolCall(id="c", name="tool")
    events = [ToolFinished(call=call, observation=Observation(text="", facts=(fact,))) for fact in facts]
    return tuple(Record(seq=seq, at=float(seq), event=event) for seq, event in enumerate(events))


def context(root: Path, *facts: Fact) -> ToolContext:
    return ToolContext(run="r", call_id="c9", paths=RunPaths(root=root), records=records(*facts))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "network.py").write_text("import blocks\n", "utf-8")
    (folder / "blocks.py").write_text("WIDTH = 4\n", "utf-8")
    return folder


TRAIN = ToolCall(id="c9", name="train", arguments={"network": "network.py", "script": "train.py"})


def test_training_is_refused_until_a_forward_pass_and_the_call_to_make_is_named(
    workspace: Path, tmp_path: Path
) -> None:
    verdict = DummyForwardGate().check(TRAIN, context(tmp_path))

    assert not verdict.passed
    assert verdict.reason == "network.py has not passed the forward pass; call check_network on it first"


def test_training_is_allowed_for_exactly_the_source_that_passed(workspace: Path, tmp_path: Path) -> None:
    fact = passed(context(tmp_path))

    assert DummyForwardGate().check(TRAIN, context(tmp_path, fact)).passed


@pytest.mark.parametrize("edited", ["network.py", "blocks.py"])
def test_an_edit_of_the_network_or_of_what_it_imports_voids_the_pass(
    workspace: Path, tmp_path: Path, edited: str
) -> None:
    fact = passed(context(tmp_path))
    with (workspace / edited).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")

    verdict = DummyForwardGate().check(TRAIN, context(tmp_path, fact))

    assert not verdict.passed
    assert verdict.reason == (
        "network.py or what it imports (blocks.py) changed since ViT passed the forward pass "
        f"(source {fact.source_digest[:12]}); call check_network on it again, then repeat this call"
    )


def test_going_back_to_the_source_that_passed_makes_the_pass_count_again(workspace: Path, tmp_path: Path) -> None:
    fact = passed(context(tmp_path))
    before = (workspace / "blocks.py").read_bytes()
    (workspace / "blocks.py").write_bytes(b"WIDTH = 8\n")
    refused = DummyForwardGate().check(TRAIN, context(tmp_path, fact))
    (workspace / "blocks.py").write_bytes(before)
    allowed = DummyForwardGate().check(TRAIN, context(tmp_path, fact))

    assert (refused.passed, allowed.passed) == (False, True)


def test_the_pass_of_another_file_is_no_pass(workspace: Path, tmp_path: Path) -> None:
    fact = passed(context(tmp_path), "blocks.py")

    verdict = DummyForwardGate().check(TRAIN, context(tmp_path, fact))

    assert verdict.reason == "network.py has not passed the forward pass; call check_network on it first"


def test_a_network_that_cannot_be_read_is_a_refusal_and_no_crash(workspace: Path, tmp_path: Path) -> None:
    call = ToolCall(id="c9", name="train", arguments={"network": "missing.py"})

    verdict = DummyForwardGate().check(call, context(tmp_path))

    assert not verdict.passed
    assert "missing.py is not in the workspace; it has blocks.py, network.py" in verdict.reason


def test_a_call_without_a_network_is_refused(tmp_path: Path) -> None:
    verdict = DummyForwardGate().check(ToolCall(id="c9", name="train"), context(tmp_path))

    assert not verdict.passed
    assert "train needs `network`" in verdict.reason


def test_the_verified_digests_are_those_of_all_passes(workspace: Path, tmp_path: Path) -> None:
    first = passed(context(tmp_path))
    second = passed(context(tmp_path), "blocks.py")

    assert verified_digests(records(first, trained("t1"), second)) == {first.source_digest, second.source_digest}


@pytest.mark.parametrize(
    ("arguments", "facts", "allowed", "reason"),
    [
        ({}, [], False, "no training has ended well yet; call train first"),
        ({"training": "t1"}, [], False, "no training has ended well yet; call train first"),
        ({}, ["t1", "t2"], True, "training t2 ended well"),
        ({"training": None}, ["t1", "t2"], True, "training t2 ended well"),
        ({"training": "t1"}, ["t1", "t2"], True, "training t1 ended well"),
        ({"training": "t3"}, ["t1", "t2"], False, "no training 't3' ended well; those that did are t1, t2"),
    ],
)
def test_what_needs_a_training_names_one_that_ended_well(
    tmp_path: Path, arguments: dict[str, object], facts: list[str], allowed: bool, reason: str
) -> None:
    call = ToolCall(id="c9", name="evaluate", arguments=arguments)

    verdict = TrainedGate().check(call, context(tmp_path, *map(trained, facts)))

    assert (verdict.passed, verdict.reason) == (allowed, reason)
