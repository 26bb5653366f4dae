"""Sessions, files, the forward check and training through the tools, in a real sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from ml_intern.core.errors import SandboxError
from ml_intern.core.events import RunStarted, ToolFinished, ToolStarted
from ml_intern.core.facts import NetworkVerified, Trained
from ml_intern.core.followed import PaperPoint, PaperSwept
from ml_intern.core.live import Live, Metric, ToolOutput
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.sandbox import Sandbox, SandboxBackend, SandboxSpec
from ml_intern.tools.executor import PyTorchExecutor
from support import Calls

NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def predict(network, rows):
    inputs = torch.tensor([[float(row["x"])] * 8 for row in rows])
    return network(inputs).argmax(1).tolist()
"""

SCRIPT = """
import json
from pathlib import Path

import torch
from safetensors.torch import save_model
from torch.nn import functional as F

from network import Net

settings = json.loads(Path("hyperparameters.json").read_text())
torch.manual_seed(0)
network = Net()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
inputs = torch.randn(64, 8)
labels = (inputs[:, 0] > 0).long()
for step in range(1, settings["steps"] + 1):
    loss = F.cross_entropy(network(inputs), labels)
    if step == settings.get("nan_at"):
        loss = loss * float("nan")
    if step > settings.get("spike_after", 10**9):
        loss = loss * 100
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
save_model(network, "/output/model.safetensors")
"""

CHECK = {"class_name": "Net", "arguments": {"classes": 3}, "inputs": [{"shape": [8]}], "output_shape": [3]}


class Bench(Calls):
    """The executor, and the calls that most tests make."""

    def __init__(self, root: Path, backend: SandboxBackend) -> None:
        self.executor = PyTorchExecutor(use_gpu=False)
        super().__init__(root, backend, self.executor)

    def check(self, source: str = NETWORK) -> Observation:
        self.call("write_file", path="network.py", content=source)
        return self.call("check_network", file="network.py", **CHECK)

    def train(self, script: str = SCRIPT, **hyperparameters: object) -> Observation:
        self.call("write_file", path="train.py", content=script)
        given = {"steps": 40, **hyperparameters}
        return self.call("train", script="train.py", network="network.py", hyperparameters=given)

    def output(self) -> Path:
        """Give the folder that the last training wrote to."""
        return max(self.paths.outputs.iterdir(), key=lambda folder: int(folder.name[1:]))


@pytest.fixture
def bench(tmp_path: Path, backend: SandboxBackend) -> Iterator[Bench]:
    bench = Bench(tmp_path / "run", backend)
    yield bench
    bench.executor.close()


@pytest.mark.sandbox
def test_a_checked_network_trains_and_the_fact_says_what_was_seen(bench: Bench) -> None:
    checked = bench.check()

    trained = bench.train()

    assert checked.ok, checked.text
    assert trained.ok, trained.text
    verified, fact = checked.facts[0], trained.facts[0]
    assert isinstance(verified, NetworkVerified)
    assert isinstance(fact, Trained)
    assert (fact.source_digest, fact.steps, fact.optimizer) == (verified.source_digest, 40, "AdamW")
    assert (fact.device, fact.hyperparameters, fact.reported) == ("cpu", {"steps": "40"}, {})
    assert "read_file calls/" in trained.text


@pytest.mark.sandbox
def test_a_script_that_prints_nothing_is_watched(bench: Bench) -> None:
    bench.check()

    bench.train()

    shown = [event for event in bench.live if isinstance(event, Metric)]
    assert not [event for event in bench.live if isinstance(event, ToolOutput)]
    assert (shown[0].step, shown[-1].step, shown[-1].total) == (1, 40, 40)
    assert {"loss", "gradient_norm", "learning_rate"} <= set(shown[-1].values)
    kept = (bench.paths.call(bench.output().name) / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in kept] == [event.step for event in shown]


@pytest.mark.sandbox
def test_training_of_an_edited_network_is_refused(bench: Bench) -> None:
    bench.check()
    bench.call("write_file", path="network.py", content=NETWORK.replace("16", "32"))

    refused = bench.train()

    assert not refused.ok
    assert "check_network" in refused.text


@pytest.mark.sandbox
def test_a_script_that_does_not_import_the_network_is_refused(bench: Bench) -> None:
    bench.check()

    refused = bench.train("print('no network')")

    assert "does not import network.py" in refused.text


@pytest.mark.sandbox
def test_a_script_that_trains_another_network_than_the_checked_one_is_stopped(bench: Bench) -> None:
    bench.check()

    refused = bench.train(SCRIPT.replace("network = Net()", "network = torch.nn.Linear(8, 3)"))

    assert not refused.ok
    assert "UnverifiedNetwork" in refused.text


