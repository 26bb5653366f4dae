"""A search for the best value starts from the worst one; from the wrong end nothing is ever better.

Source: this project's notes on selection bugs: `best = 0` for a loss, `best = inf` for an accuracy.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, assignments, judged

_NOT_NEGATIVE = ("loss", "mse", "mae", "rmse", "perplexity", "ppl", "error", "wer", "cer")
_LOSSES = ("cross_entropy", "CrossEntropyLoss", "mse_loss", "MSELoss", "l1_loss", "L1Loss")
_INFINITE = {"float('inf')", "math.inf", "np.inf", "numpy.inf", "torch.inf", "inf", "-float('-inf')"}
_LOWEST = {"float('-inf')", "-math.inf", "-np.inf", "-numpy.inf", "-float('inf')", "-torch.inf", "-inf"}


@check(family="static", cost="free")
def best_value(candidate: Candidate) -> Outcome | None:
    """Compare the first value with the direction in which it is compared."""
    return judged(candidate, _find, 'start a minimum from float("inf") and a maximum from float("-inf")')


def _find(source: Source) -> Iterator[Finding]:
    for scope in source.scopes():
        bound = assignments(scope)
        for here in ast.walk(scope):
            if not (isinstance(here, ast.If) and isinstance(here.test, ast.Compare) and len(here.test.ops) == 1):
                continue
            new, best, is_less = _sides(here.test)
            updates = [value for name, value, s in bound if name == best and here in source.around(s)]
            first = [value for name, value, s in bound if name == best and here not in source.around(s)]
            is_search = len(updates) == 1 and ast.unparse(updates[0]) == new and len(first) == 1
            if is_search and _never(source, ast.unparse(first[0]), new, is_less=is_less):
                yield here, f"{best} starts at {ast.unparse(first[0])}, so `{ast.unparse(here.test)}` never holds"


def _sides(test: ast.Compare) -> tuple[str, str, bool]:
    """Give the new value, the best one, and whether less is better; the best one has `best` in its name."""
    left, right = ast.unparse(test.left), ast.unparse(test.comparators[0])
    is_less = isinstance(test.ops[0], ast.Lt | ast.LtE)
    if not is_less and not isinstance(test.ops[0], ast.Gt | ast.GtE):
        return "", "", False
    return (right, left, not is_less) if "best" in left else (left, right, is_less)


def _never(source: Source, first: str, new: str, *, is_less: bool) -> bool:
    if not is_less:
        return first in _INFINITE
    if first in _LOWEST:
        return True
    is_positive = any(word in new.lower() for word in _NOT_NEGATIVE) and any(word in source.text for word in _LOSSES)
    return is_positive and first in {"0", "0.0", "-1", "-1.0"}
