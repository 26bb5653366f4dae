"""A training loop clears the gradients, before the backward pass and not between it and the step.

Loops whose function calls something of the program that clears them are right too.

Source: PyTorch documentation of `Optimizer.zero_grad`; tutorial "Optimizing model parameters".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Loop, Source, blocks, calls, inside, judged, owner

_CLEARS = ("zero_grad", ".grad = None", ".grad=None", "grad.zero_(", "grad.data.zero_(", "backward_pass", "accelerat")


@check(family="static", cost="free")
def gradient_reset(candidate: Candidate) -> Outcome | None:
    """Look at loops with `backward()` and `step()`."""
    return judged(candidate, _find, "call optimizer.zero_grad() once a step, before loss.backward()")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        for loop in [n for n in inside(scope) if isinstance(n, Loop)]:
            stepped = [c for c in calls(loop, "step") if "sched" not in owner(c)]
            if calls(loop, "backward") and stepped and not any(word in source.text for word in _CLEARS):
                yield loop, "a loop steps and goes backward, and nothing clears the gradients: they add up"
        for block in blocks(scope):
            yield from _between(block)


def _between(block: list[ast.stmt]) -> Iterator[Finding]:
    """Find `backward`, `zero_grad`, `step` in this order in one block."""
    had_backward, cleared = False, None
    for statement in block:
        call = statement.value if isinstance(statement, ast.Expr) else None
        name = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else ""
        if name == "backward":
            had_backward, cleared = True, None
        elif name == "zero_grad" and had_backward:
            cleared = owner(call)
        elif name == "step" and cleared is not None and owner(call) == cleared:
            yield statement, f"{cleared}.zero_grad() stands between backward() and step(): every step sees zeros"
        elif statement is not None and name == "" and not isinstance(statement, ast.Expr | ast.Assign):
            had_backward, cleared = False, None
