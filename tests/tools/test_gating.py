"""What stands before a training through the tools: checks of the network, a smoke run of the script, waivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ml_intern.core.facts import Trained
from ml_intern.core.gated import NetworkChecked, SmokeRun, Waived
from ml_intern.core.messages import Observation
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.tools.executor import PyTorchExecutor
from support import Calls

pytestmark = pytest.mark.sandbox

LANGUAGE_MODEL = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, tokens: int = 17, width: int = 12, heads: int = 2, length: int = 10) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = nn.Embedding(tokens, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.head = nn.Linear(width, tokens)

    def forward(self, ids):
        batch, time = ids.shape
        x = self.tokens(ids) + self.positions[:time]  # (batch, time, width)
        query, key, value = (
            part.view(batch, time, self.heads, -1).transpose(1, 2) for part in self.mixed(x).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=CAUSAL)
        return self.head(x + self.out(mixed.transpose(1, 2).reshape(batch, time, -1)))


def predict(network, rows):
    return [0 for _ in rows]
"""
RIGHT, BLIND = LANGUAGE_MODEL.replace("CAUSAL", "True"), LANGUAGE_MODEL.replace("CAUSAL", "False")
CHECK: Mapping[str, object] = {
    "file": "network.py",
    "class_name": "Net",
    "arguments": {},
    "inputs": [{"shape": [10], "dtype": "int64", "high": 17}],
    "output_shape": [10, 17],
}

SCRIPT = """
import torch
from safetensors.torch import save_model
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from network import Net

torch.manual_seed(0)
network = Net()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
ids = torch.randint(0, 17, (64, 11))
best = -1.0
for epoch in range(3):
    for (rows,) in DataLoader(TensorDataset(ids), batch_size=8):
        loss = F.cross_entropy(network(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("before the end")
AT_THE_END
save_model(network, "/output/model.safetensors")
"""


class Bench(Calls):
    """The executor with a workspace of its own."""

    def __init__(self, root: Path, backend: SandboxBackend) -> None:
        self.executor = PyTorchExecutor(use_gpu=False)
        super().__init__(root, backend, self.executor)

    def check(self, source: str, **claims: object) -> Observation:
        self.call("write_file", path="network.py", content=source)
        return self.call("check_network", **CHECK, claims=claims)

    def train(self, end: str = "pass") -> Observation:
        self.call("write_file", path="train.py", content=SCRIPT.replace("AT_THE_END", end))
        return self.call("train", script="train.py", network="network.py")


@pytest.fixture
def bench(tmp_path: Path, backend: SandboxBackend) -> Iterator[Bench]:
    bench = Bench(tmp_path / "run", backend)
    yield bench
    bench.executor.close()


def test_a_claim_that_does_not_hold_keeps_a_network_from_training_until_it_is_waived(bench: Bench) -> None:
    refused = bench.check(BLIND, task="lm", causal=True, heads=2)
    untrained = bench.train()
    bench.call("waive", check="causality", reason="the task looks at both sides")
    let = bench.check(BLIND, task="lm", causal=True)

    (found,) = refused.facts
    assert isinstance(found, NetworkChecked)
    assert (refused.ok, found.failed, found.unmeasured) == (False, ("causality",), ("heads",))
    assert "causality: " in refused.text
    assert "network.py:" in refused.text
    assert "check_network" in untrained.text
    checked = let.facts[-1]
    assert let.ok, let.text
    assert isinstance(checked, NetworkChecked)
    assert (checked.failed, checked.waived) == ((), {"causality": "the task looks at both sides"})


def test_a_claim_made_later_that_does_not_hold_voids_the_pass(bench: Bench) -> None:
    passed = bench.check(BLIND)
    bench.check(BLIND, task="lm", causal=True)

    refused = bench.train()

    assert passed.ok, passed.text
    assert not refused.ok
    assert "check_network" in refused.text


def test_a_script_that_fails_at_its_end_is_stopped_before_it_trains(bench: Bench) -> None:
    bench.check(RIGHT, task="lm", causal=True)

    stopped = bench.train("print(best_loss)")
    trained = bench.train()
    again = bench.train()

    (smoke,) = stopped.facts
    assert isinstance(smoke, SmokeRun)
    assert smoke.steps < 24
    assert "smoke run" in stopped.text
    assert "best_loss" in stopped.text
    fact, ran = trained.facts
    assert isinstance(fact, Trained)
    assert isinstance(ran, SmokeRun)
    assert (fact.steps, ran.reached_end, ran.problem) == (24, True, "")
    assert [type(found) for found in again.facts] == [Trained]


@pytest.mark.parametrize(
    ("beginning", "is_ready"),
    [
        ("", True),
        ("import os; os.environ['OMP_NUM_THREADS'] = '1'\n", False),
        ("import sacrebleu; assert sacrebleu.OWN\n", False),
    ],
    ids=["as most are", "sets what torch reads at its import", "has a module of an installed one's name"],
)
def test_a_training_stands_by_with_torch_while_its_script_is_smoked(
    bench: Bench, beginning: str, is_ready: bool
) -> None:
    bench.check(RIGHT, task="lm", causal=True)
    bench.call("write_file", path="sacrebleu.py", content="OWN = True")
    told = "import sys; print('ready:', 'torch' in sys.modules)\n"
    bench.call("write_file", path="train.py", content=beginning + told + SCRIPT.replace("AT_THE_END", "pass"))

    trained = bench.call("train", script="train.py", network="network.py")

    assert trained.ok, trained.text
    log = (bench.paths.call(trained.facts[0].call_id) / "output.log").read_text("utf-8")  # type: ignore[union-attr]
    assert f"ready: {is_ready}" in log


