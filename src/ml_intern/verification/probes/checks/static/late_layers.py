"""No layer of a network is replaced after the optimizer was given its parameters: the new one would not be trained.

Source: PyTorch documentation, "Optimizer": parameters are collected once, when it is constructed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, blocks, judged


@check(family="static", cost="free")
def late_layers(candidate: Candidate) -> Outcome | None:
    """Look for `model.head = nn.Linear(…)` below `Optimizer(model.parameters())` in one block."""
    return judged(candidate, _find, "replace layers first, then make the optimizer")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        for block in blocks(scope):
            given: set[str] = set()
            for statement in block:
                if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
                    continue
                target = statement.targets[0]
                if source.full(statement.value.func).startswith("torch.optim."):
                    given |= _networks(statement.value)
                elif isinstance(target, ast.Attribute) and source.makes_layer(statement.value):
                    name = ast.unparse(target)
                    if any(name.startswith(f"{network}.") for network in given):
                        yield statement, f"{name} is new after the optimizer took the parameters: it is not trained"


def _networks(call: ast.Call) -> set[str]:
    """Name what `parameters()` is called on as the first argument of an optimizer."""
    first = call.args[0] if call.args else next((p.value for p in call.keywords if p.arg == "params"), None)
    match first:
        case ast.Call(func=ast.Attribute(value=value, attr="parameters")):
            return {ast.unparse(value)}
    return set()
