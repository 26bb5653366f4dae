"""A temperature divides logits, before the softmax: probabilities that are divided are the same again once normalised.

Source: Hinton et al., arXiv 1503.02531 §2, equation 1; PyTorch documentation of `torch.multinomial`: its input need not
sum to one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, assignments, judged, last_name

_TEMPERATURE = re.compile(r"(^|[._])(temp(erature)?|tau)\b", re.IGNORECASE)


@check(family="static", cost="free")
def late_temperature(candidate: Candidate) -> Outcome | None:
    """Look for the quotient of a softmax and a temperature."""
    return judged(candidate, _find, "divide the logits: (logits / temperature).softmax(-1)")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        soft = {name for name, value, _ in assignments(scope) if _is_softmax(value)}
        for node in ast.walk(scope):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                is_soft = _is_softmax(node.left) or (isinstance(node.left, ast.Name) and node.left.id in soft)
                if is_soft and _TEMPERATURE.search(ast.unparse(node.right)):
                    yield node, f"{ast.unparse(node)[:60]} divides probabilities"


def _is_softmax(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) == "softmax"
