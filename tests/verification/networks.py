"""Right networks, and broken ones with the check that finds each, as sources of `network.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

from ml_intern.verification.forward import JSON, ForwardRequest, InputSpec

PREDICT = """

def predict(network, rows):
    return [0 for _ in rows]
"""
HEADER = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
VECTOR = (InputSpec(shape=(4,), dtype="float32"),)
IMAGE = (InputSpec(shape=(3, 16, 16), dtype="float32"),)
TOKENS = (InputSpec(shape=(6,), dtype="int64", high=11),)
MASKED = (*TOKENS, InputSpec(shape=(6,), dtype="int64", high=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network with its claims. `check` and `says` are what a refusal names, empty for a right one."""

    body: str
    inputs: tuple[InputSpec, ...] = VECTOR
    output_shape: tuple[int, ...] = (3,)
    arguments: dict[str, JSON] = field(default_factory=dict[str, JSON])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    tail: str = PREDICT
    check: str = ""
    says: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        sources = {"network.py": HEADER + dedent(self.body) + self.tail, **self.modules}
        return {name: source.encode() for name, source in sources.items()}

    @property
    def request(self) -> ForwardRequest:
        return ForwardRequest(
            file="network.py",
            class_name="Net",
            arguments=self.arguments,
            inputs=self.inputs,
            output_shape=self.output_shape,
        )


MLP = """
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(F.relu(self.hidden(x)))
"""

