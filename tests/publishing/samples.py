"""A small model with all its facts, for tests that publish one; the weights are written without torch."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

from ml_intern.core.events import Event, Record, RunStarted, ToolFinished
from ml_intern.core.facts import (
    Column,
    Constraint,
    ContractAgreed,
    DatasetPrepared,
    Departed,
    Evaluated,
    Fact,
    NetworkVerified,
    Score,
    Trained,
)
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.publishing.bundle import Bundle, build
from ml_intern.publishing.prose import Prose
from ml_intern.publishing.record import ModelRecord, gather

RUN = "run-1"
SENTENCE = "Train an MLP with dropout 0.25 on the digits for 3 epochs and publish it."
NETWORK = b'''"""A linear classifier of flowers."""

import torch
from scaling import SCALE


class Net(torch.nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x * SCALE)


def predict(network: Net, rows: list[dict]) -> list[int]:
    x = torch.tensor([[row["width"], row["length"]] for row in rows])
    with torch.no_grad():
        return network(x).argmax(dim=1).tolist()
'''
SOURCE = {"network.py": NETWORK, "scaling.py": b"SCALE = 2.0\n"}
PROSE = Prose(
    title="Flowers",
    summary="A linear classifier.\n\nIt is small.",
    intended_use="To show how publishing works.",
    limitations="Flowers of other meadows were not tried.",
    license="mit",
)


def safetensors(*, classes: int = 3, fill: float = 0.5) -> bytes:
    """Write the weights of the network: every weight is `fill`, the last class has the largest bias."""
    weight, bias = [fill] * (2 * classes), [float(n) for n in range(classes)]
    header = {
        "linear.bias": {"dtype": "F32", "shape": [classes], "data_offsets": [0, 4 * classes]},
        "linear.weight": {"dtype": "F32", "shape": [classes, 2], "data_offsets": [4 * classes, 12 * classes]},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + struct.pack(f"<{3 * classes}f", *bias, *weight)


WEIGHTS_DIGEST = hashlib.sha256(safetensors()).hexdigest()
CONTRACT = ContractAgreed(
    objective="classify flowers",
    deliverables=("published_model",),
    constraints=(Constraint(name="epochs", value="3", words="for 3 epochs"),),
    dataset="flowers",
    metric="accuracy",
)
DEPARTED = Departed(point="batch size", decision="64", reason="the sentence left it open")
DATASET = DatasetPrepared(
    dataset="meadow/flowers",
    revision="a" * 40,
    digest="d" * 64,
    task="classification",
    inputs=(Column(name="width", kind="number"), Column(name="length", kind="number")),
    target="kind",
    classes=("daisy", "poppy", "rose"),
    rows={"search": 100, "selection": 20, "final": 40},
    seed=7,
)
VERIFIED = NetworkVerified(
    file="network.py",
    class_name="Net",
    arguments='{"classes": 3}',
    source_digest="5" * 64,
    input_shapes=("(2, 2)",),
    output_shape="(2, 3)",
    parameters=9,
)
TRAINED = Trained(
    call_id="train-1",
    source_digest=VERIFIED.source_digest,
    script_digest="6" * 64,
    weights_digest=WEIGHTS_DIGEST,
    dataset_digest=DATASET.digest,
    hyperparameters={"learning_rate": "0.003", "epochs": "3"},
    reported={"accuracy": 0.9999},
    steps=120,
    optimizer="AdamW",
    last_loss=0.3141,
    seconds=12.5,
    device="cpu",
)
SCORE = Score(metric="accuracy", value=0.8765, low=0.7321, high=0.9432, baseline=0.3333, higher_is_better=True)


def evaluated(bundle: Bundle) -> Evaluated:
    """Say that `bundle` was scored."""
    return Evaluated(
        call_id="evaluate-1",
        train_call_id=TRAINED.call_id,
        bundle_digest=bundle.digest,
        weights_digest=WEIGHTS_DIGEST,
        dataset_digest=DATASET.digest,
        split="final",
        rows=40,
        scores=(SCORE,),
        environment={"torch": "2.13.0", "python": "3.11"},
    )


def build_sample(destination: Path, *, weights: bytes | None = None, trained: Trained = TRAINED) -> Bundle:
    """Build the bundle at `destination` from weights written beside it."""
    file = destination.with_name("trained.safetensors")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(safetensors() if weights is None else weights)
    return build(destination, trained=trained, network=VERIFIED, dataset=DATASET, source=SOURCE, weights=file, run=RUN)


def journal(*facts: Fact) -> list[Record]:
    """Give the records of a run whose calls proved `facts`, one each."""
    start = RunStarted(task=SENTENCE, system="", model="built-in recipes, no language model", version="0.1.0")
    ends = [
        ToolFinished(call=ToolCall(id=f"c{n}", name="any"), observation=Observation(text="", facts=(fact,)))
        for n, fact in enumerate(facts)
    ]
    events: list[Event] = [start, *ends]
    return [Record(seq=n, at=float(n), event=event) for n, event in enumerate(events)]


def sample_records(bundle: Bundle, *, dataset: DatasetPrepared = DATASET) -> list[Record]:
    """Give the records of the run that made `bundle`."""
    return journal(CONTRACT, DEPARTED, dataset, VERIFIED, TRAINED, evaluated(bundle))


def sample_record(bundle: Bundle, *, dataset: DatasetPrepared = DATASET) -> ModelRecord:
    """Give what is known about the model of `bundle`."""
    return gather(sample_records(bundle, dataset=dataset), run=RUN)


def images(dataset: DatasetPrepared = DATASET) -> DatasetPrepared:
    """Give the data set with an image as its only input."""
    return replace(dataset, inputs=(Column(name="picture", kind="image", detail="RGB 28x32"),))
