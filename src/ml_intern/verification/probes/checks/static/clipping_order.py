"""Gradients are clipped after the backward pass, before the step, and after a scaler has unscaled them.

Source: PyTorch documentation, "Automatic mixed precision examples", section "Gradient clipping".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, blocks, judged, last_name

_CLIPS = {"clip_grad_norm_", "clip_grad_value_"}


@check(family="static", cost="free")
def clipping_order(candidate: Candidate) -> Outcome | None:
    """Read the order of calls in every block that clips."""
    return judged(candidate, _find, "backward(), scaler.unscale_(optimizer) where there is a scaler, clip, step()")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        for block in blocks(scope):
            names = [_call(statement) for statement in block]
            for place in [p for p, name in enumerate(names) if name in _CLIPS]:
                before, after = names[:place], names[place + 1 :]
                if "step" in after:
                    if "scale" in before and "unscale_" not in source.text:
                        yield block[place], "scaled gradients are clipped: nothing unscales them first"
                    if "backward" not in before and "backward" in after[: after.index("step")]:
                        yield block[place], "gradients are clipped before the backward pass makes them"
                elif "backward" in before and "step" in before[before.index("backward") :] and "backward" not in after:
                    yield block[place], "gradients are clipped after the step has used them"


def _call(statement: ast.stmt) -> str:
    """Name what a statement calls; `scale` for the backward pass of a scaled loss."""
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if not isinstance(value, ast.Call):
        return ""
    name = last_name(value.func)
    return "scale" if name == "backward" and ".scale(" in ast.unparse(value) else name