@pytest.mark.sandbox
def test_nan_stops_the_training_and_names_the_step(bench: Bench) -> None:
    bench.check()

    stopped = bench.train(nan_at=7)

    assert not stopped.ok
    assert "diverged at step 7, the loss is nan" in stopped.text
    assert bench.live[-1] == Metric(call_id=bench.output().name, step=7, values=_values(bench.live[-1]), total=40)


def _values(event: Live) -> dict[str, float]:
    assert isinstance(event, Metric)
    return dict(event.values)


@pytest.mark.sandbox
def test_a_loss_that_jumps_and_stays_high_stops_the_training_unless_it_is_meant(bench: Bench) -> None:
    bench.check()

    stopped = bench.train(steps=60, spike_after=30)
    meant = bench.train(steps=60, spike_after=30, stop_on_spike=False)

    assert "diverged at step 33" in stopped.text
    assert meant.ok, meant.text


@pytest.mark.sandbox
def test_loaders_with_worker_processes_and_child_processes_work_under_the_watch(bench: Bench) -> None:
    bench.check()
    loader = (
        "import subprocess, sys\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "child = [sys.executable, '-c', 'import torch; print(3)']\n"
        "assert subprocess.run(child, check=True, stdout=-1).stdout == b'3\\n'\n"
        "rows = TensorDataset(torch.randn(8, 8))\n"
        "for method in ('fork', 'spawn'):\n"
        "    for batch in DataLoader(rows, num_workers=2, multiprocessing_context=method):\n"
        "        assert batch[0].shape == (1, 8)\n"
    )
    script = SCRIPT.replace("network = Net()", "network = Net()\nif __name__ == '__main__':\n    exec(LOADER)")
    trained = bench.train(f"LOADER = {loader!r}\n{script}")

    assert trained.ok, trained.text


@pytest.mark.sandbox
def test_weights_that_are_a_link_missing_or_broken_are_refused(bench: Bench) -> None:
    bench.check()
    save = 'save_model(network, "/output/model.safetensors")'
    link = f"{save.replace('model.', 'other.')}\nPath('/output/model.safetensors').symlink_to('other.safetensors')"
    broken = "Path('/output/model.safetensors').write_bytes(b'\\x80' * 100)"
    endless = "with torch.no_grad():\n    network.layers[0].weight[0, 0] = float('inf')\n" + save

    texts = {
        name: bench.train(SCRIPT.replace(save, instead)).text
        for name, instead in {"link": link, "missing": "", "broken": broken, "infinite": endless}.items()
    }

    assert "links are not followed" in texts["link"]
    assert "does not exist" in texts["missing"]
    assert "no safetensors file" in texts["broken"]
    assert "NaN or infinity" in texts["infinite"]


@pytest.mark.sandbox
def test_self_reported_numbers_are_taken_strictly(bench: Bench) -> None:
    bench.check()
    say = "\nPath('/output/metrics.json').write_text(json.dumps({text}))"

    good = bench.train(SCRIPT + say.format(text="{'accuracy': 0.5, 'name': 'x'}"))
    bad = bench.train(SCRIPT + say.format(text="[1]"))

    fact, *_ = good.facts
    assert isinstance(fact, Trained)
    assert fact.reported == {"accuracy": 0.5}
    assert bad.ok
    assert "metrics.json is ignored" in bad.text


@pytest.mark.sandbox
def test_a_failing_script_is_explained_by_its_own_line_and_the_shapes_there(bench: Bench) -> None:
    bench.check()
    own = "def call(x):\n    return network(x)\n\n\nnetwork"
    script = SCRIPT.replace("network = Net()", f"{own} = Net()").replace("network(inputs)", "call(inputs[:, :5])")

    failed = bench.train(script)

    assert "exit status 1" in failed.text
    assert "mat1 and mat2 shapes cannot be multiplied" in failed.text
    assert "x = float32[64, 5]" in failed.text
    assert "Linear(in_features=8) wants 8 on the last axis, its input has 5" in failed.text
    assert "Traceback" not in failed.text


@pytest.mark.sandbox
def test_the_session_keeps_variables_and_says_when_they_are_gone(bench: Bench) -> None:
    first = bench.call("run_python", code="x = 41")
    second = bench.call("run_python", code="x + 1")
    bench.executor.close()
    third = bench.call("run_python", code="x")

    assert (first.text, second.text) == ("(no output)", "→ 42")
    assert not third.ok
    assert third.text.startswith("(A new session: variables of earlier calls are gone")