def test_a_waiver_needs_a_known_check_and_a_reason(bench: Bench) -> None:
    unknown = bench.call("waive", check="beauty", reason="none")
    silent = bench.call("waive", check="causality", reason=" ")
    smoke = bench.call("waive", check="smoke-run", reason="it needs an hour to load")
    bench.check(RIGHT)

    assert not unknown.ok
    assert not silent.ok
    assert smoke.facts == (Waived(check="smoke-run", reason="it needs an hour to load"),)
    assert [type(found) for found in bench.train().facts] == [Trained]


FINE_TUNED = """
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification


class Net(nn.Module):
    def __init__(self, **sizes) -> None:
        super().__init__()
        self.body = BertForSequenceClassification(BertConfig(**sizes))

    def forward(self, ids):
        return self.body(ids).logits SPOILED


def predict(network, rows):
    return [0 for _ in rows]
"""
TINY = {
    "vocab_size": 19,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 14,
    "max_position_embeddings": 16,
    "num_labels": 3,
}


def test_an_installed_network_with_a_configuration_takes_the_short_path(bench: Bench) -> None:
    asked = {**CHECK, "arguments": TINY, "inputs": [{"shape": [10], "dtype": "int64", "high": 19}], "output_shape": [3]}
    bench.call("write_file", path="network.py", content=FINE_TUNED.replace(" SPOILED", ""))

    passed = bench.call("check_network", **asked)
    bench.call("write_file", path="network.py", content=FINE_TUNED.replace(" SPOILED", ".detach()"))
    cut_off = bench.call("check_network", **asked)

    assert passed.ok, passed.text
    checked = passed.facts[-1]
    assert isinstance(checked, NetworkChecked)
    assert ("forward" in checked.passed, checked.failed) == (True, ())
    assert {"view-axes", "batch-independence"} <= set(checked.not_applicable)
    assert "no gradient reaches any parameter" in cut_off.text


TWIN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 12, heads: int = 2, tokens: int = 19, length: int = 16) -> None:
        super().__init__()
        self.heads = heads
        self.tokens, self.positions = nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.after = nn.LayerNorm(width, eps=1e-12)
        self.wide, self.narrow = nn.Linear(width, 14), nn.Linear(14, width)
        self.last = nn.LayerNorm(width, eps=1e-12)

    def forward(self, ids):
        batch, time = ids.shape
        x = self.norm(self.tokens(ids) + self.positions(torch.arange(time)))  # (batch, time, width)
        query, key, value = (
            part.view(batch, time, self.heads, -1).transpose(1, 2) for part in self.mixed(x).chunk(3, dim=-1)
        )
        scores = query @ key.transpose(-2, -1) SCALE
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, time, -1)
        x = self.after(x + self.out(mixed))
        return self.last(x + self.narrow(nn.functional.gelu(self.wide(x))))


def predict(network, rows):
    return [0 for _ in rows]
"""
DISTILLED = {
    "vocab_size": 19, "dim": 12, "n_layers": 1, "n_heads": 2, "hidden_dim": 14, "max_position_embeddings": 16,
    "activation": "gelu",
}  # fmt: skip


def test_a_network_is_listed_and_held_to_a_reference_with_its_weights_copied(bench: Bench) -> None:
    bench.call("write_file", path="network.py", content=TWIN.replace("SCALE", "/ 6**0.5"))
    unchecked = bench.call("inspect_network", file="network.py")
    asked = {**CHECK, "inputs": [{"shape": [10], "dtype": "int64", "high": 19}], "output_shape": [10, 12]}
    checked = bench.call("check_network", **asked)
    reference = {"reference": "transformers.DistilBertModel", "reference_arguments": DISTILLED}

    equal = bench.call("inspect_network", file="network.py", **reference)
    bench.call("edit_file", path="network.py", old="/ 6**0.5", new="/ 12**0.5")
    other = bench.call("inspect_network", file="network.py", **reference)

    assert "check_network" in unchecked.text
    assert checked.ok, checked.text
    assert "Equal to transformers.DistilBertModel with the same 16 tensors" in equal.text, equal.text
    assert "DIFFERS from transformers.DistilBertModel" in other.text
    (mixed,) = [line for line in equal.text.splitlines() if line.startswith("mixed")]
    assert mixed.split()[1:] == ["(2,", "10,", "36)", "468", "0.009", mixed.split()[-2], "Linear"]
    assert (bench.paths.outputs / f"c{len(bench.journal.records) - 2}" / "gradients.png").stat().st_size > 1000


def test_an_edit_replaces_a_text_that_occurs_once_and_says_where_it_is_otherwise(bench: Bench) -> None:
    bench.call("write_file", path="notes.txt", content="one\ntwo\ntwo\nthree four\n")

    done = bench.call("edit_file", path="notes.txt", old="one\n", new="1\n")
    again = bench.call("edit_file", path="notes.txt", old="one\n", new="1\n")
    twice = bench.call("edit_file", path="notes.txt", old="two", new="2")
    absent = bench.call("edit_file", path="notes.txt", old="three  four", new="7")
    missing = bench.call("edit_file", path="none.txt", old="a", new="b")

    assert (done.text, again.text) == ("Edited /workspace/notes.txt at line 1.",) * 2
    assert "2 times in notes.txt, at lines 2, 3" in twice.text
    assert "though line 4 is like it: 'three four'" in absent.text
    assert not missing.ok
    assert bench.call("read_file", path="notes.txt").text == "1\ntwo\ntwo\nthree four"
