"""Compare a network with a reference implementation: copy the reference's weights into it and hold outputs together.

Tensors are paired by shape and order. Where one side keeps query, key and value apart and the other in one matrix, they
are joined. Source: this project's notes on seeded bugs, where parity found most of what was wrong in transformers.
"""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from collections.abc import Iterator

import torch
from probes.candidate import Candidate
from torch import nn

Named = list[tuple[str, torch.Tensor]]
TOLERANCE = 1e-4
"""Of the largest output, for two ways to write the same in single precision."""
_SHOWN = 6
_PART = re.compile(r"(?:^|\.)(query|key|value|[qkv]_proj|[qkv]_lin|to_[qkv]|[qkv])(?=\.|$)")


class ParityError(Exception):
    """The two cannot be compared; the message says why."""


def compare(candidate: Candidate, asked: dict) -> str:
    """Give a sentence on whether the outputs agree, or why they cannot be compared."""
    try:
        reference = build(asked["name"], asked["arguments"])
        network = candidate.build().eval()
        _widen(reference)
        pairs = paired(weights(network), weights(reference))
    except ParityError as error:
        return f"Not compared with {asked['name']}: {error}."
    with torch.no_grad():
        for own, given in pairs:
            own.copy_(given.reshape(own.shape))
    inputs = candidate.inputs(batch=3)
    mine, theirs = candidate.run(network, inputs), candidate.run(reference.eval(), inputs)
    match = next((tensor for tensor in theirs if tensor.shape == mine[0].shape), None)
    if match is None:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in theirs)
        return f"Not compared with {asked['name']}: it gives {shapes}, the network {tuple(mine[0].shape)}."
    difference, scale = float((mine[0] - match).abs().max()), float(match.abs().max())
    told = f"{asked['name']} with the same {len(pairs)} tensors: largest difference {difference:.1e} of {scale:.1e}"
    if difference <= TOLERANCE * (1 + scale):
        return f"Equal to {told}."
    return f"DIFFERS from {told}. Compare layer by layer; weights were paired by shape and order of definition."


def _widen(reference: nn.Module) -> None:
    """Give weights values large enough that a wrong scale or mask shows: fresh ones are so small that it does not."""
    with torch.no_grad():
        for weight in reference.parameters():
            if weight.ndim > 1:
                weight.normal_(std=weight[0].numel() ** -0.5)
            else:
                weight.add_(torch.randn_like(weight), alpha=0.1)


def build(name: str, arguments: dict) -> nn.Module:
    """Make the reference: a class or function by its import path; `arguments` are those of its configuration, too.

    Raises:
        ParityError: it cannot be found or made.
    """
    module, _, attribute = name.rpartition(".")
    try:
        maker = getattr(importlib.import_module(module), attribute)
        torch.manual_seed(0)
        configuration = getattr(maker, "config_class", None)
        made = maker(configuration(**arguments)) if configuration else maker(**arguments)
    except (ImportError, ValueError, AttributeError, TypeError, RuntimeError) as error:
        raise ParityError(f"it cannot be made: {error}") from error
    if not isinstance(made, nn.Module):
        raise ParityError("it is no network")
    return made


def weights(network: nn.Module) -> Named:
    """Give parameters and floating-point buffers that are saved, once each, matrices as (output, input)."""
    turned = {f"{name}.weight" for name, m in network.named_modules() if type(m).__name__ == "Conv1D"}
    seen: set[int] = set()
    found: Named = []
    for name, tensor in network.state_dict(keep_vars=True).items():
        if tensor.is_floating_point() and id(tensor) not in seen:
            seen.add(id(tensor))
            found.append((name, tensor.data.T if name in turned else tensor.data))
    return found


def paired(own: Named, given: Named) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pair tensors of the same shape, leaving out axes of size 1, in their order.

    Raises:
        ParityError: some have no partner; the message names them.
    """
    sizes = {_shape(tensor) for _, tensor in own}
    given = [one for name, tensor in _joined(given) for one in _fitting(name, tensor, sizes)]
    waiting: dict[tuple[int, ...], Named] = defaultdict(list)
    for name, tensor in given:
        waiting[_shape(tensor)].append((name, tensor))
    pairs, alone = [], []
    for name, tensor in own:
        found = waiting[_shape(tensor)]
        if found:
            pairs.append((tensor, found.pop(0)[1]))
        else:
            alone.append(f"{name} {tuple(tensor.shape)}")
    left = [f"{name} {tuple(tensor.shape)}" for names in waiting.values() for name, tensor in names]
    if alone or left:
        mine, theirs = ", ".join(alone[:_SHOWN]) or "none", ", ".join(left[:_SHOWN]) or "none"
        raise ParityError(f"weights without a partner: own {mine}; the reference's {theirs}")
    return pairs


def _joined(given: Named) -> Iterator[tuple[str, torch.Tensor | list[torch.Tensor]]]:
    """Put query, key and value of one layer together, as a list at the place of the first."""
    groups: dict[str, list[torch.Tensor]] = defaultdict(list)
    for name, tensor in given:
        if _PART.search(name):
            groups[_PART.sub(".*", name)].append(tensor)
    told: set[str] = set()
    for name, tensor in given:
        key = _PART.sub(".*", name)
        if _PART.search(name) is None or len(groups[key]) != 3:
            yield name, tensor
        elif key not in told:
            told.add(key)
            yield name, groups[key]


def _fitting(name: str, tensor: torch.Tensor | list[torch.Tensor], sizes: set[tuple[int, ...]]) -> Named:
    """Join or split what the other side has joined or split."""
    if isinstance(tensor, list):
        whole = torch.cat(tensor)
        return [(name, whole)] if _shape(whole) in sizes else [(name, part) for part in tensor]
    is_split = tensor.ndim > 0 and tensor.shape[0] % 3 == 0 and _shape(tensor) not in sizes
    parts = list(tensor.chunk(3)) if is_split else [tensor]
    return [(name, part) for part in parts] if _shape(parts[0]) in sizes else [(name, tensor)]


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(size for size in tensor.shape if size != 1)
