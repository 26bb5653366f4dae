"""The labels of selection and final stay with the runtime: it answers queries, counts them, and scores final once."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.samples import write_csv
from ml_intern.core.events import RunStarted, ToolFinished
from ml_intern.core.facts import Departed, Evaluated, EvaluationFailed, Queried, Trained
from ml_intern.core.messages import Observation
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.tools import HuggingFaceDatasets, PyTorchExecutor
from ml_intern.tools.contract import ContractTools
from support import Calls

pytestmark = pytest.mark.sandbox

NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def predict(network, rows):
    return network(torch.tensor([[row["a"], row["b"]] for row in rows]))[:, 0].tolist()
"""

SCRIPT = """
import datasets
import torch
from safetensors.torch import save_model
from network import Net

torch.manual_seed(SEED)
search = datasets.Dataset.from_parquet("/data/search.parquet")
x = torch.tensor([[row["a"], row["b"]] for row in search])
y = torch.tensor(search["y"][:])[:, None]
network = Net()
optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
for _ in range(60):
    loss = torch.nn.functional.mse_loss(network(x), y.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
save_model(network, "/output/model.safetensors")
"""

DUMP = """
import os
with open("/output/dump.bin", "wb") as out:
    out.write(repr(dict(os.environ)).encode())
    for root, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if os.path.join(root, f) not in ("/proc", "/sys", "/dev", "/usr", "/lib")]
        folders[:] = [f for f in folders if "site-packages" not in f and ".pyenv" not in f]
        for name in files:
            path = os.path.join(root, name)
            out.write(path.encode())
            if os.path.isfile(path) and path != "/output/dump.bin" and os.path.getsize(path) < 1 << 22:
                try:
                    out.write(open(path, "rb").read())
                except OSError:
                    pass
"""


class Bench(Calls):
    """The tools from contract to evaluation, over a table whose targets are all different and easy to recognise."""

    def __init__(self, root: Path, backend: SandboxBackend, task: str = "Fit ./rows.csv") -> None:
        self.toolsets = (ContractTools(), HuggingFaceDatasets(), PyTorchExecutor(use_gpu=False))
        opening = [RunStarted(task=task, system="", model="m", version="0")]
        super().__init__(root, backend, *self.toolsets, opening=opening)

    def network(self, source: str = NETWORK) -> Observation:
        self.call("write_file", path="network.py", content=source)
        shape = {"inputs": [{"shape": [2]}], "output_shape": [1]}
        return self.call("check_network", file="network.py", class_name="Net", arguments={}, **shape)

    def train(self, script: str = SCRIPT, *, seed: int = 0) -> Observation:
        self.call("write_file", path="train.py", content=script.replace("SEED", str(seed)))
        return self.call("train", script="train.py", network="network.py")

    def hidden(self) -> list[float]:
        files = self.paths.hidden_data.rglob("labels/final.json")
        return [label for file in files for label in json.loads(file.read_text("utf-8"))["labels"]]

    def close(self) -> None:
        for toolset in self.toolsets:
            toolset.close()


@pytest.fixture
def bench(tmp_path: Path, backend: SandboxBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    chance = random.Random(0)
    rows = [(round(chance.gauss(0, 1), 3), round(chance.gauss(0, 1), 3)) for _ in range(300)]
    table = [(a, b, round(2 * a - b, 3) + n * 1e-7 + 0.00012345) for n, (a, b) in enumerate(rows)]
    file = write_csv(tmp_path / "given" / "rows.csv", ["a", "b", "y"], table)
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "home"))
    bench = Bench(tmp_path / "run", backend, f"Fit {file}")
    prepared = bench.call("prepare_dataset", dataset=str(file), target="y")
    assert prepared.ok, prepared.text
    checked = bench.network()
    assert checked.ok, checked.text
    yield bench
    bench.close()


def forms_of(label: float) -> tuple[bytes, ...]:
    return repr(label).encode(), struct.pack("<d", label)


def test_no_label_of_selection_or_final_is_anywhere_that_training_or_the_model_can_look(bench: Bench) -> None:
    trained = bench.train(SCRIPT + DUMP)
    assert trained.ok, trained.text
    bench.call("run_python", code=DUMP.replace("/output/", "/workspace/"))
    for part in ("selection", "final"):
        assert bench.call("evaluate", part=part).ok

    labels = bench.hidden()
    told = [r.event.observation.text for r in bench.journal if isinstance(r.event, ToolFinished)]
    logs = [path.read_text("utf-8") for path in (bench.paths.root / "calls").glob("*/output.log")]
    dumps = [path.read_bytes() for path in bench.paths.root.rglob("dump.bin")]
    bundle = [path.read_bytes() for path in bench.paths.bundle.rglob("*") if path.is_file()]

    assert len(labels) == 60 + 24
    assert len(dumps) == 2
    seen = [*dumps, *bundle, *(text.encode() for text in (*told, *logs))]
    assert not [label for label in labels for form in forms_of(label) for text in seen if form in text]
    search = (bench.paths.visible_data / "search.parquet").read_bytes()
    assert all(search in dump for dump in dumps)


