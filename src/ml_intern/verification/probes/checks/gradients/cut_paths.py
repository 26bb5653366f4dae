"""What moves the output also gets a gradient from it: no part of a network is cut off from the outputs it feeds.

A step in a layer's weights is taken, and the change of each output compared with the one that the gradient foretells.
Values that are rounded or chosen on purpose change by jumps and are left out.

Source: Baydin et al., "Automatic differentiation in machine learning", arXiv 1502.05767 §2.1, on numerical checks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import torch
from probes.candidate import Candidate, Tensors, listed
from probes.checks.base import Outcome, check, failed, not_applicable
from torch import nn

_STEP = 1e-5
_CUT = re.compile(r"self\.[\w.\[\]]+\(.*\.(?:detach\(\)|data\b)")
"""A layer that is given a value without its gradient; other uses, as for scales or rounding, are usual."""
_MEANT = re.compile(r"detach|stop.?grad|no.?grad|frozen|freez|straight.?through|probe|constant|without gradient|target")
_LEAST = 1e-6
_OFF = 0.01
"""Share of a slope by which what is foretold may miss it."""


@check(family="gradients", cost="cheap", needs=("forward", "dead-parameters"))
def cut_paths(candidate: Candidate) -> Outcome | None:
    """Compare slopes by steps with slopes by the backward pass, for each output and each layer that trains."""
    lines = dict(_cuts(candidate))
    if not lines:
        return not_applicable("forward cuts no gradient")
    network = candidate.build().double().eval()
    inputs = [given.double() if given.is_floating_point() else given for given in candidate.inputs(4, seed=8)]
    trained = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    number, text = next(iter(lines.items()))
    for place, output in enumerate(_outputs(network, inputs)):
        if output.ndim < 2:
            continue
        weight = torch.randn(output.shape, generator=torch.Generator().manual_seed(place), dtype=torch.float64)
        weighed = (_outputs(network, inputs)[place] * weight).sum()
        slopes = torch.autograd.grad(weighed, [parameter for _, parameter in trained], allow_unused=True)
        for (name, parameter), slope in zip(trained, slopes, strict=True):
            foretold = 0.0 if slope is None else float((slope * _direction(parameter)).sum())
            seen = _seen(network, inputs, parameter, weight, place)
            if seen is not None and abs(seen - foretold) > _OFF * abs(seen):
                return failed(
                    f"output {place} changes with {name} by {seen:.3g} a unit, its gradient foretells {foretold:.3g}",
                    where=candidate.line(number),
                    advice=f"take out what cuts the gradient: {text}; or say in a comment that it is meant",
                )
    return None


def _outputs(network: nn.Module, inputs: Tensors) -> Tensors:
    torch.manual_seed(0)
    return [o for o in listed(network(*inputs)) if o.is_floating_point() and o.requires_grad]


def _direction(parameter: nn.Parameter) -> torch.Tensor:
    return torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _seen(
    network: nn.Module, inputs: Tensors, parameter: nn.Parameter, weight: torch.Tensor, place: int
) -> float | None:
    """Give the slope of an output by steps in a parameter; None where steps of two sizes do not agree on it."""
    slopes = []
    for step in (_STEP, 2 * _STEP):
        ends = []
        for sign in (1, -1):
            kept = parameter.detach().clone()
            with torch.no_grad():
                parameter.add_(_direction(parameter), alpha=sign * step)
            ends.append(float((_outputs(network, inputs)[place].detach() * weight).sum()))
            with torch.no_grad():
                parameter.copy_(kept)
        slopes.append((ends[0] - ends[1]) / (2 * step))
    is_smooth = abs(slopes[0]) > _LEAST and abs(slopes[0] - slopes[1]) < _OFF / 10 * abs(slopes[0])
    return slopes[0] if is_smooth else None


def _cuts(candidate: Candidate) -> Iterator[tuple[int, str]]:
    """Give the lines of layers that cut a gradient, but for those whose words say that it is meant."""
    rows = candidate.text.splitlines()
    for layer in (node for node in ast.walk(candidate.tree) if isinstance(node, ast.ClassDef)):
        for function in (node for node in layer.body if isinstance(node, ast.FunctionDef) and node.name != "__init__"):
            restarts = set(_restarts(function))
            for number in range(function.lineno, (function.end_lineno or 0) + 1):
                code, _, _ = rows[number - 1].partition("#")
                words = " ".join(row.partition("#")[2] for row in rows[number - 2 : number])
                about = f"{words} {ast.get_docstring(function)} {ast.get_docstring(layer)}".lower()
                if (_CUT.search(code) or number in restarts) and not _MEANT.search(about):
                    yield number, code.strip()[:80]


def _restarts(function: ast.FunctionDef) -> Iterator[int]:
    """Give the lines of a loop on which a state goes on without its gradient: `state = state.detach()`."""
    for loop in (node for node in ast.walk(function) if isinstance(node, ast.For | ast.While)):
        for node in ast.walk(loop):
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Call(func=ast.Attribute(value=ast.Name(id=same), attr="detach")),
                ) if name == same:
                    yield node.lineno
                case _:
                    continue
