"""The guard inside a session: `optimizer.step()` needs a network of a file that passed the forward pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import Mount, Sandbox, SandboxBackend, SandboxSpec
from ml_intern.verification.training import guard_mounts

pytestmark = pytest.mark.sandbox

NETWORK = """
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.layer(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())

    def forward(self, x):
        return self.blocks(x).log() if LOG else self.blocks(x)


LOG = False
"""

PRELUDE = """
import torch, network
from torch import nn

def train(net, steps=1, hurt=lambda step, loss: loss):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        loss = hurt(step, net(torch.ones(2, 4)).square().mean())
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    return "trained"
"""


class Session:
    """A session with the guard, and the host's list of checked files beside it."""

    def __init__(self, paths: RunPaths, sandbox: Sandbox) -> None:
        self.paths = paths
        self.sandbox = sandbox

    def write(self, source: str) -> None:
        (self.paths.workspace / "network.py").write_text(source, "utf-8")

    def verify(self, source: str, *classes: str) -> None:
        digest = hashlib.sha256(source.encode()).hexdigest()
        listing = {"files": {digest: "network.py"}, "networks": {digest: classes}}
        draft = self.paths.root / "verified" / "draft"
        draft.write_text(json.dumps(listing), "utf-8")
        draft.replace(draft.with_name("digests.json"))

    def run(self, code: str) -> str:
        """Give the value, or the error."""
        done = self.sandbox.execute(code, timeout=120, on_output=lambda _text: None)
        return done.error or done.value or ""


@pytest.fixture
def session(backend: SandboxBackend, tmp_path: Path) -> Iterator[Session]:
    paths = RunPaths(root=tmp_path / "run")
    paths.workspace.mkdir(parents=True)
    spec = SandboxSpec(
        run="run",
        mounts=(Mount(source=paths.workspace, target="/workspace", writable=True), *guard_mounts(paths)),
        environment={"PYTHONPATH": "/opt/ml-intern/guard:/workspace"},
    )
    sandbox = backend.open(spec)
    session = Session(paths, sandbox)
    session.write(NETWORK)
    yield session
    sandbox.close()


def test_nothing_trains_before_a_check_and_the_checked_class_does_after_it(session: Session) -> None:
    before = session.run(f"{PRELUDE}\ntrain(network.Net())")
    session.verify(NETWORK, "Net")

    assert "UnverifiedNetwork" in before
    assert "call check_network for network.py" in before
    assert session.run("train(network.Net())") == "'trained'"


def test_what_was_not_checked_as_a_whole_is_refused(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    session.run("class Cell(network.Net): pass")
    session.run("p = torch.ones(2, requires_grad=True)")

    answers = {
        "a class of the same file": session.run("train(network.Block())"),
        "torch's layers": session.run("train(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))"),
        "checked parts in another order": session.run("train(nn.Sequential(network.Block(), network.Block()))"),
        "a class in a cell": session.run("train(Cell())"),
        "a raw tensor": session.run("p.sum().backward(); torch.optim.SGD([p], lr=1.0).step()"),
    }

    assert [name for name, answer in answers.items() if "UnverifiedNetwork" not in answer] == []


def test_wrappers_that_add_nothing_trained_are_allowed(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)

    assert session.run("train(nn.Sequential(network.Net()))") == "'trained'"
    assert session.run("train(nn.DataParallel(network.Net()))") == "'trained'"
    assert session.run("train(torch.compile(network.Net(), backend='eager'))") == "'trained'"


def test_an_edit_counts_once_it_is_imported_and_only_if_it_was_checked(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    edited = NETWORK.replace("x + self", "x - self")
    session.write(edited)

    assert session.run("train(network.Net())") == "'trained'"  # what was imported is what was checked
    assert "UnverifiedNetwork" in session.run("import importlib; importlib.reload(network); train(network.Net())")
    session.verify(edited, "Net")
    assert session.run("train(network.Net())") == "'trained'"
    session.run("old = network.Net(); importlib.reload(network)")
    assert "earlier import" in session.run("train(old)")


def test_a_changed_file_that_was_checked_but_not_imported_again_asks_for_it(session: Session) -> None:
    session.run(PRELUDE)
    edited = NETWORK.replace("x + self", "x - self")
    session.write(edited)
    session.verify(edited, "Net")

    assert "importlib.reload(network)" in session.run("train(network.Net())")


def test_an_optimizer_is_judged_again_when_it_gets_more_parameters(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    session.run(
        "net = network.Net(); o = torch.optim.SGD(net.parameters(), lr=0.1); net(torch.ones(1, 4)).sum().backward()"
    )

    assert session.run("o.step(); 'stepped'") == "'stepped'"
    assert "UnverifiedNetwork" in session.run(
        "o.add_param_group({'params': [*nn.Linear(2, 2).parameters()]}); o.step()"
    )


def test_nan_in_a_session_is_stopped_and_placed(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    data = session.run("net = network.Net(); train(net, 9, lambda n, loss: loss * float('nan') if n == 3 else loss)")
    inside = session.run("network.LOG = True; net = network.Net(); net.blocks[1].layer.bias.data -= 9; train(net, 3)")

    assert "stopped at step 3: the loss is nan" in data
    assert "look at the loss that is computed from it" in data
    assert "stopped at step 1: the loss is nan" in inside


def test_names_of_the_guards_own_files_stay_free_for_the_user(session: Session) -> None:
    for name in ("watch", "guard", "frame_facts", "localise"):
        (session.paths.workspace / f"{name}.py").write_text("mine = 1\n", "utf-8")

    assert session.run("import torch, watch, guard, frame_facts, localise; watch.mine + guard.mine") == "2"
