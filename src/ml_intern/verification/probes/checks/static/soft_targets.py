"""Soft targets: one temperature for both distributions, and its square before the loss, or its gradient shrinks.

Source: Hinton et al., "Distilling the knowledge in a neural network", arXiv 1503.02531 §2.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, assignments, constant, judged, last_name

_TEMPERATURE = re.compile(r"^(t|tau|temp(erature)?)$|temp", re.IGNORECASE)


@check(family="static", cost="free")
def soft_targets(candidate: Candidate) -> Outcome | None:
    """Look for a divergence of two distributions at one temperature that no square of it stands beside."""
    return judged(candidate, _find, "multiply by the square of the temperature, so that both losses keep their weights")


def _find(source: Source) -> Iterator[Finding]:
    squared = set(_squared(source.tree))
    for call in ast.walk(source.tree):
        if not isinstance(call, ast.Call) or last_name(call.func) != "kl_div" or len(call.args) < 2:
            continue
        softened = [
            {n for n in _divisors(argument) if _TEMPERATURE.search(n)} for argument in _written_out(source, call)
        ]
        if bool(softened[0]) != bool(softened[1]):
            name = min(softened[0] | softened[1])
            yield call, f"one distribution is taken at {name}, the other is not"
        shared = set(_divisors(call.args[0])) & set(_divisors(call.args[1]))
        if shared and not shared & squared:
            name = min(shared)
            yield call, f"both distributions are taken at {name}, and the divergence is not multiplied by its square"


def _written_out(source: Source, call: ast.Call) -> list[ast.expr]:
    """Give the two distributions, names replaced by what they were assigned in the same function."""
    scope = source.function_of(call) or source.tree
    known = {name: value for name, value, _ in assignments(scope)}
    return [known.get(ast.unparse(argument), argument) for argument in call.args[:2]]


def _divisors(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) and last_name(part.right):
            yield last_name(part.right)


def _squared(tree: ast.Module) -> Iterator[str]:
    """Give the names that are squared, or multiplied by, anywhere: in the loss itself or where it is weighed."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Pow(), left=base):
                yield last_name(base)
            case ast.BinOp(op=ast.Mult(), left=one, right=other):
                yield from (last_name(one), last_name(other))
            case ast.Call(func=ast.Attribute(value=base, attr="pow" | "square")):
                yield last_name(base)
            case ast.Call(args=[base, *more]) if last_name(node.func) in {"pow", "square"}:
                yield last_name(base) if not more or constant(more[0]) == 2 else ""
            case ast.AugAssign(op=ast.Mult(), value=value):
                yield last_name(value)
            case _:
                pass
