"""The loss that goes backward is still joined to the network: no `.item()`, `.detach()`, `.data` or argmax in between.

Source: PyTorch documentation, "Autograd mechanics": tensors made from Python numbers have no history.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, argument, assignments, inside, judged, last_name, stores

_CUTS = {"item", "detach", "numpy", "tolist", "argmax", "tensor", "as_tensor"}
_LOSSES = {
    "cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "nll_loss", "kl_div",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
}  # fmt: skip
_STEPS = {"argmax", "round", "detach", "item", "sign"}


@check(family="static", cost="free")
def cut_loss(candidate: Candidate) -> Outcome | None:
    """Follow the loss of each `backward()` to what binds it, and look at what losses of torch are given."""
    return judged(candidate, _find, "keep the tensor for backward(), and use loss.item() for the log only")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        for call in [n for n in inside(scope) if isinstance(n, ast.Call)]:
            if last_name(call.func) == "backward" and isinstance(call.func, ast.Attribute):
                lost = call.func.value
                if cut := _cut(scope, lost):
                    yield call, f"backward() on {ast.unparse(lost)[:40]}, which {cut} has cut from the network"
            elif last_name(call.func) in _LOSSES and source.full(call.func).startswith("torch.nn.functional."):
                first = argument(call, 0, "input")
                name = last_name(first.func) if isinstance(first, ast.Call) else ""
                if name in _STEPS and not _only_measures(source, call):
                    yield call, f"{last_name(call.func)} is given {ast.unparse(first)[:40]}: {name} has no gradient"


def _cut(scope: ast.AST, node: ast.expr) -> str:
    """Name what cuts a value from the graph, if something certainly does."""
    if isinstance(node, ast.Name):
        bound = assignments(scope, node.id)
        if len(bound) != stores(scope, node.id) or not bound:
            return ""
        cuts = [_cut_by(value) for _, value, _ in bound]
        return cuts[-1] if cuts[-1] and (len(cuts) == 1 or _same_block(scope, bound)) else ""
    return _cut_by(node)


def _same_block(scope: ast.AST, bound: list[tuple[str, ast.expr, ast.stmt]]) -> bool:
    statements = [statement for _, _, statement in bound]
    return any(
        all(s in block for s in statements)
        for here in [scope, *inside(scope)]
        if isinstance(block := getattr(here, "body", None), list)
    )


def _cut_by(value: ast.expr) -> str:
    match value:
        case ast.Attribute(attr="data"):
            return ".data"
        case ast.Call(func=ast.Attribute(attr="requires_grad_", value=inner)):
            return _cut_by(inner)
        case ast.Call(func=function) if last_name(function) in _CUTS:
            return f".{last_name(function)}()"
        case ast.Call(func=ast.Name(id="float")):
            return "float()"
    return ""


def _only_measures(source: Source, node: ast.AST) -> bool:
    """Tell a function that measures and never trains."""
    function = source.function_of(node)
    text = ast.unparse(function) if function else ""
    return "no_grad" in text or "eval" in text or "loss" not in (function.name if function else "")