RIGHT: dict[str, Case] = {
    "a plain network with arguments": Case(body=MLP, arguments={"width": 16}),
    "batch norm, dropout and a residual": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
                self.norm = nn.BatchNorm2d(8)
                self.conv = nn.Conv2d(8, 8, 3, padding=1)
                self.drop = nn.Dropout(0.5)
                self.head = nn.Linear(8, 3)

            def forward(self, x):
                x = F.relu(self.norm(self.stem(x)))
                x = x + self.conv(x)
                return self.head(self.drop(x.mean((2, 3))))
        """,
        inputs=IMAGE,
    ),
    "a vision transformer whose head and gates start at zero": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Conv2d(3, 12, 4, 4)
                self.token = nn.Parameter(torch.zeros(1, 1, 12))
                self.places = nn.Parameter(torch.zeros(1, 17, 12))
                self.norm = nn.LayerNorm(12)
                self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
                self.gate = nn.Parameter(torch.zeros(12))
                self.head = nn.Linear(12, 3)
                nn.init.zeros_(self.head.weight)
                nn.init.zeros_(self.head.bias)

            def forward(self, x):
                x = self.embed(x).flatten(2).transpose(1, 2)
                x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
                y = self.norm(x)
                x = x + self.gate * self.attention(y, y, y, need_weights=False)[0]
                return self.head(x[:, 0])
        """,
        inputs=IMAGE,
    ),
    "tokens with a mask and tied weights": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(11, 8)
                self.query = nn.Linear(8, 8)
                self.key = nn.Linear(8, 8)
                self.head = nn.Linear(8, 11, bias=False)
                self.head.weight = self.embed.weight

            def forward(self, ids, mask):
                x = self.embed(ids)
                scores = self.query(x) @ self.key(x).transpose(1, 2)
                scores = scores.masked_fill(mask[:, None] == 0, float("-inf"))
                return self.head(scores.softmax(-1) @ x)
        """,
        inputs=MASKED,
        output_shape=(6, 11),
    ),
    "experts of which a batch leaves some out": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.router = nn.Linear(4, 4)
                self.experts = nn.ModuleList(nn.Linear(4, 3) for _ in range(4))

            def forward(self, x):
                weight, chosen = self.router(x).softmax(-1).max(-1)
                out = x.new_zeros(len(x), 3)
                for number, expert in enumerate(self.experts):
                    if (chosen == number).any():
                        out[chosen == number] = expert(x[chosen == number])
                return out * weight[:, None]
        """,
    ),
    "layers that training drops at random": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(6))
                self.head = nn.Linear(4, 3)

            def forward(self, x):
                for block in self.blocks:
                    if not self.training or torch.rand(()) > 0.8:
                        x = x + block(x).tanh()
                return self.head(x)
        """,
    ),
    "many sigmoids, in which small changes drown": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(*[f for _ in range(12) for f in (nn.Linear(4, 4), nn.Sigmoid())])
                self.head = nn.Linear(4, 3)

            def forward(self, x):
                return self.head(self.layers(x))
        """,
    ),
    "buffers and frozen weights": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("frequencies", torch.randn(4, 5))
                self.frozen = nn.Linear(5, 5).requires_grad_(False)
                self.head = nn.Linear(5, 3)

            def forward(self, x):
                return self.head(torch.sin(self.frozen(x @ self.frequencies)))
        """,
    ),
    "a package beside it, and sampling in training only": Case(
        body="""
        from parts.blocks import Block

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.Sequential(Block(4), Block(4))
                self.head = nn.Linear(4, 3)

            def forward(self, x):
                x = self.blocks(x)
                if self.training:
                    x = x + 0.1 * torch.randn_like(x)
                return self.head(x)
        """,
        modules={
            "parts/__init__.py": "",
            "parts/blocks.py": (
                "from torch import nn\n\nfrom .base import Base\n\n\nclass Block(Base):\n"
                "    def __init__(self, width):\n        super().__init__()\n"
                "        self.linear = nn.Linear(width, width)\n\n"
                "    def forward(self, x):\n        return x + self.linear(x).tanh()\n"
            ),
            "parts/base.py": "from torch import nn\n\n\nclass Base(nn.Module):\n    pass\n",
        },
    ),
    "modules that have the names of ours": Case(
        body="import checks, explain, probes\n" + MLP,
        modules={"checks.py": "", "explain.py": "", "probes.py": ""},
    ),
}

OUTPUT = "output shape, kind and finite values"
REPEATS = "repeatable in evaluation mode"
SAVES = "saves and loads as safetensors"
INPUTS = "every input matters"
BATCH = "samples independent of their batch"
GRADIENTS = "every trainable parameter gets a finite gradient"


def linear(forward: str, setup: str = "", *, check: str, says: str = "") -> Case:
    """Make a small network from the last lines of `forward` and `__init__`."""
    body = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.head = nn.Linear(4, 3)\n        {setup}\n\n    def forward(self, x):\n        {forward}\n"
    )
    return Case(body=body, check=check, says=says)


BROKEN: dict[str, Case] = {
    "a wrong rank": linear(
        "return self.head(x)[:, None]", check=OUTPUT, says="(2, 1, 3), declared is (2, 3). Only axes of size 1"
    ),
    "a bare squeeze": linear("return self.head(x).squeeze()", check=OUTPUT, says="gave (3,), declared is (1, 3)"),
    "a hard-coded batch": linear(
        "return self.head(x.view(2, 4))", check=OUTPUT, says="axis 0 would have to be 3 (is 2)"
    ),
    "class indices for logits": linear(
        "return self.head(x).argmax(1)[:, None].expand(-1, 3)", check=OUTPUT, says="int64"
    ),
    "a tuple": linear("return self.head(x), x", check=OUTPUT, says="gave a tuple, not a tensor"),
    "NaN in one layer": linear(
        "return self.head(self.norm(x) * 0)",
        "self.norm = nn.LayerNorm(4); nn.init.constant_(self.norm.weight, float('inf'))",
        check=OUTPUT,
        says="NaN or infinity, first in norm (LayerNorm)",
    ),
    "batch and patches mixed": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Conv2d(3, 12, 4, 4)
                self.head = nn.Linear(12, 3)

            def forward(self, x):
                x = self.embed(x).flatten(2)  # (batch, 12, 16)
                x = x.permute(2, 0, 1).reshape(len(x), 16, 12)
                return self.head(x.mean(1))
        """,
        inputs=IMAGE,
        check=BATCH,
        says="in the code just before head (Linear)",
    ),
    "batch statistics in evaluation": linear(
        "return self.head(self.norm(x))",
        "self.norm = nn.BatchNorm1d(4, track_running_stats=False)",
        check=OUTPUT,
        says="more than 1 value",
    ),
    "a detached layer": linear(
        "return self.head(self.stem(x).detach())",
        "self.stem = nn.Linear(4, 4)",
        check=GRADIENTS,
        says="stem.weight (network.py:8, self.stem)",
    ),
    "a dead parameter": linear(
        "return self.head(x)", "self.scale = nn.Parameter(torch.ones(4))", check=GRADIENTS, says="scale (network.py:8"
    ),
    "a closed ReLU": linear(
        "return self.head(F.relu(self.stem(x) - 1e4) + x)",
        "self.stem = nn.Linear(4, 4)",
        check=GRADIENTS,
        says="stem.weight",
    ),
    "an output without gradient": linear("return self.head(x).detach()", check=GRADIENTS, says="cut off"),
    "a gradient that is NaN": linear(
        "return self.head(x) * (x - x + self.zero).abs().sqrt().sum(1, keepdim=True)",
        "self.zero = nn.Parameter(torch.zeros(4))",
        check=GRADIENTS,
        says="NaN or infinite",
    ),
    "a trainable tensor that is no parameter": linear(
        "return self.head(x * self.scale)",
        "self.scale = torch.ones(4, requires_grad=True)",
        check=GRADIENTS,
        says="not in parameters()",
    ),
    "layers in a list": linear(
        "return self.head(self.layers[0](x))",
        "self.layers = [nn.Linear(4, 4)]",
        check="layers registered",
        says="1 layers in layers (network.py:8, self.layers) are a plain list",
    ),
    "a lazy layer": linear(
        "return self.last(self.head(x))",
        "self.last = nn.LazyLinear(3)",
        check=SAVES,
        says="last.weight, last.bias has no shape",
    ),
    "random state that is not saved": linear(
        "return self.head(x + self.places)", "self.places = torch.randn(4)", check=SAVES, says="places"
    ),
    "functional dropout": linear("return self.head(F.dropout(x))", check=REPEATS, says="training=self.training"),
    "a state kept between calls": linear(
        "self.seen = self.seen + 1; return self.head(x) * self.seen",
        "self.seen = 0",
        check=REPEATS,
        says="kept on self",
    ),
    "an ignored integer input": Case(
        body="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(11, 3)

            def forward(self, ids, mask):
                return self.embed(ids).mean(1)
        """,
        inputs=MASKED,
        check=INPUTS,
        says="input 'mask' has no influence",
    ),
    "a shape mismatch in a nested module": Case(
        body="""
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.up = nn.Linear(4, 8)
                self.down = nn.Linear(4, 4)

            def forward(self, x):
                return self.down(F.gelu(self.up(x)))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.ModuleList([Block()])
                self.head = nn.Linear(4, 3)

            def forward(self, x):
                for block in self.blocks:
                    x = x + block(x)
                return self.head(x)
        """,
        check=OUTPUT,
        says="layer: blocks.0.down = Linear(in_features=4",
    ),
    "no predict": Case(body=MLP, tail="", check="defines predict", says="does not define predict"),
    "a predict with one parameter": Case(
        body=MLP,
        tail="\ndef predict(rows):\n    return rows\n",
        check="defines predict",
        says="network.py:14 predict(rows)",
    ),
    "another class name": Case(
        body=MLP.replace("Net", "ViT"), check="defines the class", says="has no class 'Net'; its networks are ViT"
    ),
    "arguments that do not fit": Case(
        body=MLP, arguments={"depth": 2}, check="builds", says="Net(width=8) does not fit the arguments {'depth': 2}"
    ),
    "a crash while building": linear("return x", "self.embed = nn.Linear(4)", check="builds", says="network.py:8"),
    "an exit at import": Case(body=f"import sys\n{MLP}\nsys.exit(0)\n", check="loads", says="SystemExit"),
    "a file read at import": Case(body=f"open('vocabulary.txt')\n{MLP}", check="loads", says="no data"),
}
