"""What a statement computes is used: a method without its brackets, or a result that nothing takes, does nothing.

Source: PyTorch documentation: only methods that end in `_` change their tensor; flake8-bugbear, message B018.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name

_TO_CALL = {"step", "zero_grad", "backward", "eval", "train", "cuda", "shuffle"}
_GIVES_NEW = {
    "masked_fill", "clamp", "permute", "transpose", "reshape", "unsqueeze", "softmax", "log_softmax", "index_fill",
    "scatter_add", "index_add", "contiguous", "masked_select", "detach",
}  # fmt: skip
_OF_TORCH = ("torch.nn.functional.", "torch.clamp", "torch.where", "torch.cat", "torch.stack", "torch.softmax")


@check(family="static", cost="free")
def lost_results(candidate: Candidate) -> Outcome | None:
    """Look at statements that are an expression and nothing more."""
    return judged(candidate, _find, "add the brackets, or bind the result: x = x.masked_fill(mask, value)")


def _find(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr) and (what := _loses(source, node.value)):
            yield node, what
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target = ast.unparse(node.targets[0])
            call = node.value.func
            if last_name(call) == "load_state_dict" and ast.unparse(call) == f"{target}.load_state_dict":
                yield node, f"{target} becomes the report of load_state_dict and is no network any more"


def _loses(source: Source, value: ast.expr) -> str:
    match value:
        case ast.Attribute(attr=name) if name in _TO_CALL:
            return f"`{ast.unparse(value)}` is not called: the brackets are missing"
        case ast.Call(func=ast.Attribute(attr=name)) if name in _GIVES_NEW and "out" not in _keywords(value):
            return f"the result of `{ast.unparse(value)[:60]}` is lost: {name} changes nothing in place"
        case ast.Call(func=function) if source.full(function).startswith(_OF_TORCH):
            is_in_place = bool(_keywords(value) & {"out", "inplace"}) or last_name(function).endswith("_")
            return "" if is_in_place else f"the result of `{ast.unparse(value)[:60]}` is lost"
    return ""


def _keywords(call: ast.Call) -> set[str]:
    return {pair.arg for pair in call.keywords if pair.arg}
