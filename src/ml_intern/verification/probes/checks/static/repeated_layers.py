"""A list of layers is not one layer several times, as `[Block()] * depth` makes it.

Source: Python documentation, "Common sequence operations", note on `s * n`: items are not copied.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name


@check(family="static", cost="free")
def repeated_layers(candidate: Candidate) -> Outcome | None:
    """Look for a list of one new layer with weights that is multiplied."""
    return judged(candidate, _find, "[Block() for _ in range(depth)] makes new layers")


def _find(source: Source) -> Iterator[Finding]:
    for call in ast.walk(source.tree):
        if not isinstance(call, ast.Call) or last_name(call.func) not in {"ModuleList", "Sequential"}:
            continue
        for given in call.args:
            value = given.value if isinstance(given, ast.Starred) else given
            if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
                for side in (value.left, value.right):
                    if isinstance(side, ast.List) and any(map(source.makes_layer, side.elts)):
                        yield call, f"{ast.unparse(value)[:60]} is one and the same layer several times"
