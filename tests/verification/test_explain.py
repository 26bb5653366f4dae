"""The explanation of an error of a network, tried in the sandbox: one job runs every case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.verification import forward

DRIVER = """
import importlib, json, os, sys
sys.path[:0] = ["/opt/ml-intern", "/source"]
import torch
from probes.explain import explain, full_traceback
torch.set_num_threads(1)
said = {}
for name in json.load(sys.stdin):
    network = None
    try:
        network = importlib.import_module(f"{name}_").Net().train()
        output = network(torch.randn(2, 3, 8))
        output.sum().backward()
    except BaseException as error:
        said[name] = [explain(error, "/source", network), full_traceback(error, "/source")]
os.write(int(os.environ["ML_INTERN_REPORT_FD"]), json.dumps(said).encode() + b"\\n")
"""

# forward of x (2, 3, 8), a line of __init__, what the explanation must contain
CASES: dict[str, tuple[str, str, str]] = {
    "linear_size": (
        "self.f(x)",
        "self.f = nn.Linear(16, 4)",
        "wants 16 on the last axis, its input has 8 (2 times apart",
    ),
    "linear_axis": (
        "self.f(x)",
        "self.f = nn.Linear(3, 4)",
        "Linear(in_features=3) wants 3 on the last axis; axis 1 has that size: transpose(1, -1) is missing",
    ),
    "linear_layer": ("self.f(x)", "self.f = nn.Linear(3, 4)", "layer: f = Linear(in_features=3, out_features=4"),
    "matmul": ("torch.randn(5, 4) @ x[0]", "", "the last axis of a (4) to equal the second-last of b (3)"),
    "attention": ("x @ x", "", "query @ key.transpose(-2, -1)"),
    "operands": ("x @ x", "", "operands: x = float32[2, 3, 8]"),
    "expression": ("torch.relu(x + x.flatten(1))", "", "failing expression: x + x.flatten(1)"),
    "view": (
        "x.view(2, 25)",
        "",
        "[2, 25] needs exactly 50 elements, there are 48; axis 1 would have to be 24 (is 25)",
    ),
    "view_batch": ("x.view(4, 24)", "", "axis 0 would have to be 2 (is 4)"),
    "view_rest": ("x.view(-1, 7)", "", "needs a multiple of 7 elements, there are 48"),
    "view_memory": ("x.transpose(1, 2).view(2, 24)", "", "use .reshape(...)"),
    "cat": (
        "torch.cat([x, x[:, :2, :5]], 1)",
        "",
        "cat joins along axis 1; on another axis tensor 1 has 5 and the first 8",
    ),
    "cat_axes": ("torch.cat([x, x[0]], 1)", "", "cat got 3 and 2 axes"),
    "stack": ("torch.stack([x, x[:, :2]])", "", "stack needs equal shapes"),
    "conv_channels": ("self.f(x)", "self.f = nn.Conv1d(5, 4, 1)", "wants 5 channels on axis 1 and got 3"),
    "conv_axis": ("self.f(x)", "self.f = nn.Conv1d(8, 4, 1)", "permute channels from axis 2 to axis 1"),
    "conv_rank": (
        "self.f(x[:, :, :, None, None])",
        "self.f = nn.Conv2d(3, 4, 1)",
        "conv2d wants (batch, channels, space",
    ),
    "conv_kernel": ("self.f(x)", "self.f = nn.Conv1d(3, 4, 9)", "nothing is left of the space"),
    "pool": ("self.f(x)", "self.f = nn.MaxPool1d(9)", "nothing is left of the space"),
    "broadcast": ("x + x[:, :, :5]", "", "axis 2: 8 against 5"),
    "broadcast_off_by_one": ("x + x[:, :, 1:]", "", "off by one"),
    "broadcast_times": ("x + torch.randn(2, 3, 4)", "", "2 times apart"),
    "expand": ("x.expand(2, 3, 9)", "", "axis 2: 9 against 8"),
    "dtype": ("self.f(x.double())", "self.f = nn.Linear(8, 4)", "cast the input first"),
    "dtype_conv": ("self.f(x.long())", "self.f = nn.Conv1d(3, 4, 1)", "cast the input first"),
    "dtype_mean": ("x.long().mean(1)", "", "x.float() first"),
    "embedding_float": ("self.f(x)", "self.f = nn.Embedding(4, 2)", "declare this input as int64"),
    "embedding_range": (
        "self.f(torch.full((2, 3), 9))",
        "self.f = nn.Embedding(4, 2)",
        "ids up to 9 meet an embedding with num_embeddings=4",
    ),
    "batchnorm": ("self.f(x)", "self.f = nn.BatchNorm1d(8)", "built for 8 channels, axis 1 of its input has 3"),
    "batchnorm_rank": ("self.f(x)", "self.f = nn.BatchNorm2d(3)", "the layer wants 4D input and gets 3 axes"),
    "batchnorm_one": ("self.f(x[:1, :, 0])", "self.f = nn.BatchNorm1d(3)", "LayerNorm or GroupNorm"),
    "layernorm": (
        "self.f(x)",
        "self.f = nn.LayerNorm(3)",
        "LayerNorm(3) wants 3 on the last axis; axis 1 has that size",
    ),
    "groupnorm": ("self.f(x)", "self.f = nn.GroupNorm(1, 4)", "the norm was built for 4 channels"),
    "groupnorm_groups": ("self.f(x)", "self.f = nn.GroupNorm(2, 4)", "the norm gets 3 channels on axis 1"),
    "groups": ("x", "self.f = nn.GroupNorm(3, 4)", "4 and 3 do not fit"),
    "heads": ("x", "self.f = nn.MultiheadAttention(8, 3)", "a multiple of the number of heads"),
    "lstm_size": ("self.f(x)[0]", "self.f = nn.LSTM(3, 4)", "axis 1 has that size"),
    "lstm_state": ("self.f(x, (torch.zeros(1, 2, 4),) * 2)[0]", "self.f = nn.LSTM(8, 4)", "(layers, batch, hidden)"),
    "lstm_tuple": ("self.h(self.f(x))", "self.f = nn.LSTM(8, 4); self.h = nn.Linear(4, 2)", "output, _ = self.lstm(x)"),
    "tuple_attribute": ("self.f(x).mean(1)", "self.f = nn.LSTM(8, 4)", "output, _ = self.lstm(x)"),
    "axis": ("x.sum(3)", "", "the tensor has no axis 3; the last one is 2"),
    "unpack": ("[x for b, c, h, w in [x.shape]][0]", "", "the number of axes is not what the line expects"),
    "einsum": ("torch.einsum('bij,bjk->bik', x, x)", "", "j stands for 3 and for 8"),
    "index": ("x[:, 5]", "", "axis 1 has 3 entries"),
    "inplace_backward": ("self.g(self.f(x))", "self.f = nn.Linear(8, 8)", "write it out of place"),
    "no_gradient": ("x.detach()", "", "remove no_grad, detach"),
    "mask": ("x.masked_fill((x > 0).long(), 0)", "", "mask.bool()"),
    "misspelt_layer": ("self.haed(x)", "self.head = nn.Linear(8, 4)", "close names: head"),
    "misspelt_function": ("F.sofmax(x)", "", "close names: softmax"),
    "misspelt_method": ("x.tranpose(1, 2)", "", "close names: transpose"),
    "library": ("__import__('flash_attn')", "", "flash_attn is neither installed nor a file"),
    "file": ("open('vocabulary.json')", "", "no data"),
    "cuda": ("x.cuda()", "", "device=x.device"),
    "call": ("self.f(x, x)", "self.f = nn.Linear(8, 4)", "differ in number"),
    "nothing": ("(lambda: None)().mean()", "", "does a forward lack its return?"),
    "list": ("[x, x].mean()", "", "this is a list and no tensor"),
    "parts": ("[a for a, b, c in [x.chunk(2)]][0]", "", "another number of parts than there are names"),
    "selected": ("x.index_select(0, torch.tensor([2]))", "", "not below the size of the axis that it selects from"),
    "topk": ("x.topk(9)[0]", "", "k must not be above its size"),
    "split": ("x.split([4, 3], -1)[0]", "", "the parts [4, 3] must add up to 8"),
    "unknown": ("1 / 0", "", "ZeroDivisionError: division by zero"),
}


def source(name: str, forward_line: str, setup: str) -> str:
    return (
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {setup or 'pass'}\n\n"
        "    def g(self, x):\n        y = x.exp()\n        y += 1\n        return y\n\n"
        f"    def forward(self, x):\n        return {forward_line}\n"
    )


def explanations(backend: SandboxBackend, folder: Path, sources: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Run every source in one job; gives explanation and traceback by name."""
    for part, files in (("source", sources), ("driver", {"driver": DRIVER})):
        (folder / part).mkdir()
        for name, text in files.items():
            # No name of a library: torch would import it.
            (folder / part / f"{name}_.py").write_text(text, "utf-8")
    probes = Path(forward.__file__).parent / "probes"
    mounts = (
        Mount(source=folder / "source", target="/source"),
        Mount(source=folder / "driver", target="/driver"),
        Mount(source=probes, target="/opt/ml-intern/probes"),
    )
    job = backend.start(
        SandboxSpec(run="r", mounts=mounts, working_directory="/tmp"),
        JobSpec(
            directory=folder / "job", argv=("python", "-I", "/driver/driver_.py"), stdin=json.dumps([*sources]).encode()
        ),
    )
    result = job.wait(on_event=lambda event: None)
    assert result.ok, result.output
    return {name: (text, trace) for name, (text, trace) in json.loads(result.reports[0]).items()}


