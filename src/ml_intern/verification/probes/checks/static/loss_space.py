"""A loss gets what it takes: logits, probabilities or logarithms, in the order prediction, target.

Only what stands in the call, or in a variable that is bound once, is judged.

Source: PyTorch documentation of CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss and KLDivLoss.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, argument, assignments, judged, last_name, stores

_TAKES = {
    "cross_entropy": "logits", "CrossEntropyLoss": "logits",
    "binary_cross_entropy_with_logits": "logits", "BCEWithLogitsLoss": "logits",
    "nll_loss": "logarithms", "NLLLoss": "logarithms", "kl_div": "logarithms", "KLDivLoss": "logarithms",
    "binary_cross_entropy": "probabilities", "BCELoss": "probabilities",
}  # fmt: skip
_GIVES = {
    "softmax": "probabilities", "Softmax": "probabilities", "sigmoid": "probabilities", "Sigmoid": "probabilities",
    "log_softmax": "logarithms", "LogSoftmax": "logarithms", "logsigmoid": "logarithms",
}  # fmt: skip
_WRONG = {
    ("logits", "probabilities"): "it applies the softmax or sigmoid itself",
    ("logarithms", "probabilities"): "it takes logarithms of probabilities",
    ("probabilities", "logarithms"): "it takes probabilities",
}
_PREDICTED = {"out", "output", "outputs", "logits", "pred", "preds", "prediction", "predictions", "y_pred", "y_hat"}
_TRUE = {"target", "targets", "label", "labels", "y", "y_true", "gt", "truth"}


@check(family="static", cost="free")
def loss_space(candidate: Candidate) -> Outcome | None:
    """Look at the arguments of every loss of torch."""
    return judged(candidate, _find, "give raw logits to a cross entropy, log_softmax to nll_loss; prediction first")


def _find(source: Source) -> Iterator[Finding]:
    made = _made_losses(source)
    for scope in source.scopes():
        for call in [n for n in ast.walk(scope) if isinstance(n, ast.Call) and _scope(source, n) is scope]:
            loss = _loss(source, call, made)
            if not loss:
                continue
            first, second = argument(call, 0, "input"), argument(call, 1, "target")
            why = _WRONG.get((_TAKES[loss], _GIVES.get(_made_by(scope, first), "")))
            if why:
                yield call, f"{loss} is given {_made_by(scope, first)}: {why}"
            elif _is_swapped(first, second):
                yield call, f"{loss}({ast.unparse(first)}, {ast.unparse(second)}) has prediction and target exchanged"


def _scope(source: Source, node: ast.AST) -> ast.AST:
    return source.function_of(node) or source.tree


def _made_losses(source: Source) -> dict[str, str]:
    """Map names such as `criterion`, bound once, to the class of the loss."""
    found: dict[str, str] = {}
    for scope in source.scopes():
        for name, value, _ in assignments(scope):
            kind = last_name(value.func) if isinstance(value, ast.Call) else ""
            is_loss = kind in _TAKES and source.full(value.func).startswith("torch.nn.")
            found[name] = kind if is_loss and found.get(name, kind) == kind else ""
    return found


def _loss(source: Source, call: ast.Call, made: dict[str, str]) -> str:
    """Name the loss that a call computes; empty for other calls."""
    name = source.full(call.func)
    if name.startswith("torch.nn.functional.") and last_name(call.func) in _TAKES:
        return last_name(call.func)
    if isinstance(call.func, ast.Call) and source.full(call.func.func).startswith("torch.nn."):
        return last_name(call.func.func) if last_name(call.func.func) in _TAKES else ""
    return made.get(ast.unparse(call.func), "") if isinstance(call.func, ast.Name | ast.Attribute) else ""


def _made_by(scope: ast.AST, node: ast.expr | None) -> str:
    """Name the function whose result a value is, where it is one of those that matter."""
    if isinstance(node, ast.Name) and stores(scope, node.id) == 1:
        bound = assignments(scope, node.id)
        node = bound[0][1] if bound else None
    while isinstance(node, ast.Call) and last_name(node.func) in {"view", "reshape", "flatten", "squeeze", "transpose"}:
        node = node.func.value if isinstance(node.func, ast.Attribute) else None
    if isinstance(node, ast.Call):
        called = node.func.func if isinstance(node.func, ast.Call) else node.func
        return last_name(called)
    return ""


def _is_swapped(first: ast.expr | None, second: ast.expr | None) -> bool:
    return last_name(first) in _TRUE and last_name(second) in _PREDICTED if first and second else False
