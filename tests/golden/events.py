"""One event of every type and one fact of every kind, as schema version 1 knows them. Never edit: add a version."""

from __future__ import annotations

from ml_intern.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    GateDecided,
    ModelAsked,
    ModelReplied,
    Nudged,
    RunFinished,
    RunReopened,
    RunStarted,
    ToolFinished,
    ToolStarted,
)
from ml_intern.core.facts import (
    Column,
    Constraint,
    ContractAgreed,
    DatasetPrepared,
    Departed,
    Evaluated,
    NetworkVerified,
    Noted,
    Published,
    Score,
    Trained,
)
from ml_intern.core.messages import Observation, Reply, ToolCall, Usage
from ml_intern.journal.sqlite import INLINE_LIMIT

CALL = ToolCall(id="call-1", name="train", arguments={"script": "train.py", "hyperparameters": {"epochs": 3}})

FACTS = (
    ContractAgreed(
        objective="classify",
        deliverables=("trained_model", "published_model"),
        constraints=(Constraint(name="epochs", value="3", words="for 3 epochs"),),
        dataset="sklearn/digits",
        metric=None,
        plan=("train",),
    ),
    Departed(point="patch size", decision="2x2", reason="8x8 images"),
    DatasetPrepared(
        dataset="sklearn/digits",
        revision="1",
        digest="d1",
        task="classification",
        inputs=(Column(name="image", kind="image", detail="8x8"),),
        target="label",
        classes=("0", "1"),
        rows={"search": 10, "selection": 2, "final": 4},
        seed=0,
    ),
    NetworkVerified(
        file="network.py",
        class_name="Net",
        arguments='{"classes": 2}',
        source_digest="s1",
        input_shapes=("(2, 1, 8, 8)",),
        output_shape="(2, 2)",
        parameters=130,
    ),
    Trained(
        call_id="call-1",
        source_digest="s1",
        script_digest="t1",
        weights_digest="w1",
        dataset_digest="d1",
        hyperparameters={"epochs": "3"},
        reported={"accuracy": 0.9},
        steps=30,
        optimizer="AdamW",
        last_loss=None,
        seconds=1.5,
        device="cpu",
    ),
    Evaluated(
        call_id="call-2",
        train_call_id="call-1",
        bundle_digest="b1",
        weights_digest="w1",
        dataset_digest="d1",
        split="final",
        rows=4,
        scores=(Score(metric="accuracy", value=0.75, low=0.25, high=1.0, baseline=0.5, higher_is_better=True),),
        environment={"torch": "2.13.0"},
    ),
    Published(repository="local/net", revision="r1", url="file:///net", location="folder", bundle_digest="b1"),
    Noted(name="mine", values={"a": "b"}),
)

EVENTS: tuple[Event, ...] = (
    RunStarted(task="train", system="rules", model="scripted", version="0.1.0"),
    ModelAsked(key="0.0", reserved=Usage(input_tokens=5, usd=None)),
    ModelReplied(
        key="0.0",
        reply=Reply(
            text="go",
            calls=(CALL, ToolCall(id="call-2", name="x", malformed="{")),
            usage=Usage(input_tokens=5, output_tokens=2, cached_tokens=1, usd=0.01),
            model="m",
            provider='{"parts": []}',
        ),
    ),
    GateDecided(call_id="call-1", gate="dummy_forward", passed=True, reason="passed"),
    ApprovalAsked(call_id="call-1", reason="train needs a yes"),
    ApprovalAnswered(call_id="call-1", approved=True, comment="go"),
    ToolStarted(call=CALL),
    ToolFinished(call=CALL, observation=Observation(text="é" * INLINE_LIMIT, ok=False, facts=FACTS)),
    Nudged(reason="repetition", text="again?"),
    RunFinished(outcome="limit", text="30 iterations"),
    RunReopened(reason="more"),
)
