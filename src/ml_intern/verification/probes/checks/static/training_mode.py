"""After an evaluation within the training loop the network goes back to training mode.

Asked only where the program has layers that differ between the modes.

Source: PyTorch documentation of `nn.Module.eval` and `nn.Module.train`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Loop, Source, calls, inside, judged, last_name

_DIFFER = ("Dropout", "BatchNorm", "dropout", "DropPath", "drop_path", "self.training")


@check(family="static", cost="free")
def training_mode(candidate: Candidate) -> Outcome | None:
    """Look for `eval()` in a loop that trains, in a file that never calls `train()`."""
    return judged(candidate, _find, "call model.train() at the start of each epoch, or at the end of each evaluation")


def _find(source: Source) -> Iterator[Finding]:
    if not any(word in source.text for word in _DIFFER):
        return
    called = [n for n in ast.walk(source.tree) if isinstance(n, ast.Call)]
    if any(_sets_training(call) for call in called):
        return
    evaluating = {f.name for f in source.functions() if _evals(f)}
    training = {f.name for f in source.functions() if calls(f, "backward")}
    for scope in source.scopes():
        for loop in [n for n in inside(scope) if isinstance(n, Loop)]:
            used = {last_name(n.func) for n in inside(loop) if isinstance(n, ast.Call)}
            trains = "backward" in used or used & training
            if trains and (_evals(loop) or used & evaluating):
                yield loop, "a training loop calls eval() and nothing ever calls train() again"


def _sets_training(call: ast.Call) -> bool:
    """Tell `model.train(…)`, not a function that is called `train`; and a copied network, which may be evaluated."""
    if last_name(call.func) == "deepcopy":
        return not (call.args and isinstance(call.args[0], ast.Call))
    return last_name(call.func) == "train" and isinstance(call.func, ast.Attribute)


def _evals(scope: ast.AST) -> bool:
    return any(isinstance(call.func, ast.Attribute) and not call.args for call in calls(scope, "eval"))
