"""Scalers, vocabularies and selections are fitted on the training part only.

Source: scikit-learn documentation, "Common pitfalls", section "Data leakage during pre-processing".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, assignments, calls, judged, last_name

_LATER = ("test", "val", "valid", "holdout", "eval")


@check(family="static", cost="free")
def fitted_on_test(candidate: Candidate) -> Outcome | None:
    """Look for `fit_transform` before the split, and for a fit on a later part."""
    return judged(candidate, _find, "split first; fit on the training part, and only transform the others")


def _find(source: Source) -> Iterator[Finding]:
    if "sklearn" not in source.text:
        return
    for scope in source.scopes():
        for call in calls(scope, "fit", "fit_transform"):
            name = ast.unparse(call.args[0]) if call.args else ""
            words = set(name.lower().replace(".", "_").replace("[", "_").split("_"))
            if words & set(_LATER) and "train" not in words and _has_fitted_twice(scope, call):
                yield call, f"{ast.unparse(call)[:60]} fits on {name}, a later part"
        yield from _before_split(scope)


def _has_fitted_twice(scope: ast.AST, call: ast.Call) -> bool:
    """Tell that the same object is fitted on something else too."""
    own = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    fitted = [c for c in calls(scope, "fit", "fit_transform") if isinstance(c.func, ast.Attribute)]
    return sum(ast.unparse(c.func.value) == own for c in fitted) > 1


def _before_split(scope: ast.AST) -> Iterator[Finding]:
    for name, value, statement in assignments(scope):
        if isinstance(value, ast.Call) and last_name(value.func) == "fit_transform":
            for split in calls(scope, "train_test_split"):
                is_given = name in [ast.unparse(argument) for argument in split.args]
                if is_given and split.lineno > statement.lineno:
                    yield statement, f"{ast.unparse(value)[:60]} is fitted on all rows, before they are split"