@pytest.mark.sandbox
def test_long_output_is_bounded_for_the_model_and_whole_on_disk(bench: Bench) -> None:
    shown = bench.call("run_python", code="import random\nfor n in range(3000): print(chr(97 + n % 26) * (n % 60 + 1))")

    call = bench.journal.records[0].event
    assert isinstance(call, ToolStarted)
    assert len(shown.text) < 4400
    assert len((bench.paths.call(call.call.id) / "output.log").read_text("utf-8").splitlines()) == 3000
    assert bench.call("read_file", path=f"calls/{call.call.id}/output.log", start_line=3000).text.endswith("j" * 60)


@pytest.mark.sandbox
def test_a_table_of_alike_lines_is_shown_whole_and_what_is_folded_says_where_the_rest_is(bench: Bench) -> None:
    few = bench.call("run_python", code="for n in range(8): print(f'rate {n / 10} accuracy {n / 8:.3f}')").text
    many = bench.call("run_python", code="for n in range(80): print(f'rate {n / 10} accuracy {n / 80:.6f}')").text

    assert few.splitlines() == [f"rate {n / 10} accuracy {n / 8:.3f}" for n in range(8)]
    assert "more lines like this" in many
    assert "(all of it: read_file calls/" in many


@pytest.mark.sandbox
def test_a_call_that_kept_no_output_says_so(bench: Bench) -> None:
    shown = bench.call("read_file", path="calls/c7/output.log")

    assert (shown.ok, shown.text) == (
        False,
        "calls/c7/output.log: no such file is kept; what the call said is its answer",
    )


@pytest.mark.sandbox
def test_a_training_already_says_where_it_differs_from_the_paper(bench: Bench) -> None:
    point = PaperPoint(name="optimizer", values=("sgd",), quotation="We use SGD.", anchor="3")
    swept = PaperSwept(paper="2010.11929v2", title="T", source="html", points=(point,))
    bench.check()
    bench.journal.append(
        ToolFinished(
            call=ToolCall(id="p", name="sweep_paper", arguments={}), observation=Observation(text="", facts=(swept,))
        )
    )

    said = bench.train().text

    assert "2010.11929v2 says otherwise: optimizer: the paper sgd (section 3), ours adamw. Record a `departure`" in said


@pytest.mark.sandbox
def test_claims_of_the_wrong_kind_are_refused_with_what_they_must_be(bench: Bench) -> None:
    bench.call("write_file", path="network.py", content=NETWORK)

    def claim(**claims: object) -> str:
        return bench.call("check_network", file="network.py", claims=claims, **CHECK).text

    assert claim(readout="cls") == "claims.readout (which token the head reads) must be a number; got 'cls'"
    assert claim(positional="yes") == "positional: 'yes' is neither 'tokens' nor 'patches:P' with the size of a patch"
    assert "No check measures the claims heads; known are task (a kind)" in claim(heads=4)
    assert "readout (number of the token that the head reads)" in claim(heads=4)


@pytest.mark.sandbox
def test_a_file_that_is_too_long_is_shown_up_to_a_whole_line_and_says_where_it_goes_on(bench: Bench) -> None:
    rows = [f"{n} {'x' * (n % 90)}" for n in range(1, 401)]
    (bench.paths.workspace / "long.txt").write_text("\n".join(rows), "utf-8")
    (bench.paths.workspace / "wide.txt").write_text("y" * 20_000, "utf-8")

    seen: list[str] = []
    start = 1
    while start:
        note, *shown = bench.call("read_file", path="long.txt", start_line=start, lines=400).text.splitlines()
        seen += shown
        start = int(note.rpartition("start_line=")[2].rstrip(")")) if "start_line=" in note else 0
    wide = bench.call("read_file", path="wide.txt").text

    assert seen == rows
    assert "12000 characters left out" in wide


