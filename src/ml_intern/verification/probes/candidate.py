"""The network under test and what it declares: built, fed and asked the same way by every check."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import sys
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from probes.checks.base import StopError, inconclusive, not_applicable
from probes.drawing import draw
from probes.fills import agree
from torch import nn
from torch.utils.data import DataLoader

Tensors = list[torch.Tensor]
_NOISE = 0.02
_SYMBOL = re.compile(r"([A-Z])\s*(?:([+-])\s*(\d+))?")
TIME = 7
"""Length that symbols such as `T` stand for, unless a check says otherwise; no size of a network is likely to be it."""


class Candidate:
    """One program, or one class with its arguments. Everything of it is loaded on first use."""

    def __init__(self, request: dict) -> None:
        self.root = request["root"]
        self.file = request["file"]
        self.class_name = request.get("class_name")
        self.arguments = request.get("arguments") or {}
        self.contract = _namespace(request["contract"])
        self.claims = self.contract.claims
        self.memory = request.get("memory")
        self.small = request["contract"].get("shrink") or {}
        self.shrink: dict[str, object] = {}
        self.does_not_work: set[str] = set()
        self.notes: dict[str, object] = {}

    # -- source ------------------------------------------------------------------------------------------------

    @cached_property
    def text(self) -> str:
        """Its source."""
        return Path(self.root, self.file).read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(self.text, self.file)

    @cached_property
    def module(self) -> ModuleType:
        """The program, imported under the name its file has."""
        name = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        if all(part.isidentifier() for part in name.split(".")):
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location("candidate", Path(self.root, self.file))
        sys.modules["candidate"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def line(self, number: int | None) -> str:
        """Write a place such as `net.py:12`."""
        return f"{self.file}:{number}" if number else ""

    def place(self, thing: object) -> str:
        """Say where a function or class of the candidate stands; empty for others."""
        code = getattr(inspect.unwrap(thing) if callable(thing) else thing, "__code__", None)
        try:
            file = code.co_filename if code else inspect.getsourcefile(thing) or ""
            number = code.co_firstlineno if code else inspect.getsourcelines(thing)[1]
        except (OSError, TypeError):
            return ""
        if not file.startswith(self.root):
            return ""
        name = getattr(thing, "__qualname__", "")
        return f"{Path(file).relative_to(self.root)}:{number} {name}"

    def has(self, name: str) -> bool:
        """Tell whether the program defines the function `name`."""
        return self.class_name is None and callable(getattr(self.module, name, None))

    # -- network -----------------------------------------------------------------------------------------------

    def build(self, seed: int = 0) -> nn.Module:
        """Make a new instance, small where it is too large to allocate; the same seed gives the same weights."""
        torch.manual_seed(seed)
        return self.build_with(self.shrink)

    def build_with(self, changed: dict[str, object]) -> nn.Module:
        """Make a new instance with other arguments than the program's own."""
        if self.class_name is None:
            return self.module.build_model(**changed)
        return getattr(self.module, self.class_name)(**{**self.arguments, **changed})

    @property
    def forward_place(self) -> str:
        """Where `forward` of the network stands."""
        return self.place(type(self.network).forward)

    @cached_property
    def network(self) -> nn.Module:
        """An instance as it is at first, in evaluation mode; do not change it."""
        return self.build().eval()

    @cached_property
    def warm(self) -> nn.Module:
        """An instance in evaluation mode whose weights have moved, so that no zero hides a path.

        A few steps of its own training where there is a loss, and a little noise. Do not change it.
        """
        network = self.build()
        if self.has("compute_loss") and "loss" not in self.does_not_work:
            self._train_briefly(network)
        network.eval()
        kept = {name: value.clone() for name, value in network.state_dict().items()}
        _add_noise(network)
        try:
            finite = all(bool(o.isfinite().all()) for o in self.run(network, self.inputs(3)))
        except RuntimeError:
            finite = False
        if not finite:
            network.load_state_dict(kept)
        return network

    def _train_briefly(self, network: nn.Module) -> None:
        network.train()
        for step in range(3):
            batch = self.batch(8, seed=step)
            loss = self.loss(network(*self.model_inputs(batch)), batch)
            if not loss.requires_grad or not bool(loss.isfinite()):
                return
            descend(network, loss)

    def run(self, network: nn.Module, inputs: Sequence[torch.Tensor], seed: int = 0) -> Tensors:
        """Call the network without gradients on copies of `inputs`; give its outputs as a list."""
        torch.manual_seed(seed)
        with torch.no_grad():
            return listed(network(*[given.clone() for given in inputs]))

    # -- what goes in ------------------------------------------------------------------------------------------

    def draw(self, spec: SimpleNamespace, batch: int, time: int, generator: torch.Generator) -> torch.Tensor:
        """Make a random tensor of a declared kind."""
        return draw(spec, self.shape(spec.shape, batch, time), generator)

    def inputs(self, batch: int = 4, time: int = TIME, seed: int = 0) -> Tensors:
        """Make random arguments of `forward`."""
        generator = torch.Generator().manual_seed(seed)
        return [self.draw(spec, batch, time, generator) for spec in self.contract.inputs]

    def batch(self, batch: int = 4, time: int = TIME, seed: int = 0) -> Tensors:
        """Make a random batch as the data would give it: inputs and target, or what the contract says."""
        contract = self.contract
        generator = torch.Generator().manual_seed(seed)
        specs = contract.batch or [*contract.inputs, *([contract.target] if contract.target else [])]
        made = [self.draw(spec, batch, time, generator) for spec in specs]
        ignored = contract.target.ignore if contract.target else None
        if ignored is not None:
            kept = torch.rand(made[-1].shape, generator=generator) < 0.5
            kept[..., :1] = True
            made[-1] = torch.where(kept, made[-1], torch.full_like(made[-1], ignored))
        return made

    def shape(self, declared: Sequence[int | str], batch: int, time: int) -> tuple[int, ...]:
        """Put numbers for the symbols of a declared shape."""
        return tuple(size if isinstance(size, int) else _resolve(size, batch, time) for size in declared)

    @property
    def has_lengths(self) -> bool:
        """Tell whether a symbol other than `B` occurs in the inputs."""
        return any(isinstance(s, str) and not s.startswith("B") for spec in self.contract.inputs for s in spec.shape)

    @property
    def is_single(self) -> bool:
        """Tell whether one tensor comes out."""
        return len(self.contract.outputs) == 1

    def output_shapes(self, batch: int, time: int = TIME) -> list[tuple[int, ...]]:
        """Give the declared shapes of the outputs."""
        return [self.shape(declared, batch, time) for declared in self.contract.outputs]

    # -- loss and data -----------------------------------------------------------------------------------------

    def model_inputs(self, batch: Tensors) -> tuple[torch.Tensor, ...]:
        """Take what `forward` needs out of a batch."""
        if self.has("model_inputs"):
            return tuple(self.module.model_inputs(batch))
        return tuple(batch[: len(self.contract.inputs)])

    def loss(self, output: object, batch: Tensors) -> torch.Tensor:
        """Ask the program's loss."""
        return self.module.compute_loss(output, batch)

    @cached_property
    def raw(self) -> object:
        """What `load_raw` gives; do not change it."""
        return self.module.load_raw()

    @cached_property
    def splits(self) -> dict[str, torch.utils.data.Dataset]:
        """The parts of the data, as the program makes them."""
        return self.module.make_splits()

    def rows(self, part: str) -> Tensors:
        """Give a whole part of the data as one batch."""
        dataset = self.splits[part]
        if len(dataset) == 0:
            raise StopError(inconclusive(f"the {part} part is empty"))
        return listed(next(iter(DataLoader(dataset, batch_size=len(dataset)))))

    def task_in(self, *tasks: str) -> None:
        """End the check unless the network is for one of `tasks`."""
        if self.contract.task not in tasks:
            raise StopError(not_applicable(f"only for {', '.join(tasks)}"))


