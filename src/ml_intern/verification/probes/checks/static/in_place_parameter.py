"""No forward pass changes a parameter in place while its gradient is recorded: autograd refuses that in training.

Source: PyTorch documentation, "In-place operations with autograd": a leaf that requires grad.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged

_HARMLESS = {"requires_grad_", "share_memory_"}


@check(family="static", cost="free")
def in_place_parameter(candidate: Candidate) -> Outcome | None:
    """Look for `self.weight *= …` and `self.weight.mul_(…)` in forward."""
    return judged(candidate, _find, "compute a new tensor, or change it under torch.no_grad() outside of forward")


def _find(source: Source) -> Iterator[Finding]:
    for node in source.layer_classes().values():
        own = {
            ast.unparse(here.targets[0])
            for here in ast.walk(node)
            if isinstance(here, ast.Assign) and isinstance(here.value, ast.Call)
            if source.full(here.value.func) == "torch.nn.Parameter"
        }
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "forward" and not method.decorator_list:
                for here in ast.walk(method):
                    if (name := _changed(here)) in own and not _is_without_graph(source, here):
                        yield here, f"forward of {node.name} changes the parameter {name} in place"


def _changed(node: ast.AST) -> str:
    match node:
        case ast.AugAssign(target=target):
            return ast.unparse(target)
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method.endswith("_") and method[-2:] != "__":
            return "" if method in _HARMLESS else ast.unparse(value)
    return ""


def _is_without_graph(source: Source, node: ast.AST) -> bool:
    around = [item for here in source.around(node) if isinstance(here, ast.With) for item in here.items]
    return any("no_grad" in ast.unparse(item) or "inference_mode" in ast.unparse(item) for item in around)