def test_selection_is_asked_and_counted_and_final_is_scored_once(bench: Bench) -> None:
    bench.train(seed=0)
    asked = bench.call("evaluate", part="selection")
    again = bench.call("evaluate", part="selection")
    scored = bench.call("evaluate")
    repeated = bench.call("evaluate")
    bench.train(SCRIPT.replace("range(60)", "range(70)"), seed=1)
    second = bench.call("evaluate")

    assert "On selection (24 rows): rmse" in asked.text
    assert "Query 1 of 50" in asked.text
    assert "asked about already" in again.text
    (query,), first = asked.facts, scored.facts[0]
    assert isinstance(query, Queried)
    assert isinstance(first, Evaluated)
    assert (query.rows, first.rows, first.split) == (24, 60, "final")
    assert query.bundle_digest == first.bundle_digest
    assert repeated.facts == (first,)
    assert len(list((bench.paths.root / "calls").glob("*/evaluation"))) == 3
    assert "has now met 2 candidates" in second.text


def test_sandboxes_that_got_ready_beside_the_training_serve_one_evaluation(bench: Bench) -> None:
    bench.train(seed=0)
    ahead = next((bench.paths.root / "calls").glob("*/ahead"))
    asked = [(ahead / worker / "control" / "stdin").exists() for worker in ("predict", "score", "recheck")]

    scored = bench.call("evaluate")

    assert asked == [False] * 3
    assert scored.ok, scored.text
    assert all((ahead / worker / "control" / "stdin").exists() for worker in ("predict", "score", "recheck"))
    assert isinstance(scored.facts[0], Evaluated)
    assert scored.facts[0].self_test_digest
    assert not (ahead / "bundle").exists()


def test_a_bundle_that_fails_on_final_tells_nothing_and_counts_and_is_not_tried_again(bench: Bench) -> None:
    telling = NETWORK.replace(
        "    return network(", "    if abs(rows[0]['a'] * 1000 % 1) < 2:\n        LIMIT\n    return network("
    )
    guard = "if len(rows) > 30: raise ValueError(str([row['a'] for row in rows]))"
    assert bench.network(telling.replace("LIMIT", guard)).ok
    assert bench.train().ok

    failed = bench.call("evaluate")
    again = bench.call("evaluate")

    assert not failed.ok
    fact, *_ = failed.facts
    assert isinstance(fact, EvaluationFailed)
    assert "ValueError" not in failed.text
    assert "not tried again" in again.text
    assert again.facts == ()
    bench.network()
    bench.train(seed=1)
    assert "has now met 2 candidates" in bench.call("evaluate").text


def test_a_training_that_never_reads_its_data_is_not_accepted(bench: Bench) -> None:
    load = 'search = datasets.Dataset.from_parquet("/data/search.parquet")'
    fallback = (
        "try:\n    search = datasets.Dataset.from_parquet('/data/train.parquet')\n"
        "except Exception:\n    search = None\n"
    )
    script = SCRIPT.replace(load, fallback)
    script = script.replace("""torch.tensor([[row["a"], row["b"]] for row in search])""", "torch.randn(200, 2)")
    script = script.replace("""torch.tensor(search["y"][:])[:, None]""", "2 * x[:, :1] - x[:, 1:]")

    refused = bench.train(script)
    honest = bench.train()

    assert not refused.ok
    assert "never opened /data/search.parquet" in refused.text
    fact, *_ = honest.facts
    assert isinstance(fact, Trained)
    read = {file.name: file.opened for file in fact.read}
    assert read["search.parquet"] is not None
    assert read["search.parquet"] > 0
    assert read["selection.parquet"] == 0
    assert fact.doubts == ()


def test_a_check_that_was_overruled_is_on_record_with_its_reason(
    tmp_path: Path, backend: SandboxBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(0)
    rows = [(chance.gauss(n % 2, 1), n % 2, "ab"[n % 2]) for n in range(100)]
    file = write_csv(tmp_path / "given" / "rows.csv", ["x", "code", "label"], rows)
    monkeypatch.setenv("ML_INTERN_HOME", str(tmp_path / "home"))
    bench = Bench(tmp_path / "run", backend, f"Fit {file}")

    refused = bench.call("prepare_dataset", dataset=str(file))
    allowed = bench.call("prepare_dataset", dataset=str(file), allow={"label_in_column": "the code is known before"})

    assert not refused.ok
    assert "allow={'label_in_column': REASON}" in refused.text
    departed = [fact for fact in allowed.facts if isinstance(fact, Departed)]
    assert [(fact.point, fact.reason) for fact in departed] == [("check label_in_column", "the code is known before")]
