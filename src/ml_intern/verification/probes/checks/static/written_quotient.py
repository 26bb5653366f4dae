"""A quotient stands in the code as the words beside it write it, not upside down.

Source: the docstring of the same class or function: `alpha / rank` there, `rank / alpha` in the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Function, Source, judged, last_name

_WRITTEN = re.compile(r"\b([A-Za-z_]\w*)\s*(?:/|\bover\b|\bdivided by\b)\s*([A-Za-z_]\w*)\b")


@check(family="static", cost="free")
def written_quotient(candidate: Candidate) -> Outcome | None:
    """Compare divisions of two names with those of docstrings."""
    return judged(candidate, _find, "turn the quotient round, or correct the words")


def _find(source: Source) -> Iterator[Finding]:
    for scope in ast.walk(source.tree):
        if not isinstance(scope, Function | ast.ClassDef) or not (text := ast.get_docstring(scope)):
            continue
        written = {(one.lower(), other.lower()) for one, other in _WRITTEN.findall(text)}
        divisions = {
            (last_name(node.left).lower(), last_name(node.right).lower()): node
            for node in ast.walk(scope)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        }
        for (above, below), node in divisions.items():
            is_turned = (below, above) in written and (above, below) not in written
            if above and below and is_turned and (below, above) not in divisions:
                yield node, f"the code divides {above} by {below}, the words say {below} over {above}"
