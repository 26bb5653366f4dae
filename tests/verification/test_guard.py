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

    answers = {
        "a class of the same file": session.run("train(network.Block())"),
        "torch's layers": session.run("train(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))"),
        "checked parts in another order": session.run("train(nn.Sequential(network.Block(), network.Block()))"),
        "a class in a cell": session.run("train(Cell())"),
    }

    assert [name for name, answer in answers.items() if "UnverifiedNetwork" not in answer] == []


def test_tensors_a_layer_alone_and_other_libraries_are_fitted_in_a_session_without_a_check(session: Session) -> None:
    session.run(PRELUDE)
    session.run("p = torch.ones(2, requires_grad=True)")
    session.run("x = torch.randn(32, 4)")

    answers = {
        "a tensor": session.run("p.sum().backward(); torch.optim.SGD([p], lr=1.0).step(); p.tolist()"),
        "a regression": session.run("train(nn.Linear(4, 1), steps=3)"),
        "another library": session.run(
            "from sklearn.linear_model import LogisticRegression as Line\nLine().fit(x.numpy(), x[:, 0].numpy() > 0)"
        ),
        "two layers": session.run("train(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))"),
    }

    assert answers["a tensor"] == "[0.0, 0.0]"
    assert answers["a regression"] == "'trained'"
    assert answers["another library"].startswith("LogisticRegression")
    assert "UnverifiedNetwork" in answers["two layers"]
    assert "call check_network" in answers["two layers"]


def test_samples_that_differ_are_counted_though_their_memory_is_filled_anew(session: Session) -> None:
    session.run(PRELUDE)
    session.run("net, data, buffer = network.Net(), torch.randn(40, 4), torch.empty(2, 4)")
    session.run("for i in range(100): net(buffer.copy_(data[2 * (i % 20) :][:2]))")
    session.run("for i in range(3): net(data[i : i + 1])")

    counted = session.run(
        "import gc\nseen = next(o for o in gc.get_objects() if type(o).__name__ == 'Batches')\n"
        "seen.samples, seen.calls, seen.marks.distinct()"
    )

    assert counted == "(203, 103, 40)"


def test_once_the_data_are_known_few_batches_are_marked_and_new_samples_are_still_found(session: Session) -> None:
    session.run(PRELUDE)
    session.run("torch.manual_seed(0)\nnet, data = network.Net(), torch.randn(300, 4)")
    epochs = "for _ in range({}):\n    for rows in torch.randperm(len(data)).split(10): net(data[rows])\n"
    found = "marks = next(o for o in gc.get_objects() if type(o).__name__ == 'Marks')\n"

    session.run(f"import gc\n{epochs.format(20)}{found}")
    assert session.run("marks.is_settled, marks.known") == "(True, 300)"
    session.run(f"before = marks.marked\n{epochs.format(20)}")
    assert session.run("marks.marked - before < 20 * 300 / 4, marks.distinct()") == "(True, 300)"
    session.run(f"data = torch.cat([data, torch.randn(100, 4)])\n{epochs.format(40)}")
    assert session.run("marks.distinct()") == "400"
    session.run(f"data = torch.randn(5000, 4)\nmarks.__init__(torch)\n{epochs.format(1)}")
    assert session.run("marks.is_settled, marks.distinct()") == "(False, 5000)"


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


def test_an_infinity_that_is_a_mask_or_the_start_of_a_maximum_is_not_blamed(session: Session) -> None:
    masked = NETWORK.replace(
        "return self.blocks(x).log() if LOG else self.blocks(x)",
        "most = torch.full((2, 4), -torch.inf)[:, :2].repeat(1, 2).triu()\n"
        "        return (torch.maximum(most, self.blocks(x)) - LOG).sqrt()",
    )
    masked = "import torch\n" + masked
    session.verify(masked, "Net")
    session.write(masked)
    session.run(PRELUDE)
    session.run("net = network.Net()\nfor p in net.parameters(): p.data.zero_()")
    forward = session.run("network.LOG = 100; train(net)")
    backward = session.run("network.LOG = torch.ones(2, 4); train(net)")

    assert "first operation: aten::sqrt" in forward
    assert (
        "The forward pass is finite. The backward pass first turns non-finite in the network itself (Net)" in backward
    )


def test_names_of_the_guards_own_files_stay_free_for_the_user(session: Session) -> None:
    for name in ("watch", "guard", "explained", "localise"):
        (session.paths.workspace / f"{name}.py").write_text("mine = 1\n", "utf-8")

    assert session.run("import torch, watch, guard, explained, localise; watch.mine + guard.mine") == "2"


def test_what_is_put_into_a_checked_network_from_outside_its_file_is_refused(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    changes = {
        "a layer swapped": "net.blocks[0] = nn.Identity()",
        "an inner layer swapped": "net.blocks[1].layer = nn.Linear(4, 4)",
        "a head attached": "net.head = nn.Linear(4, 4)",
        "a parameter attached": "net.gain = nn.Parameter(torch.ones(1))",
        "forward replaced on the object": "net.forward = lambda x: net.blocks(x) * 2",
        "forward replaced on a part": "net.blocks[0].forward = lambda x: x",
        "forward replaced on the class": "network.Block.forward = lambda self, x: self.layer(x)",
    }

    answers = {name: session.run(f"net = network.Net()\n{change}\ntrain(net)") for name, change in changes.items()}

    assert [name for name, answer in answers.items() if "UnverifiedNetwork" not in answer] == []
    assert "head of Net was set outside the checked file" in answers["a head attached"]
    assert "check_network" in answers["forward replaced on a part"]


def test_freezing_moving_and_compiling_a_checked_network_are_no_change_of_it(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE)
    session.run("net = network.Net().double().float().to('cpu'); net.blocks[0].requires_grad_(False)")

    assert session.run("train(net)") == "'trained'"
    assert session.run("import copy; train(copy.deepcopy(net))") == "'trained'"
    assert session.run("net.compile(backend='eager'); train(net)") == "'trained'"


BREAKING = """
def break_at(what, when, steps=160):
    torch.manual_seed(0)
    net = network.Net(); optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    for step in range(1, steps + 1):
        loss = net(torch.ones(2, 4)).square().mean()
        if step == when and what == "loss": loss = loss * float("nan")
        optimizer.zero_grad(); loss.backward()
        if step == when and what == "state":
            optimizer.state[net.blocks[1].layer.weight]["exp_avg"].fill_(float("nan"))
        optimizer.step()
    return "trained"
"""


def test_steps_that_pass_with_a_look_at_their_loss_only_are_named_all_the_same(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE + BREAKING)

    in_loss = session.run("break_at('loss', 140)")
    in_state = session.run("break_at('state', 140)")

    assert "stopped at step 140: the loss is nan" in in_loss
    assert "stopped at step 140: the update made parameters not finite (blocks.1.layer.weight)" in in_state
    assert "exp_avg of blocks.1.layer.weight is not finite" in in_state


def test_a_network_that_trained_under_the_watch_can_be_saved_whole_and_loaded(session: Session) -> None:
    session.verify(NETWORK, "Net")
    session.run(PRELUDE + "net = network.Net(); train(net)")

    loaded = session.run(
        "import io\nfile = io.BytesIO(); torch.save(net, file); file.seek(0)\n"
        "again = torch.load(file, weights_only=False)\n"
        "bool(torch.equal(again(torch.ones(2, 4)), net(torch.ones(2, 4))))"
    )

    assert loaded == "True"
