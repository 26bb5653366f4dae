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

_TEMPERATURE = re.compile(r"^(t|tau)$|temp", re.IGNORECASE)


@check(family="static", cost="free")
def soft_targets(candidate: Candidate) -> Outcome | None:
    """Look for a divergence of two distributions at one temperature that no square of it stands beside."""
    return judged(candidate, _find, "multiply by the square of the temperature, so that both losses keep their weights")


def _find(source: Source) -> Iterator[Finding]:
    squared = set(_squared(source.tree))
    for call in ast.walk(source.tree):
        if not isinstance(call, ast.Call) or last_name(call.func) != "kl_div" or len(call.args) < 2:
            continue
        yield from _at_two_temperatures(source, call)
        shared = set(_divisors(call.args[0])) & set(_divisors(call.args[1]))
        if shared and not shared & squared:
            name = min(shared)
            yield call, f"both distributions are taken at {name}, and the divergence is not multiplied by its square"


def _at_two_temperatures(source: Source, call: ast.Call) -> Iterator[Finding]:
    """Tell of two distributions that are both made here, only one of them at a temperature."""
    known = {name: value for name, value, _ in assignments(source.function_of(call) or source.tree)}
    written = [list(_written_out(argument, known)) for argument in call.args[:2]]
    if all(any("softmax" in last_name(node) for node in nodes) for nodes in written):
        softened = [{n for node in nodes for n in _divisors(node) if _TEMPERATURE.search(n)} for nodes in written]
        if bool(softened[0]) != bool(softened[1]):
            yield call, f"one distribution is taken at {min(softened[0] | softened[1])}, the other is not"


def _written_out(node: ast.expr, known: dict[str, ast.expr], depth: int = 3) -> Iterator[ast.expr]:
    """Give the parts of an expression, and those of what its names were assigned in the same function."""
    for part in (part for part in ast.walk(node) if isinstance(part, ast.expr)):
        yield part
        if isinstance(part, ast.Name) and part.id in known and depth:
            yield from _written_out(known[part.id], known, depth - 1)


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
