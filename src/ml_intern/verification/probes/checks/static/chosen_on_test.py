"""What is tuned on a part of the data is not measured on the same part.

Source: scikit-learn documentation, "Common pitfalls", section "Data leakage"; for intervals, Angelopoulos and Bates,
"A gentle introduction to conformal prediction", arXiv 2107.07511 §1.1: the calibration rows are held out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, assignments, inside, judged, last_name

_TUNES = re.compile(
    r"calibrat|threshold|temperature|tune|choose|select|search|optimi[sz]e|margin|cut_?off|quantile|best_"
)
_SETS = re.compile(r"^(set|fit|tune|calibrate|choose|select|find|search|optimi[sz]e)(_|$)")
"""How the names of functions begin that keep what they find; others may print or draw it."""
_TEST = re.compile(r"(^|_)(test|holdout)(_|$|[ds]\b)|\[['\"](test|holdout)['\"]\]")


@check(family="static", cost="free")
def chosen_on_test(candidate: Candidate) -> Outcome | None:
    """Follow what a function that tunes gives for the test part into another call that is given the test part."""
    return judged(candidate, _find, "tune on the validation part; the test part is for the last measurement only")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        yield from _set_on_test(scope)
        called = [node for node in inside(scope) if isinstance(node, ast.Call)]
        same = {name: ast.unparse(value) for name, value, _ in assignments(scope)}
        for name, value, _ in assignments(scope):
            if not isinstance(value, ast.Call) or not _TUNES.search(f"{last_name(value.func)} {name}".lower()):
                continue
            parts = {part for argument in _given(value) if (part := _test_part(argument, same))}
            for call in called:
                given = _given(call)
                is_told = any(isinstance(a, ast.Name) and a.id == name for a in given)
                if is_told and call is not value and parts & {_test_part(argument, same) for argument in given}:
                    yield value, f"{name} is chosen on {min(parts)}, on which {last_name(call.func)} measures it"


def _set_on_test(scope: ast.AST) -> Iterator[Finding]:
    """Look for a call whose value nobody takes: what it finds on the test part is kept for the measurement."""
    for call in (node.value for node in inside(scope) if isinstance(node, ast.Expr)):
        if isinstance(call, ast.Call) and all(way.search(last_name(call.func)) for way in (_SETS, _TUNES)):
            for part in filter(None, (_test_part(argument, {}) for argument in _given(call))):
                yield call, f"{last_name(call.func)} is given {part}"


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(pair.value for pair in call.keywords)]


def _test_part(node: ast.expr, same: dict[str, str]) -> str:
    """Write the test part that an argument is; empty for anything else."""
    text = ast.unparse(node)
    text = same.get(text, text) if isinstance(node, ast.Name) and "(" not in same.get(text, "(") else text
    is_plain = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
    return text if is_plain and _TEST.search(text) else ""
