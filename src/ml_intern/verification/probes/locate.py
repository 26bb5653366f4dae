"""Find the layer, line or name that a fault of a network belongs to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import nn

Calls = list[tuple[str, tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]]


def line_in(file: str, frame: FrameType | None) -> int | None:
    """Give the line of `file` that runs in `frame` or, from the inside out, in a caller of it."""
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    return frame.f_lineno if frame is not None else None


@contextmanager
def _recorded(network: nn.Module) -> Iterator[Calls]:
    """Note path, input tensors and output tensors of every layer, in the order in which they end."""
    calls: Calls = []
    handles = []
    for path, module in network.named_modules():
        name = f"{path or 'the network itself'} ({type(module).__name__})"

        def note(module: nn.Module, given: object, output: object, name: str = name) -> None:
            del module
            calls.append((name, _flat(given), _flat(output)))

        handles.append(module.register_forward_hook(note))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _flat(value: object) -> tuple[torch.Tensor, ...]:
    if isinstance(value, torch.Tensor):
        return (value.detach().clone(),)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return tuple(tensor for item in items for tensor in _flat(item))


def _calls(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Calls:
    torch.manual_seed(0)
    with torch.no_grad(), _recorded(network) as calls:
        network(*[given.clone() for given in inputs])
    return calls


def first_layer_not_finite(network: nn.Module, inputs: Sequence[torch.Tensor]) -> str:
    """Name the first layer whose output is not finite, or the code before it where its input already was not."""
    for name, given, output in _calls(network, inputs):
        if any(not bool(tensor.isfinite().all()) for tensor in given):
            return f"the code just before {name}"
        if any(not bool(tensor.isfinite().all()) for tensor in output):
            return name
    return "the last lines of forward"


def first_layer_that_mixes(
    network: nn.Module, before: Sequence[torch.Tensor], after: Sequence[torch.Tensor], samples: list[int]
) -> str:
    """Name the first place where unchanged `samples` of the batch no longer carry the same values."""
    batch = len(before[0])

    def differ(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
        pairs = [(a, b) for a, b in zip(first, second, strict=False) if a.shape == b.shape and a.shape[:1] == (batch,)]
        return any(not torch.allclose(a[samples].double(), b[samples].double(), atol=1e-5) for a, b in pairs)

    for (name, given, output), (_, given_after, output_after) in zip(
        _calls(network, before), _calls(network, after), strict=False
    ):
        if differ(given, given_after):
            return f"in the code just before {name}"
        if differ(output, output_after):
            return f"in {name}"
    return "in the last lines of forward"


def assigned_at(network: nn.Module, parameter: str, root: str) -> str:
    """Give ` (net.py:12, self.key)` for the line that makes `parameter`, or an empty text where none is found."""
    owner: nn.Module | None = network
    found = ""
    for part in parameter.split("."):
        if owner is None:
            break
        found = _line_of(type(owner), part, root) or found
        owner = owner._modules.get(part)
    return found


def _line_of(kind: type, attribute: str, root: str) -> str:
    try:
        file = inspect.getsourcefile(kind)
        lines, start = inspect.getsourcelines(kind)
    except (OSError, TypeError):
        return ""
    if file is None or not file.startswith(root):
        return ""
    for offset, line in enumerate(lines):
        if re.search(rf"\bself\.{re.escape(attribute)}\s*(:[^=]+)?=", line):
            return f" ({Path(file).relative_to(root)}:{start + offset}, self.{attribute})"
    return ""


def parameter_names(function: Callable[..., object]) -> list[str]:
    """Name the parameters of a method after `self`."""
    return list(inspect.signature(function).parameters)[1:]