@pytest.mark.sandbox
def test_every_known_fault_is_explained_briefly_and_with_what_to_try(backend: SandboxBackend, tmp_path: Path) -> None:
    sources = {name: source(name, line, setup) for name, (line, setup, _) in CASES.items()}

    said = explanations(backend, tmp_path, sources)

    assert {name: text for name, (_, _, text) in CASES.items() if text not in said[name][0]} == {}
    assert max(len(text) for text, _ in said.values()) <= 900


@pytest.mark.sandbox
def test_the_explanation_names_file_line_operands_layer_and_hint_in_this_form(
    backend: SandboxBackend, tmp_path: Path
) -> None:
    blocks = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3, 5))

    def forward(self, h):
        return h + self.gain
"""
    network = """
from torch import nn

from blocks_ import Block


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.ModuleList([nn.Identity(), Block()])

    def forward(self, x):
        for layer in self.stem:
            x = layer(x)
        return x
"""

    text, trace = explanations(backend, tmp_path, {"blocks": blocks, "network": network})["network"]

    assert text.splitlines() == [
        "RuntimeError: The size of tensor a (8) must match the size of tensor b (5) at non-singleton dimension 2",
        "at blocks_.py:12 in Block.forward: return h + self.gain",
        "failing expression: h + self.gain",
        "operands: h = float32[2, 3, 8]; self.gain = float32[3, 5]",
        "layer: stem.1 = Block(…), with h = float32[2, 3, 8]",
        "hint: axis 2: 8 against 5: one of them is built for another size, or needs unsqueeze or transpose",
    ]
    assert "network_.py" in trace
    assert "driver" not in trace


@pytest.mark.sandbox
def test_explaining_runs_no_code_of_the_candidate(backend: SandboxBackend, tmp_path: Path) -> None:
    trap = """
import torch
from torch import nn


class Trap(nn.Module):
    def __repr__(self):
        raise SystemExit("repr")

    def extra_repr(self):
        raise SystemExit("extra_repr")

    def __getattr__(self, name):
        raise SystemExit("getattr")


class Fault(Exception):
    def __str__(self):
        raise SystemExit("str")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trap = Trap()

    @property
    def width(self):
        raise SystemExit("property")

    def forward(self, x):
        trap = self.trap
        raise Fault(trap, self.trap.missing if False else x.shape, x)
"""

    text, _ = explanations(backend, tmp_path, {"trap": trap})["trap"]

    assert "Fault" in text
    assert "at trap_.py:" in text
    assert "float32[2, 3, 8]" in text