def descend(network: nn.Module, loss: torch.Tensor, rate: float = 1e-3) -> None:
    """Move every parameter against the sign of its gradient, as the first steps of Adam do.

    `torch.optim` would load the compiler first, which takes longer than all of the cheap checks.
    """
    network.zero_grad(set_to_none=True)
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None and parameter.is_floating_point():
                parameter.add_(parameter.grad.sign(), alpha=-rate)


def listed(value: object) -> Tensors:
    """Give the tensors of an output in a flat list."""
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for item in items for tensor in listed(item)]


def close(first: torch.Tensor, second: torch.Tensor, tolerance: float = 1e-4) -> bool:
    """Tell whether `first` has the shape and, but for rounding, the values of `second`."""
    return first.shape == second.shape and agree(second, first, tolerance)


def all_close(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], tolerance: float = 1e-4) -> bool:
    """Compare outputs one by one."""
    return len(first) == len(second) and all(close(a, b, tolerance) for a, b in zip(first, second, strict=True))


def _add_noise(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=_NOISE)


def _namespace(contract: dict) -> SimpleNamespace:
    return json.loads(json.dumps(contract), object_hook=lambda pairs: SimpleNamespace(**pairs))


def _resolve(symbol: str, batch: int, time: int) -> int:
    letter, sign, number = _SYMBOL.fullmatch(symbol).groups()
    size = batch if letter == "B" else time
    return size + (int(number) if sign == "+" else -int(number) if sign == "-" else 0)
