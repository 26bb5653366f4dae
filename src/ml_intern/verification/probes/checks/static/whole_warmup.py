"""A warm-up raises the rate step by step: whole division keeps it at zero until the last step.

Source: Goyal et al., arXiv 1706.02677 §2.2, gradual warm-up; the language reference on `//`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged

_WARM = re.compile(r"warm", re.IGNORECASE)


@check(family="static", cost="free")
def whole_warmup(candidate: Candidate) -> Outcome | None:
    """Look for a function whose value, or a factor of it, is the whole quotient of something and the warm-up."""
    return judged(candidate, _find, "divide with /, so that the rate grows with each step")


def _find(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        given = node.value if isinstance(node, ast.Return) else node.body if isinstance(node, ast.Lambda) else None
        for factor in _factors(given):
            is_whole = isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.FloorDiv)
            if is_whole and _WARM.search(ast.unparse(factor.right)):
                yield factor, f"{ast.unparse(factor)[:60]} is 0 until the warm-up is over"


def _factors(node: ast.expr | None) -> Iterator[ast.expr]:
    """Look through choices, minima and products."""
    match node:
        case ast.IfExp(body=body, orelse=other):
            yield from _factors(body)
            yield from _factors(other)
        case ast.Call(func=ast.Name(id="min" | "max" | "float"), args=values):
            for value in values:
                yield from _factors(value)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from _factors(left)
            yield from _factors(right)
        case ast.expr():
            yield node
        case _:
            return