@pytest.mark.sandbox
def test_files_outside_the_workspace_are_neither_read_nor_written(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden labels", "utf-8")
    (bench.paths.workspace / "link").symlink_to(tmp_path)
    (bench.paths.workspace / "file.txt").symlink_to(secret)

    texts = [
        bench.call("read_file", path=path).text
        for path in ("link/secret.txt", "file.txt", "../../secret.txt", "/outputs/../../secret.txt", str(secret))
    ]
    for path in ("link/new.txt", "../new.txt", "/etc/new.txt"):
        assert not bench.call("write_file", path=path, content="x").ok
    over = bench.call("write_file", path="file.txt", content="mine")

    assert not any("hidden labels" in text for text in texts)
    assert over.ok
    assert secret.read_text("utf-8") == "hidden labels"
    assert bench.call("read_file", path="file.txt").text == "mine"


AGENT = """
import sys
from pathlib import Path
from test_executor import Bench
from ml_intern.sandboxes.namespaces import NamespaceBackend

bench = Bench(Path(sys.argv[1]), NamespaceBackend(Path(sys.argv[1]) / "home", python=Path(sys.argv[2])))
bench.check()
bench.live = type("Told", (), {"append": lambda self, event: print("told", flush=True)})()
bench.train(steps=400, wait=True)
"""


@pytest.mark.sandbox
def test_a_training_survives_the_death_of_its_agent_and_is_attached_to_again(
    bench: Bench, sandbox_python: Path
) -> None:
    bench.paths.workspace.rmdir()
    slow = SCRIPT.replace("    loss.backward()", "    __import__('time').sleep(0.01)\n    loss.backward()")
    agent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            AGENT.replace("steps=400, wait=True", f"{slow!r}, steps=400"),
            bench.paths.root,
            sandbox_python,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
        stdout=subprocess.PIPE,
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == b"told\n"
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    agent.stdout.close()
    claim = bench.paths.call("c6") / "job" / "claim.json"
    before = claim.stat()

    bench.check()
    trained = bench.train(slow, steps=400)

    fact, *_ = trained.facts
    assert isinstance(fact, Trained)
    assert (fact.call_id, fact.steps) == ("c6", 400)
    assert (claim.stat().st_ino, claim.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.sandbox
def test_recovery_brings_a_training_with_a_nan_to_its_end_and_the_fact_tells_each_time(bench: Bench) -> None:
    bench.check()
    bench.call("write_file", path="train.py", content=SCRIPT)

    trained = bench.call(
        "train",
        script="train.py",
        network="network.py",
        hyperparameters={"steps": 60, "nan_at": 30},
        recover="auto",
    )

    assert trained.ok, trained.text
    fact, *_ = trained.facts
    assert isinstance(fact, Trained)
    assert fact.steps == 60
    (told,) = fact.recoveries
    assert told.startswith("step 30: the loss is nan")
    assert "learning rate times 1e-01, gradients clipped at" in told
    assert any("[watch] step 30" in event.text for event in bench.live if isinstance(event, ToolOutput))


@pytest.mark.sandbox
def test_a_training_that_waits_for_nothing_is_ended_and_says_where_it_stands(bench: Bench) -> None:
    bench.check()
    wait = "    if step == 20:\n        __import__('threading').Event().wait()\n    loss.backward()"

    ended = bench.train(SCRIPT.replace("    loss.backward()", wait), stall_seconds=2)

    assert "It hangs: no step for" in ended.text
    assert "after step 19, at" in ended.text
    assert "/source/train.py:" in ended.text


@pytest.mark.sandbox
def test_weights_are_told_apart_by_the_state_of_the_training_that_they_hold(bench: Bench) -> None:
    bench.check()
    average = "ema = torch.optim.swa_utils.AveragedModel(network)\noptimizer = "
    averaged = SCRIPT.replace("optimizer = ", average, 1).replace("(network, ", "(ema.module, ")
    averaged = averaged.replace("    optimizer.step()", "    optimizer.step()\n    ema.update_parameters(network)")
    best = SCRIPT.replace("save_model(", "0 and save_model(").replace(
        "    optimizer.step()",
        "    optimizer.step()\n    if step == 20: save_model(network, '/output/model.safetensors')",
    )
    foreign = SCRIPT.replace("save_model(network", "save_model(Net()")
    written = SCRIPT.replace("save_model(", "for p in network.parameters(): p.data.mul_(3)\nsave_model(")
    kept = "    optimizer.step()\n    if step == 30: kept = {n: t.clone() for n, t in network.state_dict().items()}"
    restored = SCRIPT.replace("    optimizer.step()", kept)
    restored = restored.replace("save_model(", "network.load_state_dict(kept)\nsave_model(")

    reports = {
        "last": bench.train(),
        "average": bench.train(averaged),
        "step 20": bench.train(best),
        "step 30": bench.train(restored),
        "merged": bench.train(foreign, saved_weights="merged"),
    }
    refused = [bench.train(script) for script in (foreign, written)]

    states = {name: fact.weights_state for name, r in reports.items() for fact in r.facts if isinstance(fact, Trained)}
    assert states == {name: name for name in reports}
    assert ["is no state of the network that was trained" in one.text for one in refused] == [True, True]


@pytest.mark.sandbox
def test_hyperparameters_that_the_script_never_read_are_told_and_forged_lines_are_refused(bench: Bench) -> None:
    bench.check()
    forge = (
        "\nimport os\nfor number in map(int, os.listdir('/proc/self/fd')):\n    try:\n"
        '        number > 90 and os.write(number, b\'{"kind": "step", "optimizer": 0, "step": 99999, "n": 1}\\n\')\n'
        "    except OSError:\n        pass\n"
    )

    trained = bench.train(epochs=3)
    forged = bench.train(SCRIPT + forge)

    assert "Never read by the script: epochs." in trained.text
    assert "The network saw 2,560 samples." in trained.text
    assert "not its own" in forged.text
    assert not forged.ok


@pytest.mark.sandbox
def test_a_faulty_cell_is_explained_and_the_whole_traceback_is_kept(bench: Bench) -> None:
    failed = bench.call("run_python", code="import torch\nx = torch.ones(2, 3)\ny = torch.ones(2, 4)\n(x + 1) @ y")

    assert "Traceback" not in failed.text
    assert "in <module>: (x + 1) @ y" in failed.text
    assert "operands: y = float32[2, 4]; x = float32[2, 3]" in failed.text
    assert "read_file calls/c0/output.log" in failed.text
    assert "Traceback" in bench.call("read_file", path="calls/c0/output.log").text


@pytest.mark.sandbox
def test_an_error_in_a_loaders_worker_is_explained_by_what_happened_there(bench: Bench) -> None:
    code = (
        "import torch\nfrom torch.utils.data import DataLoader\n"
        "def collate(rows):\n    rows = torch.stack(rows)\n    return rows.view(7, -1)\n"
        "next(iter(DataLoader(torch.ones(4, 3), batch_size=2, num_workers=1, collate_fn=collate)))"
    )

    failed = bench.call("run_python", code=code)

    assert "shape '[7, -1]' is invalid for input of size 6" in failed.text
    assert "in collate: return rows.view(7, -1)" in failed.text
    assert "hint: [7, -1] needs a multiple of 7 elements" in failed.text


class Counting:
    """Opens sessions of a backend and counts those that are open."""

    def __init__(self, backend: SandboxBackend) -> None:
        self._backend = backend
        self.name = backend.name
        self.check, self.start, self.reap = backend.check, backend.start, backend.reap
        self.opened: list[Sandbox] = []
        self.is_open = threading.Event()

    def open(self, spec: SandboxSpec) -> Sandbox:
        self.opened.append(self._backend.open(spec))
        self.is_open.set()
        return self.opened[-1]


@pytest.mark.sandbox
def test_a_session_is_opened_ahead_once_and_used_without_a_remark(bench: Bench) -> None:
    counting = Counting(bench.backend)
    bench.backend = counting
    bench.journal.append(RunStarted(task="train", system="", model="gpt-4o", version="0"))
    for name in ("a.py", "b.py"):
        bench.call("write_file", path=name, content="x = 1")

    shown = bench.call("run_python", code="import a; a.x").text
    bench.executor.close()

    assert (shown, len(counting.opened)) == ("→ 1", 1)


@pytest.mark.sandbox
def test_a_session_that_was_opened_ahead_and_never_used_is_closed(bench: Bench) -> None:
    counting = Counting(bench.backend)
    bench.backend = counting
    bench.journal.append(RunStarted(task="train", system="", model="gpt-4o", version="0"))
    bench.call("write_file", path="a.py", content="x = 1")

    bench.executor.close()

    with pytest.raises(SandboxError, match="closed"):
        counting.opened[0].execute("1", timeout=1, on_output=print)


@pytest.mark.sandbox
def test_a_session_that_was_opened_ahead_is_replaced_when_its_data_are(bench: Bench) -> None:
    counting = Counting(bench.backend)
    bench.backend = counting
    bench.journal.append(RunStarted(task="train", system="", model="gpt-4o", version="0"))
    bench.call("write_file", path="a.py", content="x = 1")
    counting.is_open.wait(60)
    bench.paths.visible_data.rename(bench.paths.root / "old")
    bench.paths.visible_data.mkdir()
    (bench.paths.visible_data / "rows.txt").write_text("new", "utf-8")

    assert bench.call("run_python", code="open('/data/rows.txt').read()").text.endswith("→ 'new'")
    assert len(counting.opened) == 2


def test_the_built_in_recipes_open_no_session_ahead(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cast("SandboxBackend", None))
    bench.journal.append(RunStarted(task="train", system="", model="rules", version="0"))

    assert bench.call("write_file", path="a.py", content="x = 1").ok
