"""The best weights are kept as a copy: `state_dict()` gives the live tensors, which go on training.

Source: PyTorch tutorial "Saving and loading models": "best_model_state = deepcopy(model.state_dict())".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Loop, Source, assignments, judged, last_name


@check(family="static", cost="free")
def kept_state(candidate: Candidate) -> Outcome | None:
    """Look for a state that is kept in a loop without a copy and loaded again."""
    return judged(candidate, _find, "keep copy.deepcopy(model.state_dict())")


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        loaded = {
            ast.unparse(call.args[0])
            for call in ast.walk(scope)
            if isinstance(call, ast.Call) and last_name(call.func) == "load_state_dict" and call.args
        }
        for name, value, statement in assignments(scope):
            in_loop = any(isinstance(n, Loop) for n in source.around(statement))
            in_if = any(isinstance(n, ast.If) for n in source.around(statement))
            if name in loaded and in_loop and in_if and _is_live(value):
                yield statement, f"{name} holds the live weights, not those of this moment: it changes with each step"


def _is_live(value: ast.expr) -> bool:
    """Tell `m.state_dict()`, and copies of it that are not deep."""
    if isinstance(value, ast.DictComp) and "state_dict()" in ast.unparse(value.generators[0].iter):
        return ast.unparse(value.value).removesuffix(".detach()").removesuffix(".data").isidentifier()
    if not isinstance(value, ast.Call):
        return False
    if last_name(value.func) in {"dict", "OrderedDict"} and len(value.args) == 1:
        return _is_live(value.args[0])
    if last_name(value.func) == "copy" and isinstance(value.func, ast.Attribute):
        given = value.args[0] if value.args else value.func.value
        return _is_live(given)
    return last_name(value.func) == "state_dict"
