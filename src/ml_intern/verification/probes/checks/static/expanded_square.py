"""A squared distance that is written out has its cross term twice: |a|² + |b|² - 2ab.

Source: the binomial formula; van den Oord et al., arXiv 1711.00937, whose nearest code is found so by most programs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name

_TRANSPOSED = re.compile(r"\.(m?[TH]|t\(\)|(transpose|permute)\([^()]*\))$")
_PRODUCTS = ("matmul", "mm", "bmm", "einsum", "inner", "dot")


@check(family="static", cost="free")
def expanded_square(candidate: Candidate) -> Outcome | None:
    """Look at sums of two squares from which a product of the same two is taken, and count how often."""
    return judged(candidate, _find, "write 2 * before the product, or use torch.cdist")


def _find(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if not _is_sum(node) or _is_sum(source.parents.get(node)):
            continue
        terms = list(_terms(node, 1))
        squared = [base for sign, term in terms if sign > 0 and (base := _squared(term))]
        for sign, term in terms:
            factors = _product(term) if sign < 0 and len(terms) == 3 and len(squared) == 2 else []
            if factors and all(base in factors for base in squared):
                yield node, f"{ast.unparse(term)[:60]} is taken away once, not twice"


def _is_sum(node: ast.AST | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _terms(node: ast.expr, sign: int) -> Iterator[tuple[int, ast.expr]]:
    """Give the terms of a sum with their signs."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left, sign)
        yield from _terms(node.right, -sign if isinstance(node.op, ast.Sub) else sign)
    else:
        yield sign, node


def _squared(node: ast.expr) -> str:
    """Write what is squared and summed up; empty for anything else."""
    for here in ast.walk(node):
        match here:
            case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=2)):
                return ast.unparse(base)
            case ast.Call(func=ast.Attribute(value=base, attr="pow"), args=[ast.Constant(value=2)]):
                return ast.unparse(base)
            case ast.Call(func=ast.Attribute(value=base, attr="square"), args=[]):
                return ast.unparse(base)
            case ast.Call(func=function, args=[base]) if last_name(function) == "square":
                return ast.unparse(base)
            case _:
                continue
    return ""


def _product(node: ast.expr) -> list[str]:
    """Write the factors of a matrix product, without their transposition; none for anything else."""
    factors: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        factors = [node.left, node.right]
    elif isinstance(node, ast.Call) and last_name(node.func) in _PRODUCTS:
        inner = [node.func.value] if isinstance(node.func, ast.Attribute) and len(node.args) == 1 else []
        factors = [*inner, *node.args]
    return [_TRANSPOSED.sub("", ast.unparse(factor)) for factor in factors]
