"""A layer calls `super().__init__()` before it holds layers of its own.

Source: PyTorch documentation of `nn.Module`: "an __init__() call to the parent class must be made before assignment".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name


@check(family="static", cost="free")
def missing_super_init(candidate: Candidate) -> Outcome | None:
    """Look for a call of some `__init__` in the `__init__` of every layer."""
    return judged(candidate, _find, "put super().__init__() first in __init__")


def _find(source: Source) -> Iterator[Finding]:
    for name, node in source.layer_classes().items():
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                called = [n for n in ast.walk(method) if isinstance(n, ast.Call)]
                if not any(last_name(call.func) == "__init__" for call in called):
                    yield method, f"{name}.__init__ never calls super().__init__()"
